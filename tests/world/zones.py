"""The DNS of the Internet: a root, a top-level domain and zones below it, signed or not.

`safe.example` is signed, `open.example` is not. `bogus.example` has signatures of a key that its
parent does not name, those of `stale.example` are over, and one record of `forged.example` was
changed after it was signed.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.zone
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY

TLD = "example"
SIGNED, UNSIGNED = "safe.example", "open.example"
BOGUS, STALE, FORGED = "bogus.example", "stale.example", "forged.example"

_SECONDS = 300
_NAME_SERVER = "ns.example."

Key: TypeAlias = tuple[ec.EllipticCurvePrivateKey, DNSKEY]


def make_key() -> Key:
    """A key that signs a whole zone."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = dns.dnssec.make_dnskey(private.public_key(), Algorithm.ECDSAP256SHA256, flags=257)
    assert isinstance(public, DNSKEY)
    return private, public


def ds_of(origin: str, key: Key) -> str:
    """What the parent says of a key."""
    return dns.dnssec.make_ds(dns.name.from_text(origin), key[1], "SHA256").to_text()


@dataclass(slots=True)
class Zone:
    """A zone, as text for a name server; `key` None: it is not signed."""

    origin: str
    server: str
    key: Key | None = None
    days: int = 1
    """For so long the signatures hold; below 0: until so long ago."""
    lines: list[str] = field(default_factory=list)
    octets: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Records that are not to be understood on the way: name, kind and data."""
    forged: dict[tuple[str, str], str] = field(default_factory=dict)
    """Records by name and kind that are others after the signing."""

    def add(self, name: str, kind: str, *texts: str) -> None:
        """Records of a name, which ends with the zone's."""
        self.lines += [f"{name}. {_SECONDS} IN {kind} {text}" for text in texts]

    @property
    def text(self) -> str:
        """The whole zone."""
        origin = dns.name.from_text(self.origin)
        start = [
            f"{origin} {_SECONDS} IN SOA {_NAME_SERVER} post.{_NAME_SERVER} 1 3600 600 86400 60",
            f"{origin} {_SECONDS} IN NS {_NAME_SERVER}",
        ]
        zone = dns.zone.from_text("\n".join(start + self.lines) + "\n", origin, relativize=False)
        for name, kind, octets in self.octets:
            rdtype = dns.rdatatype.from_text(kind)
            found = zone.find_rdataset(dns.name.from_text(name), rdtype, create=True)
            found.add(dns.rdata.GenericRdata(dns.rdataclass.IN, rdtype, octets), _SECONDS)
        if self.key is not None:
            until = datetime.now(UTC) + timedelta(days=self.days)
            dns.dnssec.sign_zone(
                zone, keys=[self.key], inception=until - timedelta(days=30), expiration=until
            )
        for (name, kind), text in self.forged.items():
            self._forge(zone, dns.name.from_text(name), dns.rdatatype.from_text(kind), text)
        return zone.to_text(relativize=False)

    def _forge(
        self, zone: dns.zone.Zone, name: dns.name.Name, kind: dns.rdatatype.RdataType, text: str
    ) -> None:
        other = dns.rdata.from_text(dns.rdataclass.IN, kind, text)
        zone.delete_rdataset(name, kind)
        zone.find_rdataset(name, kind, create=True).add(other, _SECONDS)


class Names:
    """All zones: `add` records, then write them."""

    def __init__(self, server: str) -> None:
        keys = {name: make_key() for name in (".", TLD, SIGNED, BOGUS, STALE, FORGED)}
        self.root_key = keys["."]
        self._zones = {name: Zone(name, server, keys.get(name)) for name in (*keys, UNSIGNED)}
        self._zones[STALE].days = -1
        self._zones["."].add(TLD, "NS", _NAME_SERVER)
        self._zones["."].add(TLD, "DS", ds_of(TLD, keys[TLD]))
        self._zones["."].add("ns.example", "A", server)
        top = self._zones[TLD]
        top.add("ns.example", "A", server)
        for name in (SIGNED, UNSIGNED, BOGUS, STALE, FORGED):
            top.add(name, "NS", _NAME_SERVER)
        for name in (SIGNED, STALE, FORGED):
            top.add(name, "DS", ds_of(name, keys[name]))
        top.add(BOGUS, "DS", ds_of(BOGUS, make_key()))

    def add(self, name: str, kind: str, *texts: str) -> None:
        """Records of a name in the zone to which it belongs."""
        self._zone_of(name).add(name, kind, *texts)

    def add_octets(self, name: str, kind: str, octets: bytes) -> None:
        """A record that need not be a valid one of its kind."""
        self._zone_of(name).octets.append((name, kind, octets))

    def forge(self, name: str, kind: str, text: str) -> None:
        """Let a record that was added be another one after the signing."""
        self._zone_of(name).forged[name, kind] = text

    def _zone_of(self, name: str) -> Zone:
        parts = name.split(".")
        above = (".".join(parts[at:]) for at in range(len(parts)))
        return next(self._zones[each] for each in above if each in self._zones)

    @property
    def texts(self) -> dict[str, str]:
        """The text of each zone by its name."""
        return {name: zone.text for name, zone in self._zones.items()}

    @property
    def anchor(self) -> str:
        """What a validating resolver has to know of the root."""
        return f". IN DS {ds_of('.', self.root_key)}\n. IN DNSKEY {self.root_key[1].to_text()}\n"
