"""REQUIRETLS and TLS-Required on the way out: RFC 8689 at MX hosts and smart hosts."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.dane_certificates import make
from tests.support.mail_world import write_ca
from tests.support.mx_world import MxWorld, open_mx_world, take_all, with_starttls
from tests.support.outgoing import DEFERRED, DELIVERED, FAILED, attempt, message, states
from tests.support.smtp_peer import Peer, Server, serve
from tests.unit.delivery.conftest import CourierMaker

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.mx_courier import BOUNCE_TRIES
from pillarbox.mail.envelope import TlsWish
from pillarbox.route import TlsMode

FIRST, SECOND = "mx1.far.example", "mx2.far.example"
REQUIRED, OPTIONAL = TlsWish.REQUIRED, TlsWish.OPTIONAL
ANOTHER = make("another")


class World:
    """far.example with two hosts to be, in a signed zone."""

    def __init__(self, mx: MxWorld) -> None:
        self.mx = mx
        mx.mx("far.example", FIRST, SECOND)
        mx.dns.validated.update({"far.example", FIRST, SECOND})

    async def host(self, name: str, *extensions: str, certificate: str = "") -> Server:
        """A host under TLS."""
        script = with_starttls(self.mx.dns.tls(certificate or name), *extensions)
        return await self.mx.host(name, script, address=f"127.0.0.1{name[2]}")

    async def clear_host(self, name: str) -> Server:
        """A host without TLS."""
        return await self.mx.host(name, take_all, address=f"127.0.0.1{name[2]}")

    async def send(self, wish: TlsWish = REQUIRED, **envelope: Any) -> AttemptResult:
        """One attempt."""
        return await self.mx.send("far.example", tls_wish=wish, **envelope)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """A signed domain whose hosts have certificates of an authority that is trusted."""
    async with open_mx_world() as mx:
        mx.ca_file = write_ca(tmp_path / "ca.pem")
        yield World(mx)


def _mails(server: Server) -> list[str]:
    return [command for command in server.commands if command.startswith("MAIL")]


def _said(result: AttemptResult) -> str:
    return str(result.outcomes[0].reply)


async def test_a_verified_host_that_offers_it_gets_the_message(world: World) -> None:
    """The parameter goes with it, and nothing is asked of TLSA records that are not there."""
    host = await world.host(FIRST, "REQUIRETLS")

    result = await world.send()

    assert states(result) == {0: DELIVERED}
    assert result.outcomes[0].tls
    assert _mails(host) == ["MAIL FROM:<u1@t1.test> REQUIRETLS"]


async def test_other_messages_go_without_it(world: World) -> None:
    """Nobody asked for it."""
    host = await world.host(FIRST, "REQUIRETLS")

    await world.send(TlsWish.NONE)

    assert _mails(host) == ["MAIL FROM:<u1@t1.test>"]


async def test_the_next_host_may_offer_what_the_first_does_not(world: World) -> None:
    """RFC 8689 section 4.2.1: "the client MUST issue a QUIT to the server and repeat steps 2-5
    with each host"."""
    first = await world.host(FIRST)
    second = await world.host(SECOND, "REQUIRETLS")

    result = await world.send()

    assert result.outcomes[0].remote_host == SECOND
    assert first.commands[-1] == "QUIT"
    assert not _mails(first)
    assert len(_mails(second)) == 1


async def test_where_no_host_offers_it_the_message_comes_back(world: World) -> None:
    """5.7.30 with what to do; other mail for the domain is not held up by that."""
    await world.host(FIRST)
    await world.host(SECOND)

    result = await world.send()

    assert states(result) == {0: FAILED}
    assert _said(result).startswith("550 5.7.30")
    assert "or send the message without it" in _said(result)
    assert result.is_aside
    assert states(await world.send(TlsWish.NONE)) == {0: DELIVERED}


