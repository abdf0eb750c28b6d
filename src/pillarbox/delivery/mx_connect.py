"""Opening a session with one of the MX hosts of a domain (RFC 5321 section 5.1).

Hosts in their order, the addresses of each by a race with a head start (delivery.dial). Where the
domain demands no more, TLS is used as it is offered, whatever the certificate; where it does not
work the session is opened once more without it (RFC 7435): who could break it could as well have
hidden that it is offered.
"""

import asyncio
import socket
from collections.abc import AsyncIterator

from pillarbox.delivery.dial import Address, Dialed, connect_to, dial
from pillarbox.delivery.mx import MxDns, Target, worst
from pillarbox.delivery.mx_security import Demand, Level, MxSecurity, MxWay
from pillarbox.delivery.mx_site import MxSession, Unopened
from pillarbox.delivery.smtp_connect import SessionSettings, greet
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.delivery.tls_results import Seen, TlsResults
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import TlsWish
from pillarbox.mta_sts import StsMode, StsPolicy
from pillarbox.observe.log import log
from pillarbox.route import SmartHost, TlsMode
from pillarbox.smtp.client import ClientProtocol, ClientSettings
from pillarbox.sources import is_ipv6

MAX_CONNECTIONS = 8
"""So many connections are made for one session, over all hosts."""

_NO_CONNECTION = frozenset(
    {
        FailureKind.CONNECTION_REFUSED,
        FailureKind.CONNECTION_TIMED_OUT,
        FailureKind.UNREACHABLE,
    }
)
_BROKEN_TLS = frozenset(
    {
        FailureKind.TLS_REFUSED,
        FailureKind.NOT_TLS,
        FailureKind.TLS_TOO_OLD,
        FailureKind.HANDSHAKE_FAILED,
    }
)
_LASTING_TLS = frozenset(
    {
        FailureKind.TLS_MISSING,
        FailureKind.TLS_TOO_OLD,
        FailureKind.CERTIFICATE_EXPIRED,
        FailureKind.CERTIFICATE_NAME_MISMATCH,
        FailureKind.CERTIFICATE_NOT_TRUSTED,
        FailureKind.CERTIFICATE_NOT_YET_VALID,
        FailureKind.DANE_FAILED,
    }
)
"""What does not pass by itself: a message with REQUIRETLS comes back for it."""
_BAD_TLS = _BROKEN_TLS | _LASTING_TLS | {FailureKind.TLS_INJECTED}
_IN_CLEAR = None
_PROTECTIONS = {
    Level.ENCRYPTED: "TLS, demanded",
    Level.VERIFIED: "MTA-STS",
    Level.DANE: "DANE",
}


