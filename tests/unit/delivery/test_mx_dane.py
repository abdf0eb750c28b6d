"""DANE on the way to MX hosts: what is validated counts, and nothing else (RFC 7672)."""

from collections.abc import AsyncIterator

import pytest
from tests.support.dane_certificates import DAY, NOW, Made, make
from tests.support.mx_world import MxWorld, open_mx_world, take_all, with_starttls
from tests.support.outgoing import DEFERRED, DELIVERED, states
from tests.support.smtp_peer import Server

from pillarbox.discovery.dane import TlsaRecord
from pillarbox.net.dns import DnsResolver

HOST = "mx.far.example"
OTHER = "other.far.example"
SELF_SIGNED = make("whoever", until=NOW - DAY)
ANOTHER = make("another")
ROOT = make("root", is_authority=True)


class DaneWorld:
    """far.example in a signed zone, with one host."""

    def __init__(self, mx: MxWorld) -> None:
        self.mx = mx
        self.dns = mx.dns
        mx.mx("far.example", HOST)
        self.sign("far.example", HOST)

    def sign(self, *names: str) -> None:
        """The resolver validates these names."""
        self.dns.validated.update(names)

    def tlsa(self, *records: TlsaRecord, host: str = HOST, is_signed: bool = True) -> None:
        """The records for the port of the host."""
        name = f"_{self.mx.port}._tcp.{host}"
        self.dns.dns(name, "TLSA", *map(str, records))
        if is_signed:
            self.sign(name)

    async def host(self, made: Made | None, name: str = HOST) -> Server:
        """The host with this certificate; None: without TLS."""
        script = take_all if made is None else with_starttls(made.context())
        return await self.mx.host(name, script, address="127.0.0.11")

    async def is_delivered(self) -> bool:
        """Whether mail goes, under TLS."""
        result = await self.mx.send("far.example")
        assert states(result)[0] in {DELIVERED, DEFERRED}
        return states(result)[0] is DELIVERED and bool(result.outcomes[0].tls)

    async def refused(self) -> str:
        """The reply to mail that has to wait."""
        result = await self.mx.send("far.example")
        assert states(result) == {0: DEFERRED}
        return str(result.outcomes[0].reply)


@pytest.fixture
async def world() -> AsyncIterator[DaneWorld]:
    """A signed domain."""
    async with open_mx_world() as mx:
        yield DaneWorld(mx)


async def test_certificate_that_the_dns_names(world: DaneWorld) -> None:
    """It is for nobody, of nobody, and over: the record is enough."""
    await world.host(SELF_SIGNED)
    world.tlsa(SELF_SIGNED.tlsa(3))

    assert await world.is_delivered()


async def test_another_certificate_defers(world: DaneWorld) -> None:
    """Nothing is said after the handshake; the reply says who has to mend what."""
    host = await world.host(ANOTHER)
    world.tlsa(SELF_SIGNED.tlsa(3))

    reply = await world.refused()

    assert reply.startswith("451 4.7.5")
    assert f"DANE): {HOST}: its certificate is another one" in reply
    assert [each[:4] for each in host.commands] == ["EHLO", "STAR"]


async def test_host_without_tls_defers(world: DaneWorld) -> None:
    """Somebody strips STARTTLS."""
    host = await world.host(None)
    world.tlsa(SELF_SIGNED.tlsa(3))

    assert "tls missing" in await world.refused()
    assert not any(command.startswith("MAIL") for command in host.commands)


async def test_authority_vouches_for_the_name_of_the_host(world: DaneWorld) -> None:
    """Usage 2 with a chain."""
    await world.host(make("x", ROOT, names=(HOST,)))
    world.tlsa(ROOT.tlsa(2))

    assert await world.is_delivered()


async def test_authority_does_not_vouch_for_another_name(world: DaneWorld) -> None:
    """The certificate is of the authority, and for somebody else."""
    await world.host(make("x", ROOT, names=(OTHER,)))
    world.tlsa(ROOT.tlsa(2))

    assert (await world.refused()).startswith("451 4.7.5")


@pytest.mark.parametrize("unsigned", ["far.example", HOST, "TLSA"])
async def test_what_is_not_validated_does_not_count(world: DaneWorld, unsigned: str) -> None:
    """An insecure MX, address or TLSA record: TLS as it comes, whatever the record says."""
    await world.host(ANOTHER)
    world.tlsa(SELF_SIGNED.tlsa(3), is_signed=unsigned != "TLSA")
    world.dns.validated.discard(unsigned)

    assert await world.is_delivered()


async def test_records_that_can_not_be_had_defer(world: DaneWorld) -> None:
    """SERVFAIL is what a resolver says of forged ones."""
    host = await world.host(SELF_SIGNED)
    world.dns.broken.add(f"_{world.mx.port}._tcp.{HOST}")

    assert (await world.refused()).startswith("451 4.4.3")
    assert not host.peers


