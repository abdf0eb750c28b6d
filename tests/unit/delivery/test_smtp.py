"""Attempts over SMTP, against a real server on a real socket."""

import asyncio
import ssl

import pytest
from tests.support.outgoing import (
    DEFERRED,
    DELIVERED,
    FAILED,
    PREFIX,
    Chunks,
    attempt,
    message,
    states,
)
from tests.support.smtp_peer import Peer, serve
from tests.unit.delivery.conftest import CourierMaker

from pillarbox.mail.envelope import RecipientState
from pillarbox.route import TlsMode


async def test_a_message_is_delivered(courier_to: CourierMaker) -> None:
    """Envelope, content with the prefix in front, and an outcome that tells how."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "SIZE", "DSN")
        await peer.take_message(reply="250 2.0.0 queued as 42")
        await peer.until_closed()

    made = message(b"Subject: x\r\n\r\n.dot\r\n")
    async with serve(script) as server:
        result = await attempt(courier_to(server.port), made)

    (outcome,) = result.outcomes
    assert (outcome.number, outcome.state, str(outcome.reply)) == (
        0, DELIVERED, "250 2.0.0 queued as 42",
    )  # fmt: skip
    assert (outcome.remote_host, outcome.tls, outcome.relayed_dsn) == ("localhost", "", True)
    assert (result.hop_failure, result.throttled) == (None, False)
    assert server.peers[0].contents == [PREFIX + b"Subject: x\r\n\r\n..dot\r\n.\r\n"]
    assert f"MAIL FROM:<u1@t1.test> SIZE={made.size_octets}" in server.commands


async def test_a_session_serves_many_messages(courier_to: CourierMaker) -> None:
    """One connection, one EHLO, no RSET, and QUIT at the end."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        for _ in range(3):
            await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        courier = courier_to(server.port)
        assert not courier.is_open
        for _ in range(3):
            assert states(await attempt(courier, message())) == {0: DELIVERED}
            assert courier.is_open
        await courier.close()
        assert not courier.is_open

    assert len(server.peers) == 1
    assert [command.split()[0] for command in server.commands] == [
        "EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", [TlsMode.STARTTLS, TlsMode.TLS])
async def test_mail_goes_over_tls(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext, mode: TlsMode
) -> None:
    """STARTTLS and TLS from the first octet, certificate verified, login inside."""

    async def script(peer: Peer) -> None:
        if mode is TlsMode.STARTTLS:
            await peer.greet("STARTTLS")
            await peer.expect("STARTTLS")
            peer.send("220 go")
            await peer.start_tls(peer_tls)
            await peer.hello("AUTH PLAIN", "PIPELINING")
        else:
            await peer.greet("AUTH PLAIN", "PIPELINING")
        await peer.expect("AUTH PLAIN ")
        peer.send("235 welcome")
        await peer.take_message()
        await peer.until_closed()

    implicit = peer_tls if mode is TlsMode.TLS else None
    async with serve(script, tls=implicit) as server:
        courier = courier_to(server.port, tls=mode, username="u", password="p")
        result = await attempt(courier, message())

    assert states(result) == {0: DELIVERED}
    assert result.outcomes[0].tls.startswith("TLSv1.3 TLS_")


async def test_each_recipient_has_its_own_outcome(courier_to: CourierMaker) -> None:
    """2yz delivered, 4yz deferred, 5yz failed, each with the reply that it got."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("RCPT")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "550 5.1.1 unknown", "451 4.2.1 later", "250 ok", "354 go")
        await peer.content()
        peer.send("250 2.0.0 done")

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message(recipients=3))

    assert states(result) == {0: FAILED, 1: DEFERRED, 2: DELIVERED}
    assert {o.number: str(o.reply) for o in result.outcomes} == {
        0: "550 5.1.1 unknown",
        1: "451 4.2.1 later",
        2: "250 2.0.0 done",
    }
    assert result.hop_failure is None


async def test_only_the_recipients_of_the_attempt_are_named(courier_to: CourierMaker) -> None:
    """Those that are final or elsewhere stay out of it."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    made = message(recipients=3)
    async with serve(script) as server:
        result = await courier_to(server.port).attempt(made, made.recipients[1:2], Chunks())

    assert states(result) == {1: DELIVERED}
    assert [line for line in server.commands if line.startswith("RCPT")] == [
        "RCPT TO:<r1@far.test>"
    ]