@pytest.mark.parametrize("host", ["another name", "in the clear"])
async def test_a_host_without_verified_tls_gets_nothing(world: World, host: str) -> None:
    """5.7.10; opportunistic TLS is enough for other mail alone."""
    if host == "another name":
        server = await world.host(FIRST, "REQUIRETLS", certificate="other.example")
    else:
        server = await world.clear_host(FIRST)
    world.mx.dns.records["far.example", "MX"] = [f"10 {FIRST}."]

    result = await world.send()

    assert states(result) == {0: FAILED}
    assert _said(result).startswith("550 5.7.10")
    assert FIRST in _said(result)
    assert not _mails(server)


async def test_a_name_that_nobody_vouches_for_is_not_even_asked(world: World) -> None:
    """Who can forge the MX record can have a valid certificate for what it says."""
    host = await world.host(FIRST, "REQUIRETLS")
    world.mx.dns.records["far.example", "MX"] = [f"10 {FIRST}."]
    world.mx.dns.validated.clear()

    result = await world.send()

    assert _said(result).startswith("550 5.7.10")
    assert "vouches" in _said(result)
    assert not host.peers


async def test_a_domain_without_mx_vouches_for_itself(world: World) -> None:
    """RFC 8689 section 4.2.1: "the domain name in the absence of an MX record" is what the
    certificate must be for."""
    script = with_starttls(world.mx.dns.tls("own.example"), "REQUIRETLS")
    await world.mx.host("own.example", script, address="127.0.0.14")

    assert states(await world.mx.send("own.example", tls_wish=REQUIRED)) == {0: DELIVERED}


async def test_dane_is_enough(world: World) -> None:
    """A certificate that the DNS vouches for, of no authority; TLSA records that name another one
    do not let it through."""
    script = with_starttls(ANOTHER.context(), "REQUIRETLS")
    host = await world.mx.host(FIRST, script, address="127.0.0.11")
    name = f"_{world.mx.port}._tcp.{FIRST}"
    world.mx.dns.dns(name, "TLSA", str(ANOTHER.tlsa(3)))
    world.mx.dns.validated.add(name)

    assert states(await world.send()) == {0: DELIVERED}
    assert _mails(host) == ["MAIL FROM:<u1@t1.test> REQUIRETLS"]


async def test_what_may_pass_is_tried_again(world: World) -> None:
    """A host that is down says nothing of what it would offer."""
    await world.host(FIRST)
    world.mx.dns.dns(SECOND, "A", "127.0.0.12")

    result = await world.send()

    assert states(result) == {0: DEFERRED}
    assert _said(result).startswith("451 4.4.1")
    assert result.hop_failure is None


