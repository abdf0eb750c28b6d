"""What TLS with an MX host has to be like: by DANE, by MTA-STS, or as it comes.

DANE counts before MTA-STS (RFC 8461 section 2), and only where each step from the domain to the
TLSA record was validated (RFC 7672 section 2.1). By RFC 8689 the sender of a message may demand
more (REQUIRETLS), or nothing at all (TLS-Required: No).
"""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.TLSA import TLSA

from pillarbox.delivery.dane import readable, vouches
from pillarbox.delivery.mx import MxDns, MxSet, Target
from pillarbox.delivery.sts import StsSource
from pillarbox.discovery.dane import TlsaRecord, usable
from pillarbox.errors import DnsFailure
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import TlsWish
from pillarbox.mta_sts import StsMode, StsPolicy
from pillarbox.net.dns import tlsa_record
from pillarbox.net.tls import peer_chain
from pillarbox.route import MxHosts


class Level(Enum):
    """How much is demanded."""

    OPPORTUNISTIC = auto()
    """TLS where it works."""
    ENCRYPTED = auto()
    """TLS with whoever answers: TLSA records that can not be used (RFC 7672 section 2.2)."""
    VERIFIED = auto()
    """TLS with a certificate for the host, of an authority that is trusted (MTA-STS)."""
    DANE = auto()
    """TLS with a certificate that the DNS vouches for."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What is demanded of one host. `server_name` is the name that it is asked for, `records` and
    `names` are those of DANE."""

    level: Level
    server_name: str
    records: tuple[TlsaRecord, ...] = ()
    names: tuple[str, ...] = ()

    def check(self, connection: ssl.SSLObject) -> Failure | None:
        """What is wrong with the certificates of a connection, as far as DANE says."""
        if self.level is not Level.DANE:
            return None
        now = datetime.now(UTC)
        if vouches(self.records, peer_chain(connection), names=self.names, now=now):
            return None
        return Failure(FailureKind.DANE_FAILED, "its certificate is another one")


@dataclass(frozen=True, slots=True)
class MxWay:
    """To where, and what is known of it: the hosts of the domain, its MTA-STS policy, and what the
    sender of the message wants. From `source`, with this name in EHLO; "": as the machine chooses,
    and as is set."""

    hop: MxHosts
    mx: MxSet
    policy: StsPolicy | None = None
    wish: TlsWish = TlsWish.NONE
    source: str = ""
    helo_name: str = ""

    @property
    def is_enforced(self) -> bool:
        """Whether the policy is more than a test."""
        return self.policy is not None and self.policy.mode is StsMode.ENFORCE


@dataclass(frozen=True, slots=True)
class MxSecurity:
    """Finds out what is demanded."""

    dns: MxDns
    sts: StsSource | None

    async def policy(self, hop: MxHosts) -> StsPolicy | None:
        """The MTA-STS policy of the domain. Raises SpoolUnavailable."""
        if self.sts is None:
            return None
        policy = await self.sts.policy(hop.domain, hop.ca_file)
        return None if policy is None or policy.mode is StsMode.NONE else policy

    async def demand(self, way: MxWay, target: Target) -> Demand | Failure:
        """What is demanded of a host; a failure where it may not be used."""
        if way.wish is TlsWish.OPTIONAL:
            # RFC 8689 section 4.2.2: "Attempt to negotiate STARTTLS if possible ... but do not fail
            # if this is unsuccessful."
            return Demand(Level.OPPORTUNISTIC, target.host)
        demand = await self._demand_of_domain(way, target)
        if way.wish is TlsWish.REQUIRED and isinstance(demand, Demand):
            return _raised(way, target, demand)
        return demand

    async def _demand_of_domain(self, way: MxWay, target: Target) -> Demand | Failure:
        mx, policy = way.mx, way.policy
        is_enforced = way.is_enforced
        if policy is not None and is_enforced and not policy.allows(target.host):
            return Failure(FailureKind.MTA_STS_FAILED, f"{target.host} is not in the policy")
        if mx.is_secure:
            found = await self._by_dane(way.hop, target)
            is_weaker = isinstance(found, Demand) and found.level is Level.ENCRYPTED
            if found is not None and not (is_enforced and is_weaker):
                return found
        return Demand(Level.VERIFIED if is_enforced else Level.OPPORTUNISTIC, target.host)

    async def _by_dane(self, hop: MxHosts, target: Target) -> Demand | Failure | None:
        """RFC 7672 section 2.2.2: where the host is an alias the records of the name behind it
        count, and where it has none those of the host itself."""
        bases = await self._bases(target)
        if isinstance(bases, Failure):
            return bases
        for base in bases:
            try:
                answer = await self.dns.resolver.look_up(f"_{hop.port}._tcp.{base}", TLSA)
            except DnsFailure as exc:
                # Section 2.1: somebody may hide them; without an answer there is no delivery.
                return _no_answer(base, exc)
            if not answer.records or not answer.is_secure:
                continue
            records = readable(usable([tlsa_record(each) for each in answer.records]))
            if not records:
                return Demand(Level.ENCRYPTED, base)
            # Not the domain of the recipient: other domains may use the session after it.
            names = tuple(dict.fromkeys((base, target.host)))
            return Demand(Level.DANE, base, records, names)
        return None

    async def _bases(self, target: Target) -> tuple[str, ...] | Failure:
        """The names whose TLSA records count; none where the zone of the host is not signed: its
        servers may not even answer such a question. An alias that is signed itself may lead out
        of the signed zones (as Postfix sees it, too): its own records say whose certificate it is.
        """
        host = target.host
        if target.is_secure:
            return tuple(dict.fromkeys((target.name, host)))
        if target.name == host:
            return ()
        try:
            alias = await self.dns.resolver.look_up(host, CNAME)
        except DnsFailure as exc:
            return _no_answer(host, exc)
        return (host,) if alias.is_secure else ()


def _no_answer(name: str, error: DnsFailure) -> Failure:
    return Failure(FailureKind.DANE_LOOKUP_FAILED, f"{name}: {error}")


def _raised(way: MxWay, target: Target, demand: Demand) -> Demand | Failure:
    """The demand of a domain as it is for a message with REQUIRETLS."""
    if demand.level is Level.DANE:
        return demand
    host = target.host
    is_listed = way.policy is not None and way.policy.allows(host)
    # RFC 8689 section 2: the name of a server that was found by an MX record "MUST be validated"
    # by DNSSEC or a policy of MTA-STS. The domain itself needs nobody to vouch for it.
    if way.mx.is_secure or is_listed or host == way.hop.domain:
        return Demand(Level.VERIFIED, host)
    detail = f"nobody vouches that {host} is one"
    return Failure(FailureKind.REQUIRETLS_NOT_VERIFIED, detail)
