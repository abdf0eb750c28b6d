"""Connecting to one of several addresses of a host: a race with a head start (after RFC 8305)."""

import asyncio
import errno
from collections import deque
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure

HEAD_START_SECONDS = 0.3
"""So long an address is tried alone, before the next one is tried beside it."""

Address: TypeAlias = tuple[int, str]
"""Family (AF_INET, AF_INET6) and the address as text."""


@dataclass(frozen=True, slots=True)
class Dialed:
    """A connection, and the addresses that were not tried."""

    connection: SmtpConnection
    address: Address
    left: tuple[Address, ...]


async def dial(
    addresses: tuple[Address, ...], port: int, timeouts: Timeouts, source: str = ""
) -> Dialed | Failure:
    """A connection to the first address that answers, from `source` where that is given. Each has a
    head start before the next."""
    waiting = deque(addresses)
    tasks: dict[asyncio.Task[SmtpConnection | Failure], Address] = {}
    outcome: SmtpConnection | Failure = Failure(FailureKind.UNREACHABLE, "no address")
    try:
        while not isinstance(outcome, SmtpConnection) and (waiting or tasks):
            if waiting:
                address = waiting.popleft()
                task = asyncio.ensure_future(connect_to(address, port, timeouts, source))
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
        # Not awaited: whoever is cancelled there would lose the connection that is made.
        for task in tasks:
            task.cancel()
            task.add_done_callback(_hang_up)
    if isinstance(outcome, Failure):
        return outcome
    return Dialed(outcome, address, (*tasks.values(), *waiting))


def _hang_up(given_up: "asyncio.Task[SmtpConnection | Failure]") -> None:
    if not given_up.cancelled() and isinstance(made := given_up.result(), SmtpConnection):
        made.abort()


async def connect_to(
    address: Address, port: int, timeouts: Timeouts, source: str = ""
) -> SmtpConnection | Failure:
    """A connection to one address, from `source` where that is given; nothing is said yet."""
    family, host = address
    local = (source, 0) if source else None
    connection = SmtpConnection(timeouts)
    try:
        async with asyncio.timeout(timeouts.connect):
            await asyncio.get_running_loop().create_connection(
                lambda: connection, host, port, family=family, local_addr=local
            )
    except OSError as exc:
        if source and exc.errno == errno.EADDRNOTAVAIL:
            return Failure(FailureKind.SOURCE_UNUSABLE, source)
        return connect_failure(exc)
    return connection