async def test_a_lost_answer_about_addresses_does_not_switch_it_off(world: DaneWorld) -> None:
    """Who is between the resolver and the domain can drop the question for one family: what is
    left was validated, and so are the records."""
    host = await world.host(ANOTHER)
    world.tlsa(SELF_SIGNED.tlsa(3))
    world.dns.broken.add(f"{HOST} AAAA")

    assert (await world.refused()).startswith("451 4.7.5")
    assert not any(command.startswith("MAIL") for command in host.commands)


async def test_records_are_not_asked_for_in_an_unsigned_zone(world: DaneWorld) -> None:
    """Where a broken DNS server would fail for this question alone."""
    await world.host(SELF_SIGNED)
    world.dns.validated.clear()
    world.dns.broken.add(f"_{world.mx.port}._tcp.{HOST}")

    assert await world.is_delivered()


@pytest.mark.parametrize("usage", [0, 1])
async def test_records_that_can_not_be_used_demand_tls(world: DaneWorld, usage: int) -> None:
    """With whoever answers (RFC 7672 section 2.2)."""
    world.tlsa(TlsaRecord(usage, 1, 1, bytes(32)))
    await world.host(ANOTHER)

    assert await world.is_delivered()


async def test_records_that_can_not_be_used_do_not_go_without_tls(world: DaneWorld) -> None:
    """In the clear nothing is sent."""
    world.tlsa(TlsaRecord(1, 1, 1, bytes(32)))
    await world.host(None)

    assert "tls missing" in await world.refused()


async def test_a_record_of_a_wrong_length_does_not_hide_the_others(world: DaneWorld) -> None:
    """It is one that can not be used; alone it demands TLS with whoever answers."""
    await world.host(SELF_SIGNED)
    right = SELF_SIGNED.tlsa(3)
    world.tlsa(right._replace(octets=right.octets[:20]), right)

    assert await world.is_delivered()


@pytest.mark.parametrize("owner", [HOST, OTHER])
async def test_records_of_an_alias_and_of_what_is_behind_it(world: DaneWorld, owner: str) -> None:
    """RFC 7672 section 2.2.2: first the name behind it, then the alias."""
    world.dns.dns(HOST, "CNAME", f"{OTHER}.")
    world.sign(OTHER)
    await world.host(ANOTHER, OTHER)
    world.tlsa(SELF_SIGNED.tlsa(3), host=owner)

    assert (await world.refused()).startswith("451 4.7.5")


async def test_alias_into_an_unsigned_zone_has_the_records_of_its_own_name(
    world: DaneWorld,
) -> None:
    """The certificate counts, wherever the addresses come from: those behind it can be forged."""
    world.dns.dns(HOST, "CNAME", f"{OTHER}.")
    await world.host(ANOTHER, OTHER)
    world.tlsa(SELF_SIGNED.tlsa(3))
    assert (await world.refused()).startswith("451 4.7.5")


async def test_alias_into_an_unsigned_zone_that_is_vouched_for(world: DaneWorld) -> None:
    """The records of the alias name its certificate; those behind it nobody has signed."""
    world.dns.dns(HOST, "CNAME", f"{OTHER}.")
    await world.host(SELF_SIGNED, OTHER)
    world.tlsa(SELF_SIGNED.tlsa(3))
    world.tlsa(ANOTHER.tlsa(3), host=OTHER, is_signed=False)

    assert await world.is_delivered()


async def test_alias_that_is_not_signed_itself_is_insecure(world: DaneWorld) -> None:
    """Who can forge it leads to a host of his own."""
    world.dns.dns(HOST, "CNAME", f"{OTHER}.")
    await world.host(ANOTHER, OTHER)
    world.tlsa(SELF_SIGNED.tlsa(3))
    world.dns.validated.discard(HOST)

    assert await world.is_delivered()


async def test_another_host_that_is_right_takes_the_mail(world: DaneWorld) -> None:
    """A host that fails is passed by."""
    world.dns.dns("far.example", "MX", f"20 {OTHER}.")
    world.sign(OTHER)
    await world.host(ANOTHER)
    world.tlsa(SELF_SIGNED.tlsa(3))
    world.tlsa(SELF_SIGNED.tlsa(3), host=OTHER)
    script = with_starttls(SELF_SIGNED.context())
    await world.mx.host(OTHER, script, address="127.0.0.12")

    assert await world.is_delivered()


def test_a_resolver_elsewhere_is_not_believed() -> None:
    """Anybody on the way could set the bit."""
    assert DnsResolver.of_servers([("127.0.0.1", 53), ("::1", 53)])._may_believe
    assert not DnsResolver.of_servers([("127.0.0.1", 53), ("192.0.2.53", 53)])._may_believe