class MxOpener:
    """Opens one session for one domain."""

    def __init__(
        self,
        way: MxWay,
        settings: SessionSettings,
        dns: MxDns,
        security: MxSecurity,
        *,
        results: TlsResults | None = None,
        last: frozenset[str] = frozenset(),
    ) -> None:
        """`results` counts how TLS went, where reports are made of that. The hosts `last` come
        behind all others, and so do addresses of a host."""
        self._way = way
        self._hop = way.hop
        self._settings = settings
        self._helo_name = way.helo_name or settings.helo_name
        self._dns = dns
        self._security = security
        self._results = results
        self._last = last
        self._connections_left = MAX_CONNECTIONS
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    async def open(self) -> MxSession | Unopened:
        """A session with the first host that takes one, or why there is none."""
        failures: list[Unopened] = []
        async for target in self._targets():
            if not self._connections_left:
                break
            opened = await self._open_target(target)
            if isinstance(opened, MxSession):
                return opened
            failures.append(opened)
        kinds = [each.failure for each in failures]
        return failures[kinds.index(worst(kinds))]

    async def _targets(self) -> AsyncIterator[Target | Failure]:
        put_off: list[Target] = []
        async for target in self._dns.targets(self._hop.domain, self._way.mx):
            if isinstance(target, Target) and target.host in self._last:
                put_off.append(target)
            else:
                yield target
        for target in put_off:
            yield target

    async def _open_target(self, target: Target | Failure) -> MxSession | Unopened:
        if isinstance(target, Failure):
            return Unopened(target)
        demand = await self._security.demand(self._way, target)
        if isinstance(demand, Failure):
            self._note(Seen(self._way, None, target.host), demand)
            return Unopened(demand)
        reached = sorted(self._reached(target.addresses), key=self._last.__contains__)
        left = tuple(map(_address, reached))
        outcome = Unopened(Failure(FailureKind.MX_WITHOUT_ADDRESS))
        while left and self._connections_left:
            self._connections_left -= 1
            dialed = await dial(left, self._hop.port, self._settings.timeouts, self._way.source)
            if isinstance(dialed, Failure):
                return _not_reached(target, dialed)
            left = dialed.left
            opened = await self._greet(target, demand, dialed)
            if isinstance(opened, SmtpConnection):
                if not self._lacks_requiretls(opened):
                    address, others = dialed.address[1], [other for _, other in left]
                    has_more = not self._last.issuperset(others)
                    protection = _protection(demand, opened)
                    return MxSession(opened, target.host, protection, address, has_more)
                # RFC 8689 section 4.2.1: "the client MUST issue a QUIT to the server", and goes on
                # to the next host.
                await opened.close()
                return Unopened(Failure(FailureKind.REQUIRETLS_NOT_OFFERED), target.host)
            outcome = self._unopened(target, demand, opened)
        return outcome

    def _reached(self, addresses: tuple[str, ...]) -> tuple[str, ...]:
        """Those that can be reached from the source."""
        source = self._way.source
        if not source:
            return addresses
        return tuple(each for each in addresses if is_ipv6(each) == is_ipv6(source))

    def _lacks_requiretls(self, opened: SmtpConnection) -> bool:
        """RFC 8689 section 2: "the SMTP server MUST advertise in the subsequent EHLO response that
        it supports REQUIRETLS"."""
        is_needed = self._way.wish is TlsWish.REQUIRED
        return is_needed and not opened.core.capabilities.requiretls

    def _unopened(self, target: Target, demand: Demand, failure: Failure) -> Unopened:
        """In the words of who demanded what was not there."""
        if demand.level is Level.OPPORTUNISTIC or failure.kind not in _BAD_TLS:
            return Unopened(failure, target.host)
        is_dane = failure.kind is FailureKind.DANE_FAILED
        what = failure.detail if is_dane else _words(failure)
        if self._way.wish is TlsWish.REQUIRED and failure.kind in _LASTING_TLS:
            kind = FailureKind.REQUIRETLS_NOT_VERIFIED
        elif demand.level is Level.VERIFIED and not self._way.is_enforced:
            # It is the sender who demands, and it may pass.
            return Unopened(failure, target.host)
        elif demand.level is Level.VERIFIED:
            kind = FailureKind.MTA_STS_FAILED
        else:
            kind = FailureKind.DANE_FAILED
        return Unopened(Failure(kind, f"{target.host}: {what}"))

    async def _greet(
        self, target: Target, demand: Demand, dialed: Dialed
    ) -> SmtpConnection | Failure:
        """Take a connection to where a transaction can begin."""
        seen = self._seen(target, demand, dialed)
        if demand.level is not Level.OPPORTUNISTIC:
            opened = await self._greet_once(target, dialed.connection, demand)
            self._note(seen, opened)
            if isinstance(opened, SmtpConnection) and demand.level is Level.DANE:
                opened.core.is_verified = True
            return opened
        connection = dialed.connection
        policy = self._way.policy
        is_tested = policy is not None and self._way.wish is TlsWish.NONE
        if policy is not None and is_tested and policy.mode is StsMode.TESTING:
            tested = await self._test(target, policy, connection, seen)
            if isinstance(tested, SmtpConnection):
                return tested
            again = await self._again(dialed.address)
            if isinstance(again, Failure):
                return again
            connection = again
        opened = await self._greet_once(target, connection, demand)
        if policy is None:
            self._note(seen, opened)
        if isinstance(opened, SmtpConnection) or opened.kind not in _BROKEN_TLS:
            return opened
        again = await self._again(dialed.address)
        if isinstance(again, Failure):
            return again
        return await self._greet_once(target, again, _IN_CLEAR)

    def _seen(self, target: Target, demand: Demand, dialed: Dialed) -> Seen:
        local = "" if self._results is None else dialed.connection.local_address
        return Seen(self._way, demand, target.host, (local, dialed.address[1]))

    def _note(self, seen: Seen, opened: SmtpConnection | Failure) -> None:
        """Count a session, or that there is none."""
        if self._results is None:
            return
        if isinstance(opened, Failure):
            self._results.failed(seen, opened)
        else:
            self._results.opened(seen, is_encrypted=bool(opened.core.tls))

    async def _again(self, address: Address) -> SmtpConnection | Failure:
        timeouts, source = self._settings.timeouts, self._way.source
        return await connect_to(address, self._hop.port, timeouts, source)

    async def _test(
        self, target: Target, policy: StsPolicy, connection: SmtpConnection, seen: Seen
    ) -> SmtpConnection | Failure:
        """Do as the policy demands, and tell where that fails: nothing else follows from it."""
        host = target.host
        opened = await self._greet_once(target, connection, Demand(Level.VERIFIED, host))
        is_listed = policy.allows(host)
        cause = "" if is_listed else "not in the policy"
        self._note(seen, opened if is_listed else Failure(FailureKind.MTA_STS_FAILED))
        if isinstance(opened, Failure):
            cause = cause or _words(opened)
        if cause:
            log.info("mta_sts.test_failed", domain=self._hop.domain, host=host, cause=cause)
        return opened

    async def _greet_once(
        self, target: Target, connection: SmtpConnection, demand: Demand | None
    ) -> SmtpConnection | Failure:
        settings = self._settings
        patience = settings.timeouts.opening(self._clock() - self._began)
        if demand is _IN_CLEAR:
            core = ClientProtocol(ClientSettings(self._helo_name))
            host = SmartHost(target.host, self._hop.port, TlsMode.NONE)
            return await greet(host, connection, core, context=None, patience=patience)
        is_optional = demand.level is Level.OPPORTUNISTIC
        wanted = ClientSettings(self._helo_name, starttls=True, opportunistic=is_optional)
        verify = demand.level is Level.VERIFIED
        ca_file = self._hop.ca_file if verify else ""
        context = settings.contexts.get(verify=verify, ca_file=ca_file)
        host = SmartHost(demand.server_name, self._hop.port, TlsMode.STARTTLS)
        core = ClientProtocol(wanted)
        check = demand.check
        return await greet(host, connection, core, context=context, patience=patience, check=check)


def _protection(demand: Demand, connection: SmtpConnection) -> str:
    """How a session is protected, in words."""
    if demand.level is Level.OPPORTUNISTIC:
        return "TLS" if connection.core.tls else "none"
    return _PROTECTIONS[demand.level]


def _address(text: str) -> Address:
    return int(socket.AF_INET6 if ":" in text else socket.AF_INET), text


def _words(failure: Failure) -> str:
    what = failure.kind.name.lower().replace("_", " ")
    return f"{what} ({failure.detail})" if failure.detail else what


def _not_reached(target: Target, failure: Failure) -> Unopened:
    if failure.kind not in _NO_CONNECTION:
        return Unopened(failure, target.host)
    return Unopened(Failure(FailureKind.MX_NOT_REACHED, f"{target.host}: {_words(failure)}"))
