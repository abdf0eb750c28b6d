"""Mail to the MX hosts of a domain: whom the DNS names, and which of them takes it."""

import asyncio
from collections.abc import AsyncIterator

import dns.asyncresolver
import pytest
from dns.nameserver import Do53Nameserver
from tests.support.mx_world import OWN_NAME, MxWorld, open_mx_world
from tests.support.outgoing import DEFERRED, DELIVERED, FAILED, states
from tests.support.smtp_peer import Peer
from tests.unit.delivery.test_smtp_connect import closed_port

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.mx import MxDns, MxHost, MxSet
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.envelope import RecipientState
from pillarbox.net.dns import DnsResolver


@pytest.fixture
async def world() -> AsyncIterator[MxWorld]:
    """DNS, and no hosts yet."""
    async with open_mx_world() as made:
        yield made


def _only(result: AttemptResult) -> tuple[RecipientState, str]:
    """State, and codes with text, of the only recipient."""
    outcome = result.outcomes[0]
    return outcome.state, str(outcome.reply)


async def test_the_preferred_host_takes_the_mail(world: MxWorld) -> None:
    """By the number, not by the order of the answer."""
    world.dns.dns("far.example", "MX", "20 second.far.example.", "10 first.far.example.")
    first = await world.host("first.far.example", address="127.0.0.11")
    second = await world.host("second.far.example", address="127.0.0.12")

    result = await world.send("far.example", recipients=2)

    assert states(result) == {0: DELIVERED, 1: DELIVERED}
    assert result.outcomes[0].remote_host == "first.far.example"
    assert first.commands[0] == f"EHLO {OWN_NAME}"
    assert not second.peers


async def test_the_preferred_host_counts_however_many_there_are(world: MxWorld) -> None:
    """Of a long list (in random order) the rear is left out by the number."""
    spare = [f"20 spare-{number}.far.example." for number in range(500)]
    world.dns.dns("far.example", "MX", *spare, "10 first.far.example.")
    await world.host("first.far.example", address="127.0.0.11")

    assert _only(await world.send("far.example"))[0] is DELIVERED


async def test_a_dead_first_host_gives_way_to_the_second(world: MxWorld) -> None:
    """RFC 5321 5.1: "the SMTP client MUST try each of the relevant addresses"."""
    world.mx("far.example", "dead.far.example", "second.far.example")
    world.dns.dns("dead.far.example", "A", "127.0.0.11", "127.0.0.12")
    await world.host("second.far.example", address="127.0.0.13")

    result = await world.send("far.example")

    assert _only(result)[0] is DELIVERED
    assert result.outcomes[0].remote_host == "second.far.example"


