"""Which hosts take the mail of a domain, and by which addresses (RFC 5321 section 5.1, RFC 7505).

What the DNS says for certain is believed; where it fails the mail waits. Names and addresses come
from strangers: an address inside of a private network, or of this machine, is not connected to
unless the configuration allows it.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import groupby, zip_longest

from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from pillarbox.delivery.mx_settings import Network
from pillarbox.discovery.hosts import host_name
from pillarbox.errors import DnsFailure
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.dns import DnsResolver, name_text
from pillarbox.net.reach import is_public
from pillarbox.sources import is_ipv6

MAX_HOSTS = 20
"""More MX hosts of a domain are not looked at."""

MAX_ADDRESSES = 6
"""So many addresses of one host are tried."""


@dataclass(frozen=True, slots=True)
class MxHost:
    """A host and its preference: lower ones come first."""

    preference: int
    name: str


@dataclass(frozen=True, slots=True)
class MxSet:
    """The hosts of a domain in the order of preference and name: equal for domains that share
    them. `is_secure`: the DNS answer was validated."""

    hosts: tuple[MxHost, ...]
    is_secure: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A host with the addresses that may be connected to. `name` is where aliases led, and
    `is_secure` says whether all of that was validated."""

    host: str
    addresses: tuple[str, ...]
    name: str
    is_secure: bool = False


class MxDns:
    """How hosts are found."""

    def __init__(
        self,
        make_resolver: Callable[[], DnsResolver],
        *,
        own_names: frozenset[str],
        networks: tuple[Network, ...] = (),
        shuffle: Callable[[list[MxHost]], None],
    ) -> None:
        """`make_resolver` raises DnsFailure where this machine has none. `own_names` are those of
        this host; addresses in `networks` are as good as public ones; `shuffle` gives hosts of one
        preference a random order."""
        self._make_resolver = make_resolver
        self._resolver: DnsResolver | None = None
        self._own_names = own_names
        self._networks = networks
        self._shuffle = shuffle

    @property
    def resolver(self) -> DnsResolver:
        """Whoever answers. Raises DnsFailure."""
        if self._resolver is None:
            self._resolver = self._make_resolver()
        return self._resolver

    async def find(self, domain: str) -> MxSet | Failure:
        """The hosts of a domain."""
        try:
            answer = await self.resolver.look_up(domain, MX)
        except DnsFailure as exc:
            return Failure(FailureKind.MX_LOOKUP_FAILED, str(exc))
        if not answer.exists:
            return Failure(FailureKind.DOMAIN_NOT_FOUND)
        if not answer.records:
            # RFC 5321 5.1: "treated as if it was associated with an implicit MX RR".
            return MxSet((MxHost(0, domain),), answer.is_secure)
        named = {MxHost(each.preference, name_text(each.exchange)) for each in answer.records}
        if all(host.name == "." for host in named):
            return Failure(FailureKind.DOMAIN_TAKES_NO_MAIL)
        hosts = sorted(
            (host for host in named if host_name(host.name) is not None),
            key=lambda host: (host.preference, host.name),
        )
        if not hosts:
            return Failure(FailureKind.MX_WITHOUT_ADDRESS)
        return MxSet(tuple(hosts[:MAX_HOSTS]), answer.is_secure)

    async def targets(self, domain: str, mx: MxSet) -> AsyncIterator[Target | Failure]:
        """The hosts in the order in which they are to be tried; a host that can not be used, and
        the end where this host's turn would come, is a failure.

        RFC 5321 5.1: "all MX records with preference equal to or greater than" that of this host
        are not used: so mail does not run in a circle.
        """
        for _, group in groupby(mx.hosts, lambda host: host.preference):
            hosts = list(group)
            if any(host.name in self._own_names for host in hosts):
                yield Failure(FailureKind.MX_IS_THIS_HOST)
                return
            self._shuffle(hosts)
            looks = [self._look(host.name, is_implicit=host.name == domain) for host in hosts]
            found = await asyncio.gather(*looks)
            if any(each is _OURS for each in found):
                yield _OURS
                return
            for each in found:
                yield each

    async def has_ipv6(self, domain: str, mx: MxSet) -> frozenset[bool]:
        """For each kind of addresses that the hosts have whether it is that of IPv6."""
        looks = (self._look(host.name, is_implicit=host.name == domain) for host in mx.hosts)
        found = await asyncio.gather(*looks)
        targets = (each for each in found if isinstance(each, Target))
        return frozenset(is_ipv6(address) for each in targets for address in each.addresses)

    async def _look(self, host: str, *, is_implicit: bool) -> Target | Failure:
        both = await asyncio.gather(
            self.resolver.look_up(host, AAAA),
            self.resolver.look_up(host, A),
            return_exceptions=True,
        )
        six: list[str] = []
        four: list[str] = []
        answers = []
        failure: DnsFailure | None = None
        for found, addresses in zip(both, (six, four), strict=True):
            if isinstance(found, DnsFailure):
                failure = found
            elif isinstance(found, BaseException):
                raise found
            else:
                answers.append(found)
                addresses += [record.address for record in found.records]
        # IPv6 and IPv4 in turn: either may be broken on the way.
        every = [each for pair in zip_longest(six, four) for each in pair if each is not None]
        if not every:
            return _nothing(failure, is_implicit=is_implicit)
        if any(_is_ours(address) for address in every if not self._is_allowed(address)):
            return _OURS
        usable = [address for address in every if self._may_use(address)]
        if not usable and failure is not None:
            # The address that is missing may be a public one.
            return Failure(FailureKind.MX_LOOKUP_FAILED, str(failure))
        if not usable:
            return Failure(FailureKind.MX_NOT_PUBLIC, f"{host} {every[0]}")
        # Also with one answer alone: who can drop the other must not be able to switch DANE off.
        secure = all(answer.is_secure for answer in answers)
        return Target(host, tuple(usable[:MAX_ADDRESSES]), answers[0].name, secure)

    def _may_use(self, address: str) -> bool:
        return is_public(address) or self._is_allowed(address)

    def _is_allowed(self, address: str) -> bool:
        return any(ip_address(address) in network for network in self._networks)


_OURS = Failure(FailureKind.MX_IS_THIS_HOST)


def _nothing(failure: DnsFailure | None, *, is_implicit: bool) -> Failure:
    """Why a host has no address."""
    if failure is not None:
        return Failure(FailureKind.MX_LOOKUP_FAILED, str(failure))
    kind = FailureKind.NO_MAIL_HOST if is_implicit else FailureKind.MX_WITHOUT_ADDRESS
    return Failure(kind)


def _is_ours(address: str) -> bool:
    """Whether packets to an address stay on this machine: then they come from that very address.
    A loopback address is that of every machine, so it says nothing."""
    if ip_address(address).is_loopback:
        return False
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        # No packet is sent by this.
        probe.connect((address, 9))
        return bool(probe.getsockname()[0] == address)
    return False


def worst(failures: Sequence[Failure]) -> Failure:
    """What stands for the failure of all hosts: one that may pass, where there is one."""
    lasting = (
        *(FailureKind.MX_NOT_PUBLIC, FailureKind.NO_MAIL_HOST, FailureKind.MX_IS_THIS_HOST),
        *(FailureKind.REQUIRETLS_NOT_OFFERED, FailureKind.REQUIRETLS_NOT_VERIFIED),
    )
    passing = [failure for failure in failures if failure.kind not in lasting]
    return (passing or list(failures))[-1]
