"""Hosts with certificates and TLSA records of all kinds, for several judges of DANE."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TypeAlias

from tests.support.dane_certificates import DAY, NOW, Made, make
from tests.world.network import add_addresses
from tests.world.world import World

from pillarbox.discovery.dane import TlsaRecord

FIRST_NUMBER = 150
"""Of the addresses of these hosts."""


class Verdict(Enum):
    """What becomes of mail for a host."""

    VERIFIED = auto()
    ENCRYPTED = auto()
    """No record can be used: TLS with whoever answers (RFC 7672 section 2.2)."""
    REFUSED = auto()


VERIFIED, ENCRYPTED, REFUSED = Verdict


ROOT = make("A root", is_authority=True)
BETWEEN = make("Between", ROOT, is_authority=True)
OVER = make("Between, over", ROOT, is_authority=True, until=NOW - DAY)
OTHER = make("Somebody else", is_authority=True)

Records: TypeAlias = Callable[[Made], Sequence[TlsaRecord]]


def _leaf(host: str) -> Made:
    return make("leaf", BETWEEN, names=(host,))


def _expired(host: str) -> Made:
    return make("leaf", BETWEEN, names=(host,), until=NOW - DAY)


def _misnamed(_: str) -> Made:
    return make("leaf", BETWEEN, names=("another.safe.example",))


def _wildcard(host: str) -> Made:
    return make("leaf", BETWEEN, names=(f"*.{host.partition('.')[2]}",))


def _nameless(host: str) -> Made:
    return make(host, BETWEEN)


def _below_expired(host: str) -> Made:
    return make("leaf", OVER, names=(host,))


def _without_root(host: str) -> Made:
    return replace(_leaf(host), above=(BETWEEN,))


def _without_root_misnamed(host: str) -> Made:
    return replace(_misnamed(host), above=(BETWEEN,))


def _alone(host: str) -> Made:
    return replace(_leaf(host), above=())


def _self_signed(host: str) -> Made:
    return make(host, names=(host,))


@dataclass(frozen=True, slots=True)
class Case:
    """A host by what it is called: its chain, its records and what has to come of it."""

    name: str
    chain: Callable[[str], Made]
    records: Records
    verdict: Verdict

    @property
    def host(self) -> str:
        """The host, which is also a domain without MX records."""
        return f"{self.name}.safe.example"


def _wrong(record: TlsaRecord) -> TlsaRecord:
    """The same kind of record for another certificate."""
    return record._replace(octets=bytes(reversed(record.octets)))


CASES = (
    # RFC 7671 section 5.1: the certificate itself.
    Case("ee-301", _leaf, lambda leaf: [leaf.tlsa(3, 0, 1)], VERIFIED),
    Case("ee-302", _leaf, lambda leaf: [leaf.tlsa(3, 0, 2)], VERIFIED),
    Case("ee-300", _leaf, lambda leaf: [leaf.tlsa(3, 0, 0)], VERIFIED),
    Case("ee-311", _leaf, lambda leaf: [leaf.tlsa(3, 1, 1)], VERIFIED),
    Case("ee-312", _leaf, lambda leaf: [leaf.tlsa(3, 1, 2)], VERIFIED),
    Case("ee-310", _leaf, lambda leaf: [leaf.tlsa(3, 1, 0)], VERIFIED),
    Case("ee-wrong", _leaf, lambda leaf: [_wrong(leaf.tlsa(3))], REFUSED),
    Case("ee-wrong-whole", _leaf, lambda _: [OTHER.tlsa(3, 0, 0)], REFUSED),
    Case("ee-over", _expired, lambda leaf: [leaf.tlsa(3)], VERIFIED),
    Case("ee-misnamed", _misnamed, lambda leaf: [leaf.tlsa(3)], VERIFIED),
    Case("ee-self", _self_signed, lambda leaf: [leaf.tlsa(3)], VERIFIED),
    Case("ee-of-authority", _leaf, lambda _: [ROOT.tlsa(3)], REFUSED),
    # Section 5.2: an authority.
    Case("ta-201", _leaf, lambda _: [ROOT.tlsa(2, 0, 1)], VERIFIED),
    Case("ta-211", _leaf, lambda _: [ROOT.tlsa(2, 1, 1)], VERIFIED),
    Case("ta-212", _leaf, lambda _: [ROOT.tlsa(2, 1, 2)], VERIFIED),
    Case("ta-between", _leaf, lambda _: [BETWEEN.tlsa(2)], VERIFIED),
    Case("ta-between-top", _without_root, lambda _: [BETWEEN.tlsa(2)], VERIFIED),
    Case("ta-200-absent", _without_root, lambda _: [ROOT.tlsa(2, 0, 0)], VERIFIED),
    Case("ta-210-absent", _without_root, lambda _: [ROOT.tlsa(2, 1, 0)], VERIFIED),
    Case("ta-210-gap", _alone, lambda _: [ROOT.tlsa(2, 1, 0)], REFUSED),
    Case("ta-210-misnamed", _without_root_misnamed, lambda _: [ROOT.tlsa(2, 1, 0)], REFUSED),
    Case("ta-210-issuer", _alone, lambda _: [BETWEEN.tlsa(2, 1, 0)], VERIFIED),
    Case("ta-211-absent", _without_root, lambda _: [ROOT.tlsa(2)], REFUSED),
    Case("ta-gap", _alone, lambda _: [ROOT.tlsa(2, 0, 0)], REFUSED),
    Case("ta-wrong", _leaf, lambda _: [OTHER.tlsa(2)], REFUSED),
    Case("ta-misnamed", _misnamed, lambda _: [ROOT.tlsa(2)], REFUSED),
    Case("ta-wildcard", _wildcard, lambda _: [ROOT.tlsa(2)], VERIFIED),
    Case("ta-nameless", _nameless, lambda _: [ROOT.tlsa(2)], VERIFIED),
    Case("ta-over", _expired, lambda _: [ROOT.tlsa(2)], REFUSED),
    Case("ta-over-between", _below_expired, lambda _: [ROOT.tlsa(2)], REFUSED),
    Case("ta-of-leaf", _leaf, lambda leaf: [leaf.tlsa(2)], REFUSED),
    Case("ta-self", _self_signed, lambda leaf: [leaf.tlsa(2)], REFUSED),
    # Several records.
    Case("one-right", _leaf, lambda leaf: [_wrong(leaf.tlsa(3)), leaf.tlsa(3)], VERIFIED),
    Case("ee-or-ta", _misnamed, lambda leaf: [OTHER.tlsa(2), leaf.tlsa(3)], VERIFIED),
    Case("both-wrong", _leaf, lambda leaf: [_wrong(leaf.tlsa(3)), OTHER.tlsa(2)], REFUSED),
    # Section 9: of digests of one kind the best alone.
    Case("best-right", _leaf, lambda leaf: [_wrong(leaf.tlsa(3)), leaf.tlsa(3, 1, 2)], VERIFIED),
    Case("best-wrong", _leaf, lambda leaf: [leaf.tlsa(3), _wrong(leaf.tlsa(3, 1, 2))], REFUSED),
    # RFC 7672 section 3.1.3 and RFC 7671 section 4.1: records that can not be used.
    Case("pkix-ee", _leaf, lambda leaf: [leaf.tlsa(1)], ENCRYPTED),
    Case("pkix-ta", _leaf, lambda _: [ROOT.tlsa(0)], ENCRYPTED),
    Case("private-usage", _leaf, lambda leaf: [leaf.tlsa(3)._replace(usage=255)], ENCRYPTED),
    Case("selector", _leaf, lambda leaf: [leaf.tlsa(3)._replace(selector=2)], ENCRYPTED),
    Case("matching", _leaf, lambda leaf: [leaf.tlsa(3)._replace(matching=3)], ENCRYPTED),
    Case("no-certificate", _leaf, lambda _: [_garbage(3, 0)], ENCRYPTED),
    Case("no-key", _leaf, lambda _: [_garbage(2, 1)], ENCRYPTED),
    Case("no-certificate-and-right", _leaf, lambda _: [_garbage(2, 0), ROOT.tlsa(2)], VERIFIED),
    Case("short", _leaf, lambda leaf: [_short(leaf.tlsa(3))], ENCRYPTED),
    Case("short-and-right", _leaf, lambda leaf: [_short(leaf.tlsa(3)), leaf.tlsa(3)], VERIFIED),
    Case("pkix-and-right", _leaf, lambda leaf: [leaf.tlsa(1), leaf.tlsa(3)], VERIFIED),
    Case("pkix-and-wrong", _leaf, lambda leaf: [leaf.tlsa(1), OTHER.tlsa(3)], REFUSED),
)


def _short(record: TlsaRecord) -> TlsaRecord:
    return record._replace(octets=record.octets[:20])


def _garbage(usage: int, selector: int) -> TlsaRecord:
    """Neither a certificate nor a key."""
    return TlsaRecord(usage, selector, 0, b"nothing of that kind")


def describe_cases(world: World) -> None:
    """The hosts of all cases."""
    for number, case in enumerate(CASES, FIRST_NUMBER):
        leaf = case.chain(case.host)
        world.postfix.at(number, world.certificates.file(case.name, leaf), is_awaited=False)
        add_addresses(number)
        world.host(case.host, number)
        for usage, selector, matching, octets in case.records(leaf):
            data = bytes([usage, selector, matching]) + octets
            world.names.add_octets(f"_25._tcp.{case.host}", "TLSA", data)