@pytest.mark.parametrize("greeting", ["421 4.3.2 not now", "554 5.7.1 not you", "gibberish"])
async def test_a_host_that_refuses_the_session_gives_way_to_the_second(
    world: MxWorld, greeting: str
) -> None:
    """Whatever the code: another host may see it differently."""

    async def refuse(peer: Peer) -> None:
        peer.send(greeting)
        await peer.until_closed()

    world.mx("far.example", "first.far.example", "second.far.example")
    await world.host("first.far.example", refuse, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")

    assert _only(await world.send("far.example"))[0] is DELIVERED


async def test_a_domain_without_mx_takes_mail_itself(world: MxWorld) -> None:
    """The implicit MX of RFC 5321 5.1."""
    await world.host("far.example", address="127.0.0.11")

    result = await world.send("far.example")

    assert _only(result)[0] is DELIVERED
    assert result.outcomes[0].remote_host == "far.example"


async def test_a_host_with_ipv6_only(world: MxWorld) -> None:
    """An address is an address."""
    world.mx("far.example", "six.far.example")
    await world.host("six.far.example", address="::1")

    assert _only(await world.send("far.example"))[0] is DELIVERED


async def test_a_host_whose_ipv6_is_dead_is_reached_by_ipv4(world: MxWorld) -> None:
    """Nobody listens at the first address."""
    world.mx("far.example", "both.far.example")
    world.dns.dns("both.far.example", "AAAA", "::1")
    await world.host("both.far.example", address="127.0.0.11")

    assert _only(await world.send("far.example"))[0] is DELIVERED


async def test_aliases_are_followed(world: MxWorld) -> None:
    """Of the domain and of the host: RFC 5321 forbids the latter, and it is common."""
    world.dns.dns("www.example", "CNAME", "far.example.")
    world.mx("far.example", "alias.far.example")
    world.dns.dns("alias.far.example", "CNAME", "real.far.example.")
    await world.host("real.far.example", address="127.0.0.11")

    assert _only(await world.send("www.example"))[0] is DELIVERED


# What the DNS says for certain goes back to the sender.


async def test_a_null_mx_returns_the_mail(world: MxWorld) -> None:
    """RFC 7505: 556 5.1.10, and nothing is connected to."""
    world.dns.dns("null.example", "MX", "0 .")
    host = await world.host("null.example", address="127.0.0.11")

    state, reply = _only(await world.send("null.example"))

    assert state is FAILED
    assert reply.startswith("556 5.1.10 The domain null.example takes no mail")
    assert not host.peers


async def test_a_domain_that_is_not_there_returns_the_mail(world: MxWorld) -> None:
    """NXDOMAIN: 5.1.2, and what to check; other mail for it is tried all the same."""
    result = await world.send("typo.example", recipients=2)

    assert states(result) == {0: FAILED, 1: FAILED}
    reply = str(result.outcomes[0].reply)
    assert reply.startswith("550 5.1.2 There is no domain typo.example")
    assert "typing error" in reply
    assert result.hop_failure is None
    assert result.is_aside


async def test_a_domain_without_any_host_returns_the_mail(world: MxWorld) -> None:
    """The name is there, for something else."""
    world.dns.dns("web.example", "TXT", '"nothing here"')

    state, reply = _only(await world.send("web.example"))

    assert state is FAILED
    assert reply.startswith("550 5.4.4 The domain web.example has no server for mail")


# What the DNS does not say waits.


async def test_a_dns_that_fails_returns_nothing(world: MxWorld) -> None:
    """SERVFAIL: 4.4.3, and the whole domain waits."""
    world.mx("far.example", "first.far.example")
    world.dns.broken.add("far.example")

    result = await world.send("far.example")

    state, reply = _only(result)
    assert state is DEFERRED
    assert reply.startswith("451 4.4.3 The DNS does not say which servers take mail for far.ex")
    assert result.hop_failure is not None
    assert result.reason is not None
    assert not result.reason.explanation.suspends


async def test_a_dns_that_is_gone_returns_nothing(world: MxWorld) -> None:
    """No server answers at all."""
    with closed_port() as port:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [Do53Nameserver("127.0.0.1", port)]
        resolver.lifetime = 0.2
        world.means.dns._resolver = DnsResolver(resolver)

        state, reply = _only(await world.send("far.example"))

    assert state is DEFERRED
    assert reply.startswith("451 4.4.3")


async def test_a_host_that_can_not_be_looked_up_is_passed_by(world: MxWorld) -> None:
    """Another one takes the mail; without one it waits."""
    world.mx("far.example", "lost.far.example", "second.far.example")
    world.dns.broken.add("lost.far.example")
    world.mx("other.example", "lost.far.example")
    await world.host("second.far.example", address="127.0.0.11")

    assert _only(await world.send("far.example"))[0] is DELIVERED
    state, reply = _only(await world.send("other.example"))
    assert state is DEFERRED
    assert reply.startswith("451 4.4.3")


@pytest.mark.parametrize("exchange", ["127.0.0.1.", "localhost.", "gone.far.example."])
async def test_mx_records_that_name_no_host_defer(world: MxWorld, exchange: str) -> None:
    """An address in place of a name, a bare name, or a name that is not there: it may be mended."""
    world.dns.dns("far.example", "MX", f"10 {exchange}")

    state, reply = _only(await world.send("far.example"))

    assert state is DEFERRED
    assert reply.startswith("451 4.4.4")


async def test_aliases_without_end_defer(world: MxWorld) -> None:
    """A hundred of them, and a circle."""
    for number in range(100):
        world.dns.dns(f"c{number}.example", "CNAME", f"c{number + 1}.example.")
    world.dns.dns("circle.example", "CNAME", "circle.example.")

    assert _only(await world.send("c0.example"))[1].startswith("451 4.4.3")
    assert _only(await world.send("circle.example"))[1].startswith("451 4.4.3")


async def test_a_forged_answer_is_not_believed(world: MxWorld) -> None:
    """Another id or another question than was asked; the true answer comes behind them."""
    world.dns.forged = ["MX 1 evil.example."]
    world.mx("far.example", "first.far.example")
    host = await world.host("first.far.example", address="127.0.0.11")
    evil = await world.host("evil.example", address="127.0.0.66")

    assert _only(await world.send("far.example"))[0] is DELIVERED
    assert host.peers
    assert not evil.peers


# Where nothing may be connected to.


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fd00::1"],
)
async def test_a_host_inside_of_a_private_network_is_not_connected_to(
    world: MxWorld, address: str
) -> None:
    """5.4.4: nobody outside of it could reach that host."""
    world.only_public()
    world.mx("evil.example", "inside.evil.example")
    world.dns.dns("inside.evil.example", "AAAA" if ":" in address else "A", address)

    state, reply = _only(await world.send("evil.example"))

    assert state is FAILED
    assert reply.startswith(("550 5.4.4", "554 5.4.6"))


