"""Sessions with MX hosts: what domains with the same hosts share, and encryption."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.support.mx_world import (
    MxWorld,
    open_mx_world,
    take_all,
    take_messages,
    with_starttls,
)
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states
from tests.support.smtp_peer import Peer, serve
from tests.unit.delivery.test_smtp_connect import deaf_port

from pillarbox.delivery import mx_site
from pillarbox.delivery.courier import HopBusy
from pillarbox.delivery.dial import Dialed, dial
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.explain.failures import Failure
from pillarbox.hop_caps import HopCaps


@pytest.fixture
async def world() -> AsyncIterator[MxWorld]:
    """DNS, and two domains with the same hosts, one of which is there."""
    async with open_mx_world() as made:
        made.mx("one.example", "mx.host.example", "dead.host.example")
        made.mx("two.example", "mx.host.example", "dead.host.example")
        yield made


async def test_domains_with_the_same_hosts_share_a_session(world: MxWorld) -> None:
    """The second one finds it open."""
    host = await world.host("mx.host.example", address="127.0.0.11")

    first = await world.send("one.example")
    second = await world.send("two.example")

    assert states(first) == states(second) == {0: DELIVERED}
    assert len(host.peers) == 1
    assert [len(peer.contents) for peer in host.peers] == [2]


async def test_open_sessions_end_politely(world: MxWorld) -> None:
    """QUIT, at the end of the service and after a time without use (RFC 5321 4.1.1.10)."""
    host = await world.host("mx.host.example", address="127.0.0.11")
    await world.send("one.example")
    assert host.commands[-1] == "DATA"

    await world.means.close()

    assert host.commands[-1] == "QUIT"


async def test_a_session_without_use_ends(world: MxWorld) -> None:
    """After `idle_seconds`; the next mail opens another one."""
    world.settings = replace(world.settings, idle_seconds=0.05)
    ended = asyncio.Event()

    async def once(peer: Peer) -> None:
        await take_all(peer)
        ended.set()

    host = await world.host("mx.host.example", once, address="127.0.0.11")
    await world.send("one.example")
    async with asyncio.timeout(60):
        await ended.wait()

    assert host.commands[-1] == "QUIT"
    assert states(await world.send("two.example")) == {0: DELIVERED}
    assert len(host.peers) == 2


async def test_a_session_takes_so_many_messages_of_all_domains(world: MxWorld) -> None:
    """Then it is ended, and another one opened."""
    host = await world.host("mx.host.example", address="127.0.0.11")
    caps = HopCaps(messages_per_connection=3)

    for domain in ("one.example", "two.example") * 2:
        courier = world.courier(domain, caps)
        assert states(await attempt(courier, message())) == {0: DELIVERED}
        await courier.close()

    assert [len(peer.contents) for peer in host.peers] == [3, 1]


async def test_a_domain_waits_while_others_have_all_sessions(world: MxWorld) -> None:
    """HopBusy, nothing is tried; it is called when a session comes back."""
    host = await world.host("mx.host.example", address="127.0.0.11")
    caps = HopCaps(connections=1)
    first, second = world.courier("one.example", caps), world.courier("two.example", caps)
    await attempt(first, message())
    called = asyncio.Event()

    with pytest.raises(HopBusy) as busy:
        await attempt(second, message())
    busy.value.call_when_free(called.set)
    assert not called.is_set()
    await first.close()

    assert called.is_set()
    assert states(await attempt(second, message())) == {0: DELIVERED}
    assert len(host.peers) == 1


async def test_who_waits_is_not_called_for_nothing(
    world: MxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither while one session is to show whether the hosts are back, nor in a pause: of
    thousands of domains each would ask at once and again."""
    monkeypatch.setattr(mx_site, "_NEXT_TURN_SECONDS", 0)
    await world.host("mx.host.example", address="127.0.0.11")
    first, second = world.courier("one.example"), world.courier("two.example")
    await attempt(first, message())
    [site] = world.means.sites._sites.values()
    called = asyncio.Event()
    site.gate.ask_for_probe()

    with pytest.raises(HopBusy) as probing:
        await attempt(second, message())
    probing.value.call_when_free(called.set)
    site.gate.succeed()
    now = asyncio.get_running_loop().time()
    site.concurrency.pause(now + 60)
    with pytest.raises(HopBusy) as paused:
        await attempt(second, message())
    paused.value.call_when_free(called.set)
    for _ in range(5):
        await asyncio.sleep(0)

    assert not called.is_set()
    assert paused.value.until == now + 60