async def test_too_many_recipients_go_in_the_next_transaction(courier_to: CourierMaker) -> None:
    """RFC 5321 4.5.3.1.10: 452 after some were taken is answered by another transaction at once,
    and so is 552, which old servers say for it."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        for _ in range(3):
            await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "250 ok", "452 4.5.3 too many", "552 too many", "354 go")
        await peer.content()
        peer.send("250 one")
        await peer.take_message(reply="250 two")

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message(recipients=3))

    assert {o.number: o.reply.text for o in result.outcomes} == {0: "one", 1: "two", 2: "two"}
    assert len(server.peers[0].contents) == 2


async def test_too_many_recipients_from_the_start_are_deferred(courier_to: CourierMaker) -> None:
    """Where nobody was taken there is no next transaction: no endless loop."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "452 4.5.3 too many", "503 no recipients")
        await peer.until_closed()

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    assert states(result) == {0: DEFERRED}


async def test_the_limits_of_rfc_9422_are_kept(courier_to: CourierMaker) -> None:
    """RCPTMAX splits the recipients, MAILMAX begins a new session."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2")
        await peer.take_message()
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async def second(peer: Peer) -> None:
        await peer.greet("PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=2")
        await peer.take_message()

    async with serve(script, second) as server:
        result = await attempt(courier_to(server.port), message(recipients=5))

    assert states(result) == dict.fromkeys(range(5), DELIVERED)
    assert result.transactions == 3
    assert len(server.peers) == 2


@pytest.mark.parametrize(
    ("answers", "state", "throttled"),
    [
        (["421 4.3.2 bye"], DEFERRED, True),
        (["450 4.7.1 slower", "503 no", "503 no"], DEFERRED, True),
        (["432 4.3.2 slower", "503 no", "503 no"], DEFERRED, True),
        (["550 5.7.1 not you", "503 no", "503 no"], FAILED, False),
        (["250 ok", "450 4.2.0 greylisted", "503 no"], DEFERRED, False),
        (["250 ok", "250 ok", "451 4.3.0 no"], DEFERRED, False),
        (["250 ok", "250 ok", "554 no"], FAILED, False),
    ],
)
async def test_refusals(
    courier_to: CourierMaker, answers: list[str], state: RecipientState, throttled: bool
) -> None:
    """The class of the reply decides; what asks for less mail is told to the lane."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send(*answers)

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    (outcome,) = result.outcomes
    assert outcome.state is state
    assert result.throttled is throttled
    assert result.hop_failure is None
    assert outcome.remote_host == "localhost"


async def test_a_wanted_login_is_the_routes_fault(courier_to: CourierMaker) -> None:
    """530 to MAIL fails nobody: an administrator mends the route."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        peer.send("530 5.7.0 log in first", "503 no", "503 no")

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    assert states(result) == {0: DEFERRED}
    assert result.hop_failure is not None
    assert "Give the route user name" in result.hop_failure.text


async def test_a_session_with_a_message_under_way_is_open(courier_to: CourierMaker) -> None:
    """However long the next hop takes to confirm it: else its lane would take it for one that is
    being opened, and open no further ones."""
    has_content, may_confirm = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "250 ok", "354 go on")
        await peer.content()
        has_content.set()
        await may_confirm.wait()
        peer.send("250 taken")
        await peer.until_closed()

    async with serve(script) as server:
        courier = courier_to(server.port)
        made = asyncio.create_task(attempt(courier, message()))
        await asyncio.wait_for(has_content.wait(), 20)
        was_open = courier.is_open
        may_confirm.set()

        assert states(await made) == {0: DELIVERED}
        assert was_open
