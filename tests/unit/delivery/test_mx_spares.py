"""An MX host that opens sessions and takes nothing in them gives way to the others of its domain;
one that asks for less, or for patience, does not (RFC 5321 section 5.1)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.mx_world import MxWorld, open_mx_world, take_all, take_messages
from tests.support.outgoing import DEFERRED, DELIVERED, FAILED, attempt, message, states
from tests.support.smtp_peer import Peer, Script

from pillarbox.delivery import mx_spares
from pillarbox.delivery.courier import AttemptResult
from pillarbox.mail.address import parse_mailbox


@pytest.fixture
async def world() -> AsyncIterator[MxWorld]:
    """DNS, and a domain with two hosts."""
    async with open_mx_world() as made:
        made.mx("far.example", "first.far.example", "second.far.example")
        yield made


def refusing(reply: str, verb: str = "MAIL", *extensions: str) -> Script:
    """A host that answers each command of this name so."""

    async def script(peer: Peer) -> None:
        await peer.greet(*extensions)
        while command := await peer.line():
            if command.startswith(verb):
                peer.send(reply)
                if reply.startswith("421"):
                    return
            elif command == "QUIT":
                peer.send("221 bye")
                return
            else:
                peer.send("250 ok")

    return script


async def cutting(peer: Peer) -> None:
    """A host that is gone when it is given a sender."""
    await peer.greet()
    await peer.expect("MAIL")
    peer.cut()


def _host(result: AttemptResult) -> str:
    return result.outcomes[0].remote_host


def _reply(result: AttemptResult) -> str:
    return str(result.outcomes[0].reply)


@pytest.mark.parametrize(
    ("reply", "extensions"),
    [
        ("421 4.3.2 Service shutting down", ()),
        ("421 mx.far.example Service not available", ("PIPELINING",)),
        ("451 4.3.0 <u1@t1.test>: Temporary lookup failure", ("PIPELINING",)),
        ("451 4.3.5 Server configuration error", ()),
        ("451 Temporary local problem - please try later", ()),
        ("451 4.7.1 Service unavailable - try again later", ("PIPELINING",)),
        ("452 4.3.1 Insufficient system storage", ("PIPELINING",)),
    ],
)
async def test_a_host_that_takes_no_sender_gives_way(
    world: MxWorld, reply: str, extensions: tuple[str, ...]
) -> None:
    """In the same attempt, and nobody is slowed by it."""
    script = refusing(reply, "MAIL", *extensions)
    first = await world.host("first.far.example", script, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")

    result = await world.send("far.example", recipients=2)

    assert states(result) == {0: DELIVERED, 1: DELIVERED}
    assert _host(result) == "second.far.example"
    assert not result.throttled
    assert len(first.peers) == 1


async def test_a_host_that_is_gone_at_the_sender_gives_way(world: MxWorld) -> None:
    """Before, the lane closed, and each probe met the same host."""
    await world.host("first.far.example", cutting, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")

    result = await world.send("far.example")

    assert states(result) == {0: DELIVERED}
    assert result.hop_failure is None


async def test_a_host_that_ends_the_session_at_a_recipient_gives_way(world: MxWorld) -> None:
    """421 is about the session (RFC 5321 section 3.8)."""
    script = refusing("421 4.3.2 Service shutting down", "RCPT")
    await world.host("first.far.example", script, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")

    assert states(await world.send("far.example", recipients=2)) == {0: DELIVERED, 1: DELIVERED}


@pytest.mark.parametrize(
    "reply",
    [
        "450 4.7.1 Greylisted, try again in 5 minutes",
        "451 Greylisting in action, please come back later",
        "450 Please retry",
        "451 4.7.1 Please try again later",
        "421 4.7.0 Try again later, closing connection",
        "421 Too many messages in this session",
        "421 4.3.2 The maximum number of concurrent connections has exceeded a limit",
        "451 4.3.2 Please slow down",
        "450 4.1.8 <u1@t1.test>: Sender address rejected: Domain not found",
        "451 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
    ],
)
async def test_who_asks_for_less_or_for_patience_is_not_evaded(world: MxWorld, reply: str) -> None:
    """Nor who has something against the sender: the mail waits, as with one host."""
    first = await world.host("first.far.example", refusing(reply), address="127.0.0.11")
    second = await world.host("second.far.example", address="127.0.0.12")

    for _ in range(2):
        result = await world.send("far.example")

    assert states(result) == {0: DEFERRED}
    assert reply in _reply(result)
    assert first.peers
    assert not second.peers


async def test_what_a_known_receiver_asks_for_is_not_evaded(world: MxWorld) -> None:
    """Its words (delivery/receivers.toml) would look like trouble of the host elsewhere."""
    reply = "421 Unable to process connection at this time"
    world.mx("wish.example", "one.mimecast.com", "two.mimecast.com")
    await world.host("one.mimecast.com", refusing(reply), address="127.0.0.11")
    second = await world.host("two.mimecast.com", address="127.0.0.12")

    result = await world.send("wish.example")

    assert states(result) == {0: DEFERRED}
    assert not second.peers


@pytest.mark.parametrize(
    "reply",
    [
        "450 4.2.0 <r0@far.test>: Recipient address rejected: Greylisted",
        "421 4.7.1 Greylisted, try again in 5 minutes",
        "451 4.3.0 <r0@far.test>: Temporary lookup failure",
    ],
)
async def test_a_recipient_that_is_put_off_comes_back(world: MxWorld, reply: str) -> None:
    """The host has answered about a recipient: it is tried again, later."""
    await world.host("first.far.example", refusing(reply, "RCPT"), address="127.0.0.11")
    second = await world.host("second.far.example", address="127.0.0.12")

    for _ in range(2):
        result = await world.send("far.example")

    assert states(result) == {0: DEFERRED}
    assert _reply(result) == reply
    assert not second.peers


async def test_after_two_refusals_the_others_come_first(world: MxWorld) -> None:
    """Whoever opens a session; what stands at the host is not used, either."""
    refuse = refusing("451 4.3.0 queue file write error")
    first = await world.host("first.far.example", take_all, refuse, address="127.0.0.11")
    second = await world.host("second.far.example", address="127.0.0.12")
    kept = world.courier("far.example")
    assert _host(await attempt(kept, message())) == "first.far.example"
    for _ in range(2):
        courier = world.courier("far.example")
        assert _host(await attempt(courier, message())) == "second.far.example"

    hosts = [_host(await attempt(kept, message())), _host(await world.send("far.example"))]

    assert hosts == ["second.far.example"] * 2
    assert [len(peer.contents) for peer in first.peers] == [1, 0, 0]
    assert len(second.peers) == 4


async def test_another_address_of_the_only_host_is_asked(world: MxWorld) -> None:
    """RFC 5321 5.1: "each of the relevant addresses"; the next message begins with the good one."""
    world.mx("one.example", "only.one.example")
    refuse = refusing("451 4.3.0 not now")
    bad: list[str] = []

    def at(address: str) -> Script:
        """The address that is asked first is the bad one: the DNS has no order."""

        async def script(peer: Peer) -> None:
            bad.extend(() if bad else (address,))
            await (refuse if address in bad else take_all)(peer)

        return script

    addresses = ("127.0.0.11", "127.0.0.12")
    hosts = [await world.host("only.one.example", at(each), address=each) for each in addresses]

    results = []
    for _ in range(3):
        results.append(await world.send("one.example"))
        await world.means.sites.close()

    assert [states(result) for result in results] == [{0: DELIVERED}] * 3
    assert sorted(len(host.peers) for host in hosts) == [1, 3]


async def test_addresses_of_the_only_host_that_all_refuse_are_asked_once(world: MxWorld) -> None:
    """And the message waits."""
    world.mx("one.example", "only.one.example")
    hosts = [
        await world.host("only.one.example", refusing("451 4.3.0 not now"), address=address)
        for address in ("127.0.0.11", "127.0.0.12")
    ]

    result = await world.send("one.example")

    assert _reply(result) == "451 4.3.0 not now"
    assert [len(host.peers) for host in hosts] == [1, 1]


async def test_an_administrator_may_have_it_tried_at_once(world: MxWorld) -> None:
    """`pillarbox queue hops` says which host comes last and why, `queue retry --hop` ends it."""
    refuse = refusing("451 4.3.0 not now")
    await world.host("first.far.example", refuse, refuse, take_all, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")
    for _ in range(2):
        await world.send("far.example")
        await world.means.sites.close()
    [site] = world.means.sites._sites.values()
    assert site.state(1, lambda _: None).tried_last == "first.far.example (451 4.3.0 not now)"

    site.let_go()

    assert site.state(1, lambda _: None).tried_last == ""
    assert _host(await world.send("far.example")) == "first.far.example"


async def test_a_host_is_asked_again_after_a_time(
    world: MxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And has all mail as before once it takes some."""
    monkeypatch.setattr(mx_spares, "PASSED_SECONDS", 0)
    refuse = refusing("421 4.3.2 not now")
    first = await world.host("first.far.example", refuse, refuse, take_all, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")
    for _ in range(2):
        assert _host(await world.send("far.example")) == "second.far.example"
        await world.means.close()

    hosts = [_host(await world.send("far.example")) for _ in range(2)]

    assert hosts == ["first.far.example"] * 2
    assert [len(peer.contents) for peer in first.peers] == [0, 0, 2]


async def test_hosts_that_all_refuse_are_each_asked_once(world: MxWorld) -> None:
    """The reply of the last one counts, and it is a wish for less as it is with one host."""
    hosts = [
        await world.host(f"{name}.far.example", refusing(f"451 4.3.0 {name}"), address=address)
        for name, address in (("first", "127.0.0.11"), ("second", "127.0.0.12"))
    ]

    result = await world.send("far.example")

    assert states(result) == {0: DEFERRED}
    assert _reply(result) == "451 4.3.0 second"
    assert result.hop_failure is None
    assert result.throttled
    assert [len(host.peers) for host in hosts] == [1, 1]


async def test_a_host_that_refuses_is_asked_on_while_the_others_are_dead(world: MxWorld) -> None:
    """What it said stands in the queue; and it is used as soon as it takes mail."""
    refuse = refusing("451 4.3.0 not now")
    first = await world.host("first.far.example", refuse, refuse, take_all, address="127.0.0.11")
    world.dns.dns("second.far.example", "A", "127.0.0.12")

    refused = await world.send("far.example")
    await world.means.close()

    assert states(refused) == {0: DEFERRED}
    assert _reply(refused) == "451 4.3.0 not now"
    assert refused.hop_failure is None
    assert len(first.peers) == 2
    assert [_host(await world.send("far.example")) for _ in range(2)] == ["first.far.example"] * 2
    assert len(first.peers) == 3


async def test_what_the_first_host_decided_stays(world: MxWorld) -> None:
    """It has no SMTPUTF8, so one recipient has failed before it is asked; he is not sent to again
    by a host that has it."""
    await world.host("first.far.example", refusing("451 4.3.0 not now"), address="127.0.0.11")

    async def international(peer: Peer) -> None:
        await peer.greet("SMTPUTF8", "8BITMIME")
        await take_messages(peer)

    await world.host("second.far.example", international, address="127.0.0.12")
    made = message(smtputf8=True, recipients=2)
    mailbox = parse_mailbox("jörg@far.test")
    made.recipients[1].recipient = replace(made.recipients[1].recipient, forward_path=mailbox)

    result = await attempt(world.courier("far.example"), made)

    assert [each.number for each in result.outcomes] == [1, 0]
    assert states(result) == {0: DEFERRED, 1: FAILED}


async def test_the_only_host_is_asked_once(world: MxWorld) -> None:
    """There is nobody else."""
    world.mx("one.example", "only.one.example")
    refuse = refusing("451 4.3.0 not now")
    host = await world.host("only.one.example", refuse, address="127.0.0.11")

    result = await world.send("one.example")

    assert _reply(result) == "451 4.3.0 not now"
    assert len(host.peers) == 1


async def test_three_hosts_are_asked_in_one_attempt(world: MxWorld) -> None:
    """Each may have taken its time. What stays open is asked first by the next attempt, and those
    that refused twice come last."""
    names = ["a", "b", "c", "d", "e"]
    world.mx("many.example", *(f"{name}.many.example" for name in names))
    hosts = [
        await world.host(
            f"{name}.many.example", refusing("451 4.3.0 not now"), address=f"127.0.0.{number}"
        )
        for number, name in enumerate(names[:4], 11)
    ]
    await world.host("e.many.example", address="127.0.0.15")

    results = []
    for _ in range(4):
        results.append(await world.send("many.example"))
        [site] = world.means.sites._sites.values()
        site.concurrency.paused_until = 0.0

    assert [states(result)[0] for result in results] == [DEFERRED] * 3 + [DELIVERED]
    assert [len(host.peers) for host in hosts] == [2, 2, 2, 1]
