"""Connections that end, hang or lie, and the time that a next hop has."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.outgoing import (
    DEFERRED,
    DELIVERED,
    FAILED,
    attempt,
    message,
    states,
    stored,
)
from tests.support.smtp_peer import Peer, serve
from tests.unit.delivery.conftest import CourierMaker

from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.address import Mailbox
from pillarbox.smtp.client import ClientProtocol, ClientSettings


async def test_a_session_that_went_stale_is_replaced(courier_to: CourierMaker) -> None:
    """The server closed it while it was idle, or says so now: nobody waits for that."""

    async def closes(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.expect("MAIL")
        peer.cut()

    async def says_421(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.expect("MAIL")
        peer.send("421 4.4.2 idle too long")

    async def works(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    async with serve(closes, says_421, works) as server:
        courier = courier_to(server.port)
        results = [await attempt(courier, message()) for _ in range(3)]

    assert [states(result) for result in results] == [{0: DELIVERED}] * 3
    assert not any(result.throttled or result.hop_failure for result in results)
    assert len(server.peers) == 3


async def test_who_can_not_be_named_fails_once(courier_to: CourierMaker) -> None:
    """Also where the session turns out to be over, so that all is offered again."""

    async def closes(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.expect("MAIL")
        peer.cut()

    async def works(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    mixed = message(recipients=2)
    foreign = replace(mixed.recipients[1].recipient, forward_path=Mailbox("jörg", "far.example"))
    mixed.recipients[1].recipient = foreign
    async with serve(closes, works) as server:
        courier = courier_to(server.port)
        await attempt(courier, message())
        result = await attempt(courier, mixed)

    assert sorted((each.number, each.state) for each in result.outcomes) == [
        (0, DELIVERED),
        (1, FAILED),
    ]


async def test_a_session_closed_while_idle_is_seen(courier_to: CourierMaker) -> None:
    """421 and the end of the connection between two messages."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        peer.send("421 4.4.2 bye")

    async with serve(script) as server:
        courier = courier_to(server.port)
        await attempt(courier, message())
        connection = courier._connection
        assert connection is not None
        await asyncio.wait_for(asyncio.shield(connection._closed), 10)
        assert not courier.is_open


async def test_a_server_that_always_hangs_up_is_not_asked_for_ever(
    courier_to: CourierMaker,
) -> None:
    """A fresh session that ends at MAIL is a failure of the hop."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    assert states(result) == {0: DEFERRED}
    assert result.hop_failure is not None
    assert "was lost while it was given the sender" in result.hop_failure.text
    assert result.outcomes[0].remote_host == ""
    assert len(server.peers) == 1


async def test_a_lost_confirmation_defers(courier_to: CourierMaker) -> None:
    """RFC 5321 4.5.3.2.6: tried again; the reply tells that it may arrive twice."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "250 ok", "354 go")
        await peer.content()
        peer.send_raw(b"250 2.0.0 que")
        peer.cut()

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    assert states(result) == {0: DEFERRED}
    assert result.outcomes[0].reply.enhanced == "4.4.2"
    assert "twice" in result.outcomes[0].reply.text
    assert result.hop_failure is None
    assert result.throttled


@pytest.mark.parametrize(
    ("stage", "timeouts", "what"),
    [
        ("greeting", Timeouts(greeting=0.05), "its greeting was awaited"),
        ("ehlo", Timeouts(command=0.05), "it was greeted"),
        ("mail", Timeouts(command=0.05), "it was given the sender"),
        ("data", Timeouts(data=0.05), "it was asked to take the content"),
        ("end", Timeouts(end=0.05), "twice"),
    ],
)
async def test_each_command_has_its_time_limit(
    courier_to: CourierMaker, stage: str, timeouts: Timeouts, what: str
) -> None:
    """RFC 5321 4.5.3.2: the step that took too long is named, and the mail waits."""

    async def script(peer: Peer) -> None:
        if stage != "greeting":
            peer.send("220 hi")
        if stage not in ("greeting", "ehlo"):
            await peer.hello("PIPELINING")
        if stage in ("data", "end"):
            await peer.expect("MAIL")
            peer.send("250 ok", "250 ok")
        if stage == "end":
            peer.send("354 go")
        await peer.until_closed()

    async with serve(script) as server:
        courier = courier_to(server.port, timeouts=timeouts)
        result = await attempt(courier, message())
        assert not courier.is_open

    assert states(result) == {0: DEFERRED}
    assert what in result.outcomes[0].reply.text