async def test_a_busy_domain_gives_way(world: MxWorld) -> None:
    """After twenty messages it leaves its session to who waits."""
    await world.host("mx.host.example", address="127.0.0.11")
    caps = HopCaps(connections=1)
    first, second = world.courier("one.example", caps), world.courier("two.example", caps)
    await attempt(first, message())
    with pytest.raises(HopBusy) as busy:
        await attempt(second, message())
    busy.value.call_when_free(lambda: None)

    for _ in range(19):
        await attempt(first, message())
    with pytest.raises(HopBusy):
        await attempt(first, message())

    assert states(await attempt(second, message())) == {0: DELIVERED}


async def test_a_host_that_refuses_more_sessions_is_left_those_that_stand(world: MxWorld) -> None:
    """The refused one waits for a turn, and no pause begins."""

    async def refuse(peer: Peer) -> None:
        peer.send("421 4.7.0 too many connections")
        await peer.until_closed()

    world.mx("one.test", "mx.host.example")
    world.mx("two.test", "mx.host.example")
    await world.host("mx.host.example", take_all, refuse, address="127.0.0.11")
    first, second = world.courier("one.test"), world.courier("two.test")
    await attempt(first, message())

    with pytest.raises(HopBusy):
        await attempt(second, message())

    assert states(await attempt(first, message())) == {0: DELIVERED}
    await first.close()
    assert states(await attempt(second, message())) == {0: DELIVERED}


async def test_hosts_that_are_dead_are_dead_for_all_their_domains(world: MxWorld) -> None:
    """The second domain waits without a try of its own; its reply names it."""
    world.dns.dns("mx.host.example", "A", "127.0.0.11")

    first = await world.send("one.example")
    host = await world.host("unrelated.example", address="127.0.0.11")
    second = await world.send("two.example")

    assert states(first) == states(second) == {0: DEFERRED}
    reply = str(second.hop_failure)
    assert reply.startswith("451 4.4.")
    assert "two.example" in reply
    assert not host.peers
    [site] = world.means.sites._sites.values()
    site.gate.ask_for_probe()
    assert states(await world.send("two.example")) == {0: DELIVERED}