@pytest.mark.parametrize(("kind", "address"), [("AAAA", "fd00::1"), ("A", "10.0.0.1")])
async def test_a_host_of_which_not_all_addresses_are_known_waits(
    world: MxWorld, kind: str, address: str
) -> None:
    """The public address may be the one that the DNS did not tell now."""
    world.only_public()
    world.mx("far.example", "first.far.example")
    world.dns.dns("first.far.example", kind, address)
    world.dns.broken.add(f"first.far.example {'A' if kind == 'AAAA' else 'AAAA'}")

    state, reply = _only(await world.send("far.example"))

    assert state is DEFERRED
    assert reply.startswith("451 4.4.3")


async def test_the_loopback_is_not_connected_to_unless_allowed(world: MxWorld) -> None:
    """A host is there, and hears nothing."""
    world.only_public()
    world.mx("evil.example", "inside.evil.example")
    host = await world.host("inside.evil.example", address="127.0.0.11")

    state, reply = _only(await world.send("evil.example"))

    assert state is FAILED
    assert "inside.evil.example 127.0.0.11" in reply
    assert "mx_private_networks" in reply
    assert not host.peers


async def test_mail_does_not_run_in_a_circle(world: MxWorld) -> None:
    """Hosts behind this one, or level with it, would send it back (RFC 5321 5.1)."""
    world.mx("far.example", "first.far.example", OWN_NAME, "third.far.example")
    third = await world.host("third.far.example", address="127.0.0.13")

    state, reply = _only(await world.send("far.example"))

    assert state is DEFERRED
    assert reply.startswith("451 4.4.4")
    assert not third.peers


async def test_this_host_as_the_best_mx_returns_the_mail(world: MxWorld) -> None:
    """5.4.6, with the route to add."""
    world.dns.dns("far.example", "MX", f"10 {OWN_NAME}.", "10 level.far.example.")
    level = await world.host("level.far.example", address="127.0.0.11")

    state, reply = _only(await world.send("far.example"))

    assert state is FAILED
    assert reply.startswith("554 5.4.6 Mail for far.example would come back to this host")
    assert "pillarbox route add --to far.example" in reply
    assert not level.peers


async def test_hosts_of_one_preference_are_tried_in_random_order() -> None:
    """As chance says, within the preference."""
    async with open_mx_world() as world:
        for number, host in enumerate(("a.example", "b.example", "c.example"), 1):
            world.dns.dns(host, "A", f"127.0.0.{number}")
        dns = MxDns(
            lambda: DnsResolver.of_servers([world.dns.dns_server]),
            own_names=frozenset(),
            networks=world.settings.networks,
            shuffle=list.reverse,
        )
        hosts = (MxHost(1, "a.example"), MxHost(1, "b.example"), MxHost(2, "c.example"))

        targets = [each async for each in dns.targets("far.example", MxSet(hosts))]

    assert [each.host for each in targets] == ["b.example", "a.example", "c.example"]  # type: ignore[union-attr]


# Answers are kept.


async def test_dns_answers_are_kept_negative_ones_too(world: MxWorld) -> None:
    """Each question is asked once, whatever the answer."""
    await world.host("far.example", address="127.0.0.11")

    for _ in range(3):
        await world.send("far.example")
        await world.send("typo.example")

    assert len(world.dns.queries) == len(set(world.dns.queries))


async def test_hosts_that_all_hang_are_not_each_waited_for(world: MxWorld) -> None:
    """The first has its time; of the others it is only seen whether they are well."""

    async def hang(peer: Peer) -> None:
        await peer.until_closed()

    names = [f"mx{number}.far.example" for number in range(8)]
    world.mx("far.example", *names)
    hosts = [
        await world.host(name, hang, address=f"127.0.0.{number}")
        for number, name in enumerate(names, 11)
    ]
    world.timeouts = Timeouts(greeting=2, late=0.05, quit=2)

    async with asyncio.timeout(10):
        result = await world.send("far.example")

    assert states(result) == {0: DEFERRED}
    assert [len(host.peers) for host in hosts] == [1] * 8


async def test_a_host_behind_one_that_hangs_takes_the_mail(world: MxWorld) -> None:
    """It has less time, not none."""

    async def hang(peer: Peer) -> None:
        await peer.until_closed()

    world.mx("far.example", "first.far.example", "second.far.example")
    await world.host("first.far.example", hang, address="127.0.0.11")
    await world.host("second.far.example", address="127.0.0.12")
    world.timeouts = Timeouts(greeting=0.2, quit=2)

    assert _only(await world.send("far.example"))[0] is DELIVERED