async def test_row_65_octets_that_trickle_in_buy_no_time(courier_to: CourierMaker) -> None:
    """Only a whole reply counts as an answer (row 65)."""

    trickled: list[int] = []

    async def script(peer: Peer) -> None:
        loop = asyncio.get_running_loop()

        def trickle(number: int) -> None:
            trickled.append(number)
            peer.send_raw(b"220-x\r\n")

        for number in range(50):
            loop.call_later(number * 0.03, trickle, number)
        await peer.until_closed()

    async with serve(script) as server:
        result = await attempt(courier_to(server.port, timeouts=Timeouts(greeting=0.1)), message())

    assert states(result) == {0: DEFERRED}
    assert "did not answer in time" in result.outcomes[0].reply.text
    assert 0 < len(trickled) < 50


async def test_a_block_that_is_not_taken_runs_out_of_time(courier_to: CourierMaker) -> None:
    """RFC 5321 4.5.3.2.5: 3 minutes for a block by default."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.pause()
        peer.send("250 ok", "250 ok", "354 go")
        await asyncio.Event().wait()

    made, source = stored(*[b"x" * 500_000] * 40)
    async with serve(script) as server:
        courier = courier_to(server.port, timeouts=Timeouts(block=0.1))
        result = await courier.attempt(made, made.recipients, source)

    assert states(result) == {0: DEFERRED}
    assert "did not answer in time while it was sent the content" in result.outcomes[0].reply.text


@pytest.mark.parametrize(
    "hostile",
    [
        b"250-x\r\n" * 2000,
        b"2" * 10_000_000,
        b"999 what\r\n",
        b"hello\r\n",
        b"\x00\x01\x02\r\n",
        b"250 " + b"x" * 1_000_000 + b"\r\n",
        b"250-\xc3\r\n250 \xa9\xff\r\n354",
    ],
)
async def test_row_65_hostile_replies_defer(courier_to: CourierMaker, hostile: bytes) -> None:
    """Endless, huge, nonsense, split UTF-8: capped and tried again later (row 65)."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        peer.send_raw(hostile)
        peer.cut()

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), message())

    assert states(result) == {0: DEFERRED}


async def test_a_cancelled_attempt_leaves_no_half_message(courier_to: CourierMaker) -> None:
    """At shutdown: the connection is dropped at once, the dot never sent."""
    waiting, closed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        waiting.set()
        assert b"\r\n.\r\n" not in await peer.until_closed()
        closed.set()

    async with serve(script) as server:
        courier = courier_to(server.port)
        task = asyncio.create_task(attempt(courier, message()))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not courier.is_open
        await asyncio.wait_for(closed.wait(), 10)


async def test_a_server_that_does_not_answer_quit_is_left(courier_to: CourierMaker) -> None:
    """close() takes no longer than its limit."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await asyncio.Event().wait()

    async with serve(script) as server:
        courier = courier_to(server.port, timeouts=Timeouts(quit=0.05))
        await attempt(courier, message())
        await asyncio.wait_for(courier.close(), 10)
        assert not courier.is_open


async def test_who_is_cancelled_while_saying_good_bye_hangs_up(courier_to: CourierMaker) -> None:
    """As at the end of the service, which waits for no 221."""
    told, closed = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.expect("QUIT")
        told.set()
        await peer.until_closed()
        closed.set()

    async with serve(script) as server:
        courier = courier_to(server.port)
        await attempt(courier, message())
        task = asyncio.create_task(courier.close())
        await told.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(closed.wait(), 10)


async def test_a_greeting_that_comes_before_it_is_waited_for_is_not_lost() -> None:
    """The server may speak between the connection and the first step."""

    async def script(peer: Peer) -> None:
        peer.send("220 hi")
        await peer.hello("PIPELINING")
        await peer.until_closed()

    loop = asyncio.get_running_loop()
    async with serve(script) as server:
        connection = SmtpConnection(Timeouts())
        await loop.create_connection(lambda: connection, "127.0.0.1", server.port)
        async with asyncio.timeout(10):
            while not connection.was_greeted_early:
                await asyncio.to_thread(lambda: None)
        connection.start(ClientProtocol(ClientSettings("me.test")))
        await connection.step()
        assert connection.is_open
        connection.abort()