async def test_dead_hosts_without_end_are_not_remembered_without_end(
    world: MxWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account may name any number of domains; what is in use stays."""
    monkeypatch.setattr(mx_site, "MAX_SITES", 3)
    await world.host("mx.host.example", address="127.0.0.11")
    await world.send("one.example")

    for number in range(8):
        world.mx(f"dead{number}.example", f"dead{number}.host.example")
        await world.send(f"dead{number}.example")

    sites = world.means.sites._sites
    assert len(sites) <= 3
    assert any(not site.is_quiet for site in sites.values())


async def test_a_session_that_was_closed_meanwhile_is_replaced(world: MxWorld) -> None:
    """The host ended it while it rested: nobody hears of that."""
    ended = asyncio.Event()

    async def once(peer: Peer) -> None:
        await peer.greet()
        await peer.take_message()
        await ended.wait()

    await world.host("mx.host.example", once, take_all, address="127.0.0.11")
    await world.send("one.example")
    ended.set()

    assert states(await world.send("two.example")) == {0: DELIVERED}


async def test_greylisting_defers_and_slows_nobody(world: MxWorld) -> None:
    """The recipient waits; the session stays, and the next domain may use it."""

    async def greylist(peer: Peer) -> None:
        await peer.greet()
        await peer.expect("MAIL")
        peer.send("250 ok")
        await peer.expect("RCPT")
        peer.send("451 4.7.1 Greylisted, try again in 5 minutes")
        await take_messages(peer)

    host = await world.host("mx.host.example", greylist, address="127.0.0.11")

    for _ in range(2):
        first = await world.send("one.example")
        second = await world.send("two.example")

    assert first.hop_failure is None
    assert states(second) == {0: DELIVERED}
    assert len(host.peers) == 1


async def test_tls_is_used_where_it_is_offered(world: MxWorld, peer_tls: ssl.SSLContext) -> None:
    """Whatever the certificate: it is for another name, and of an unknown authority."""
    await world.host("mx.host.example", with_starttls(peer_tls), address="127.0.0.11")

    result = await world.send("one.example")

    assert states(result) == {0: DELIVERED}
    assert result.outcomes[0].tls.startswith("TLSv1.3 ")


@pytest.mark.parametrize("answer", ["454 4.7.0 TLS not available", "220 go ahead"])
async def test_broken_tls_is_done_without(world: MxWorld, answer: str) -> None:
    """RFC 7435: better in the clear than not at all, where nobody demands TLS."""

    async def broken(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send(answer)
        if answer.startswith("2"):
            await peer.octets(1)
            peer.send("no handshake")
        await peer.until_closed()

    async def clear(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await take_messages(peer)

    host = await world.host("mx.host.example", broken, clear, address="127.0.0.11")

    result = await world.send("one.example")

    assert states(result) == {0: DELIVERED}
    assert result.outcomes[0].tls == ""
    assert len(host.peers) == 2


@pytest.mark.parametrize("answer", ["500 5.5.1 Command unrecognized", "554 No EHLO here"])
async def test_a_host_that_knows_only_helo_gets_its_mail(world: MxWorld, answer: str) -> None:
    """Old servers, and firewalls that read along: nobody demands the TLS that they can not have."""

    async def old(peer: Peer) -> None:
        peer.send("220 mx.host.example ready")
        await peer.expect("EHLO ")
        peer.send(answer)
        await peer.expect("HELO ")
        peer.send("250 mx.host.example")
        await take_messages(peer)

    host = await world.host("mx.host.example", old, address="127.0.0.11")

    result = await world.send("one.example")

    assert states(result) == {0: DELIVERED}
    assert len(host.peers) == 1


async def test_an_address_that_is_deaf_holds_nobody_up() -> None:
    """The next one is tried beside it after a moment."""
    with deaf_port() as port:
        server = await asyncio.start_server(lambda _, w: w.close(), "127.0.0.2", port)
        async with server, asyncio.timeout(20):
            addresses = ((2, "127.0.0.1"), (2, "127.0.0.2"))
            dialed = await dial(addresses, port, Timeouts(connect=60))

    assert isinstance(dialed, Dialed)
    assert dialed.address == (2, "127.0.0.2")
    assert dialed.left == ((2, "127.0.0.1"),)
    dialed.connection.abort()


async def test_who_is_cancelled_while_dialing_leaves_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At whatever moment from where one of two addresses has answered."""
    monkeypatch.setattr("pillarbox.delivery.dial.HEAD_START_SECONDS", 0.01)
    came: asyncio.Queue[None] = asyncio.Queue()
    gone: asyncio.Queue[None] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        came.put_nowait(None)
        await peer.until_closed()
        gone.put_nowait(None)

    async def cancelled_after(port: int, steps: int) -> bool:
        """Whether it was, and not there already."""
        addresses = ((2, "127.0.0.1"), (2, "127.0.0.2"))
        task = asyncio.create_task(dial(addresses, port, Timeouts(connect=60)))
        await came.get()
        for _ in range(steps):
            await asyncio.sleep(0)
        is_late = not task.cancel()
        [dialed] = await asyncio.gather(task, return_exceptions=True)
        if isinstance(dialed, Dialed):
            dialed.connection.abort()
        await gone.get()
        return not is_late

    with deaf_port() as port:
        async with serve(script, address="127.0.0.2", port=port), asyncio.timeout(20):
            steps = 0
            while await cancelled_after(port, steps):
                steps += 1
    assert steps


async def test_no_address_that_answers_is_told() -> None:
    """The last reason counts."""
    failure = await dial(((2, "127.0.0.1"), (2, "127.0.0.2")), 1, Timeouts())

    assert isinstance(failure, Failure)