async def test_a_handshake_that_fails_is_not_blamed_on_a_policy(world: World) -> None:
    """The domain has none: it is tried again, and the queue says what went wrong."""

    async def hang_up(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.line()
        peer.send("220 go ahead")

    await world.mx.host(FIRST, hang_up, address="127.0.0.11")
    world.mx.dns.records["far.example", "MX"] = [f"10 {FIRST}."]

    result = await world.send()

    assert states(result) == {0: DEFERRED}
    assert FIRST in _said(result)
    assert "handshake" in _said(result)
    assert "MTA-STS" not in _said(result)


async def test_a_session_that_came_as_it_is_does_not_serve(world: World) -> None:
    """One courier, both kinds of messages: the open session is of a host that nobody verified."""
    host = await world.host(FIRST, "REQUIRETLS", certificate="other.example")
    courier = world.mx.courier("far.example")

    first = await attempt(courier, message())
    second = await attempt(courier, message(tls_wish=REQUIRED))

    assert (states(first), states(second)) == ({0: DELIVERED}, {0: DEFERRED})
    assert _mails(host) == ["MAIL FROM:<u1@t1.test>"]


async def test_a_bounce_is_not_lost_for_want_of_it(world: World) -> None:
    """RFC 8689 section 5: "the REQUIRETLS parameter SHOULD NOT cause a bounce message to be
    discarded"; where it can be had, it is."""
    first = await world.host(FIRST, certificate="other.example")
    second = await world.host(SECOND, "REQUIRETLS")

    with_it = await world.send(reverse_path=None)
    world.mx.dns.records["far.example", "MX"] = [f"10 {FIRST}."]
    world.mx.means.dns._resolver = None
    without = await world.send(reverse_path=None)

    assert (states(with_it), states(without)) == ({0: DELIVERED}, {0: DELIVERED})
    assert (_mails(second), _mails(first)) == (["MAIL FROM:<> REQUIRETLS"], ["MAIL FROM:<>"])


async def test_a_bounce_waits_for_what_may_pass(world: World) -> None:
    """RFC 8689 section 5: it "MUST be protected in the same manner as the original message", and
    nobody discards it yet. What does not pass in a few attempts is no reason to lose it."""

    async def break_tls(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        if await peer.line() == "STARTTLS":
            peer.send("220 go ahead")
            return
        peer.send("250 ok")
        await peer.take_message()
        await peer.until_closed()

    host = await world.mx.host(FIRST, break_tls, address="127.0.0.11")
    world.mx.dns.records["far.example", "MX"] = [f"10 {FIRST}."]
    bounce = message(tls_wish=REQUIRED, reverse_path=None)

    first = await attempt(world.mx.courier("far.example"), bounce)
    mails = _mails(host)
    bounce.recipients[0].attempts = BOUNCE_TRIES
    last = await attempt(world.mx.courier("far.example"), bounce)

    assert (states(first), mails) == ({0: DEFERRED}, [])
    assert (states(last), _mails(host)) == ({0: DELIVERED}, ["MAIL FROM:<>"])


async def test_tls_required_no_ignores_dane(world: World) -> None:
    """The TLSA record is of another certificate: such a message goes all the same, under TLS."""
    host = await world.host(FIRST)
    name = f"_{world.mx.port}._tcp.{FIRST}"
    world.mx.dns.dns(name, "TLSA", str(ANOTHER.tlsa(3)))
    world.mx.dns.validated.add(name)

    result = await world.send(OPTIONAL)

    assert states(result) == {0: DELIVERED}
    assert result.outcomes[0].tls
    assert _mails(host) == ["MAIL FROM:<u1@t1.test>"]


# A smart host.


async def test_a_smart_host_that_offers_it_gets_the_message(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """With a route that verifies."""
    async with serve(with_starttls(peer_tls, "REQUIRETLS")) as server:
        courier = courier_to(server.port, tls=TlsMode.STARTTLS)
        result = await attempt(courier, message(tls_wish=REQUIRED))

    assert states(result) == {0: DELIVERED}
    assert _mails(server) == ["MAIL FROM:<u1@t1.test> REQUIRETLS"]


@pytest.mark.parametrize(
    ("changes", "extensions", "code"),
    [
        ({"tls": TlsMode.STARTTLS}, (), "550 5.7.30"),
        ({"tls": TlsMode.STARTTLS, "verify": False}, ("REQUIRETLS",), "550 5.7.10"),
        ({"tls": TlsMode.NONE}, ("REQUIRETLS",), "550 5.7.10"),
    ],
)
async def test_a_smart_host_that_is_not_safe_gets_nothing(
    courier_to: CourierMaker,
    peer_tls: ssl.SSLContext,
    changes: dict[str, object],
    extensions: tuple[str, ...],
    code: str,
) -> None:
    """Neither MAIL nor content; the session serves other mail, and a bounce."""

    async def in_the_clear(peer: Peer) -> None:
        await peer.greet("PIPELINING", *extensions)
        await peer.take_message()
        await peer.until_closed()

    is_clear = changes["tls"] is TlsMode.NONE
    script = in_the_clear if is_clear else with_starttls(peer_tls, *extensions)
    async with serve(script) as server:
        courier = courier_to(server.port, **changes)
        refused = await attempt(courier, message(tls_wish=REQUIRED))
        bounce = await attempt(courier, message(tls_wish=REQUIRED, reverse_path=None))

    assert states(refused) == {0: FAILED}
    assert _said(refused).startswith(code)
    assert refused.hop_failure is None
    assert states(bounce) == {0: DELIVERED}
    assert _mails(server) == ["MAIL FROM:<>"]
