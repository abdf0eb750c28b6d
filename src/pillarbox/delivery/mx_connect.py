"""Opening a session with one of the MX hosts of a domain (RFC 5321 section 5.1).

Hosts in their order, the addresses of each by a race with a head start (after RFC 8305). TLS is
used where it is offered, whatever the certificate; where it does not work the session is opened
once more without it (RFC 7435): who could break it could as well have hidden that it is offered.
"""

import asyncio
import socket
from collections import deque
from dataclasses import dataclass

from pillarbox.delivery.mx import MxDns, MxSet, Target, worst
from pillarbox.delivery.mx_site import MxSession, Unopened
from pillarbox.delivery.smtp_connect import Address, SessionSettings, connect_to, greet
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.route import MxHosts, SmartHost, TlsMode
from pillarbox.smtp.client import ClientProtocol, ClientSettings

HEAD_START_SECONDS = 0.3
"""So long an address is tried alone, before the next one is tried beside it."""

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


@dataclass(frozen=True, slots=True)
class Dialed:
    """A connection, and the addresses that were not tried."""

    connection: SmtpConnection
    address: Address
    left: tuple[Address, ...]


class MxOpener:
    """Opens one session for one domain."""

    def __init__(self, hop: MxHosts, settings: SessionSettings, dns: MxDns) -> None:
        self._hop = hop
        self._settings = settings
        self._dns = dns
        self._connections_left = MAX_CONNECTIONS

    async def open(self, mx: MxSet) -> MxSession | Unopened:
        """A session with the first host that takes one, or why there is none."""
        failures: list[Unopened] = []
        async for target in self._dns.targets(self._hop.domain, mx):
            if isinstance(target, Failure):
                failures.append(Unopened(target))
                continue
            if not self._connections_left:
                break
            opened = await self._open_target(target)
            if isinstance(opened, MxSession):
                return opened
            failures.append(opened)
        kinds = [each.failure for each in failures]
        return failures[kinds.index(worst(kinds))]

    async def _open_target(self, target: Target) -> MxSession | Unopened:
        left = tuple(_address(each) for each in target.addresses)
        outcome = Unopened(Failure(FailureKind.MX_WITHOUT_ADDRESS))
        while left and self._connections_left:
            self._connections_left -= 1
            dialed = await dial(left, self._hop.port, self._settings.timeouts)
            if isinstance(dialed, Failure):
                return _not_reached(target, dialed)
            left = dialed.left
            opened = await self._greet(target, dialed)
            if isinstance(opened, SmtpConnection):
                return MxSession(opened, target.host)
            outcome = Unopened(opened, target.host)
        return outcome

    async def _greet(self, target: Target, dialed: Dialed) -> SmtpConnection | Failure:
        """Take a connection to where a transaction can begin; with TLS where that works."""
        opened = await self._greet_once(target, dialed.connection, with_tls=True)
        if isinstance(opened, SmtpConnection) or opened.kind not in _BROKEN_TLS:
            return opened
        again = await connect_to(dialed.address, self._hop.port, self._settings.timeouts)
        if isinstance(again, Failure):
            return again
        return await self._greet_once(target, again, with_tls=False)

    async def _greet_once(
        self, target: Target, connection: SmtpConnection, *, with_tls: bool
    ) -> SmtpConnection | Failure:
        settings = self._settings
        tls = TlsMode.STARTTLS if with_tls else TlsMode.NONE
        host = SmartHost(target.host, self._hop.port, tls, verify=False)
        core = ClientProtocol(ClientSettings(settings.helo_name, tls_if_offered=with_tls))
        context = settings.contexts.get(verify=False) if with_tls else None
        return await greet(host, connection, core, context=context)


def _address(text: str) -> Address:
    return int(socket.AF_INET6 if ":" in text else socket.AF_INET), text


def _not_reached(target: Target, failure: Failure) -> Unopened:
    if failure.kind not in _NO_CONNECTION:
        return Unopened(failure, target.host)
    what = failure.kind.name.lower().replace("_", " ")
    return Unopened(Failure(FailureKind.MX_NOT_REACHED, f"{target.host}: {what}"))


async def dial(addresses: tuple[Address, ...], port: int, timeouts: Timeouts) -> Dialed | Failure:
    """A connection to the first address that answers. Each has a head start before the next."""
    waiting = deque(addresses)
    tasks: dict[asyncio.Task[SmtpConnection | Failure], Address] = {}
    outcome: SmtpConnection | Failure = Failure(FailureKind.UNREACHABLE, "no address")
    try:
        while not isinstance(outcome, SmtpConnection) and (waiting or tasks):
            if waiting:
                address = waiting.popleft()
                task = asyncio.ensure_future(connect_to(address, port, timeouts))
                tasks[task] = address
            seconds = HEAD_START_SECONDS if waiting else None
            done, _ = await asyncio.wait(
                tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                if isinstance(outcome, SmtpConnection):
                    break
                address = tasks.pop(task)
                outcome = task.result()
    finally:
        for task in tasks:
            task.cancel()
        for rest in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(rest, SmtpConnection):
                rest.abort()
    if isinstance(outcome, Failure):
        return outcome
    return Dialed(outcome, address, (*tasks.values(), *waiting))
