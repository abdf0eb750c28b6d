"""Asking the DNS: the few kinds of records that mail needs, as plain values.

A name or a record that is not there is an empty answer; no answer is an error. Answers are kept as
long as they say, negative ones too. Whether an answer was validated (DNSSEC) is believed of a
resolver on this machine alone: anybody on the way to another one could say so.
"""

import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Generic, Protocol, Self, TypeVar

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
import dns.reversename
from dns.nameserver import Do53Nameserver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from pillarbox.discovery.dane import TlsaRecord
from pillarbox.discovery.srv import SrvRecord
from pillarbox.errors import DnsFailure
from pillarbox.publish.dns_records import ZoneSecurity

MAX_RECORDS = 32
"""More records of one name are not looked at; of those with a preference, the last ones."""

LOOKUP_SECONDS = 4.0
"""All tries of one question together."""

LONGEST_KEPT_SECONDS = 86_400.0
"""However long an answer says that it holds (RFC 8767 section 4 asks for a limit of days)."""

KEPT_ANSWERS = 20_000
"""Each takes 2 to 3 KiB; a domain that mail goes to has four."""

# dnspython gives up the whole answer where a digest has a wrong length. That is one record that can
# not be used; those beside it count (RFC 7672 section 2.2).
TLSA._cert_length_by_mtype = {}  # noqa: SLF001

Value = TypeVar("Value")
Record = TypeVar("Record", bound=dns.rdata.Rdata)
Record_co = TypeVar("Record_co", bound=dns.rdata.Rdata, covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Record_co]):
    """What the DNS says for certain. `exists`: the name is there, with records of this kind or
    without. `name` is where aliases (CNAME) led. `is_secure`: validated by a resolver that can be
    believed."""

    records: tuple[Record_co, ...]
    exists: bool
    name: str
    is_secure: bool


class TextSource(Protocol):
    """Whoever knows TXT records."""

    async def txt(self, name: str) -> list[str]:
        """TXT records, the strings of each put together; octets beyond ASCII become "?". Raises
        DnsFailure."""
        ...


class RecordSource(Protocol):
    """Whoever knows records of all kinds."""

    async def records(self, name: str, kind: type[Record]) -> list[Record]:
        """The records of a kind. Raises DnsFailure."""
        ...


class Resolver(TextSource, Protocol):
    """Whoever answers questions to the DNS. All methods raise DnsFailure."""

    async def addresses(self, name: str) -> list[str]:
        """IPv4 and IPv6 addresses of a host."""

    async def srv(self, name: str) -> list[SrvRecord]:
        """SRV records (RFC 2782), in no order."""

    async def mx(self, name: str) -> list[str]:
        """MX hosts, best first (RFC 5321 section 5.1)."""

    async def alias(self, name: str) -> str:
        """Where a CNAME record leads; "" where there is none."""


class DnsResolver:
    """The resolver of this machine, or another one of dnspython."""

    @classmethod
    def of_servers(cls, servers: Sequence[tuple[str, int]]) -> Self:
        """A resolver that asks these servers (address, port); those of the machine if there are
        none. Raises DnsFailure where it has none either."""
        if not servers:
            return cls()
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [Do53Nameserver(address, port) for address, port in servers]
        return cls(resolver)

    def __init__(self, resolver: dns.asyncresolver.Resolver | None = None) -> None:
        """Raises DnsFailure where this machine has no DNS server."""
        if resolver is None:
            try:
                resolver = dns.asyncresolver.Resolver()
            except dns.exception.DNSException as exc:
                raise DnsFailure("this machine names no DNS server (/etc/resolv.conf)") from exc
        resolver.lifetime = min(resolver.lifetime, LOOKUP_SECONDS)
        resolver.cache = _Cache(KEPT_ANSWERS)
        self._may_believe = all(_is_here(server) for server in resolver.nameservers)
        if self._may_believe:
            # RFC 6840 section 5.7: AD in a question asks for AD in the answer.
            resolver.set_flags(dns.flags.RD | dns.flags.AD)
        self._resolver = resolver

    async def addresses(self, name: str) -> list[str]:
        """As Resolver.addresses; IPv4 first, because it seldom fails where IPv6 works."""
        found = [record.address for record in await self.records(name, A)]
        try:
            found += [record.address for record in await self.records(name, AAAA)]
        except DnsFailure:
            if not found:
                raise
        return found

    async def srv(self, name: str) -> list[SrvRecord]:
        """As Resolver.srv."""
        return [
            SrvRecord(record.priority, record.weight, record.port, name_text(record.target))
            for record in await self.records(name, SRV)
        ]

    async def mx(self, name: str) -> list[str]:
        """As Resolver.mx; the null MX (RFC 7505) is no host."""
        records = await self.records(name, MX)
        found = sorted((record.preference, name_text(record.exchange)) for record in records)
        return [host for _, host in found if host != "."]

    async def txt(self, name: str) -> list[str]:
        """As TextSource.txt."""
        return [
            b"".join(record.strings).decode("ascii", "replace").replace("\ufffd", "?")
            for record in await self.records(name, TXT)
        ]

    async def alias(self, name: str) -> str:
        """As Resolver.alias."""
        return next((name_text(record.target) for record in await self.records(name, CNAME)), "")

    async def has_null_mx(self, name: str) -> bool:
        """Whether the domain says that it takes no mail (RFC 7505). Raises DnsFailure."""
        return [name_text(record.exchange) for record in await self.records(name, MX)] == ["."]

    async def pointers(self, address: str) -> list[str]:
        """The names of an address (PTR). Raises DnsFailure, ValueError for what is no address."""
        try:
            name = dns.reversename.from_address(address).to_text()
        except dns.exception.DNSException as exc:
            raise ValueError(f"{address} is no address") from exc
        return [name_text(record.target) for record in await self.records(name, PTR)]

    async def tlsa(self, name: str) -> list[TlsaRecord]:
        """TLSA records (RFC 6698). Raises DnsFailure."""
        return [tlsa_record(record) for record in await self.records(name, TLSA)]

    async def zone_security(self, name: str) -> ZoneSecurity:
        """Whether the zone of a name is signed, and rightly so. Raises nothing.

        A resolver that validates refuses to give what is signed wrongly, but for who says that he
        checks himself (CD, RFC 4035 section 3.2.2). That a zone is not signed is believed of a
        resolver that may be believed and that knows the root as signed.
        """
        try:
            found = await self.look_up(name, SOA)
        except DnsFailure as exc:
            # Silence says nothing of signatures.
            is_refused = isinstance(exc.__cause__, dns.resolver.NoNameservers)
            is_bogus = is_refused and await self._is_refused_when_checked(name)
            return ZoneSecurity.BOGUS if is_bogus else ZoneSecurity.UNKNOWN
        if found.is_secure:
            return ZoneSecurity.SECURE
        root = await or_none(self.look_up(".", SOA))
        return ZoneSecurity.INSECURE if root and root.is_secure else ZoneSecurity.UNKNOWN

    async def _is_refused_when_checked(self, name: str) -> bool:
        """Whether the resolver knows the zone, and gives it to nobody who lets it check."""
        unchecked = dns.asyncresolver.Resolver(configure=False)
        unchecked.nameservers = self._resolver.nameservers
        unchecked.lifetime = self._resolver.lifetime
        unchecked.set_flags(dns.flags.RD | dns.flags.CD)
        try:
            await unchecked.resolve(name, "SOA", search=False, raise_on_no_answer=False)
        except (dns.exception.DNSException, OSError):
            return False
        return await or_none(self.look_up(name, SOA)) is None

    async def records(self, name: str, kind: type[Record]) -> list[Record]:
        """The records of look_up alone. Raises DnsFailure."""
        return list((await self.look_up(name, kind)).records)

    async def look_up(self, name: str, kind: type[Record]) -> Answer[Record]:
        """The records of a kind; its class is named as the DNS names it. Raises DnsFailure."""
        rdtype = dns.rdatatype.from_text(kind.__name__)
        try:
            question = dns.name.from_text(name)
            found = await self._resolver.resolve(
                question, rdtype, search=False, raise_on_no_answer=False
            )
        except dns.resolver.NXDOMAIN as exc:
            flags = exc.responses()[question].flags  # type: ignore[no-untyped-call]
            return Answer((), exists=False, name=name, is_secure=self._believes(flags))
        except (dns.exception.DNSException, OSError) as exc:
            raise DnsFailure(_reason(exc)) from exc
        records = () if found.rrset is None else sorted(found.rrset, key=_rank)[:MAX_RECORDS]
        return Answer(
            tuple(record for record in records if isinstance(record, kind)),
            exists=True,
            name=name_text(found.canonical_name),
            is_secure=self._believes(found.response.flags),
        )

    def _believes(self, flags: int) -> bool:
        return self._may_believe and bool(flags & dns.flags.AD)


def _rank(record: dns.rdata.Rdata) -> tuple[int, dns.name.Name]:
    """What comes before what; records without a preference stay as they came."""
    match record:
        case MX():
            return record.preference, record.exchange
        case SRV():
            return record.priority, record.target
        case _:
            return 0, dns.name.root


class _Cache(dns.resolver.LRUCache):
    """Keeps nothing for longer than a day."""

    def put(self, key: dns.resolver.CacheKey, value: dns.resolver.Answer) -> None:
        """As LRUCache.put."""
        if value.response.rcode() == dns.rcode.NXDOMAIN and value.response.answer:
            # RFC 6604 section 3: it is the name behind an alias that is not there. It would be
            # kept for all kinds of records of the alias, which is there.
            return
        value.expiration = min(value.expiration, time.time() + LONGEST_KEPT_SECONDS)
        super().put(key, value)


async def or_none(answer: Awaitable[Value]) -> Value | None:
    """An answer of the DNS, None where there was none."""
    try:
        return await answer
    except DnsFailure:
        return None


def _is_here(server: object) -> bool:
    """Whether a DNS server is on this machine."""
    address = server.address if isinstance(server, Do53Nameserver) else str(server)
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def name_text(name: dns.name.Name) -> str:
    """A name as other parts compare it: lower case, without the last dot; "." is the root."""
    return name.to_text(omit_final_dot=True).lower() or "."


def tlsa_record(record: TLSA) -> TlsaRecord:
    """A TLSA record as other parts read it."""
    return TlsaRecord(record.usage, record.selector, record.mtype, record.cert)


def _reason(exc: Exception) -> str:
    match exc:
        case dns.exception.Timeout():
            return "the DNS did not answer in time"
        case dns.resolver.NoNameservers():
            return "the DNS servers failed"
        case dns.resolver.YXDOMAIN() | dns.name.LabelTooLong() | dns.name.NameTooLong():
            return "the name is too long for the DNS"
        case _:
            return f"the DNS can not be asked ({type(exc).__name__})"
