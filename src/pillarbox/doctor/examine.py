"""All addresses, ports and ways of a server at once: which is wrong is seen, not guessed."""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.diagnosis.facts import Attempt, Facts, Target
from pillarbox.doctor.attempt import Means, Place, attempt, left_waiting
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure
from pillarbox.net.reach import Connect
from pillarbox.publish.client_settings import Encryption

PORTS = (25, 465, 587, 2525)
MAX_ADDRESSES = 4
LOOKUP_SECONDS = 5.0

GRACE_SECONDS = 0.5
"""So long an attempt may still take when the other way on the same port has worked: a server that
waits for TLS says nothing to who waits for its greeting."""

Lookup: TypeAlias = Callable[[str], Awaitable[list[str]]]
"""Gives the addresses of a host. Raises OSError."""


async def ask_system(host: str) -> list[str]:
    """The addresses of a host as programs of this machine see them (RFC 6724); those of IPv6 only
    where the machine has such an address itself (RFC 3493 section 6.1)."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in infos]


@dataclass(frozen=True, slots=True)
class Tools:
    """With what it is looked; other tools are for tests. `session_seconds` bounds one session: a
    server that lets people wait for its greeting waits less than that."""

    trust: ssl.SSLContext
    connect: Connect = asyncio.open_connection
    lookup: Lookup = ask_system
    session_seconds: float = 8.0


async def examine(target: Target, tools: Tools) -> Facts:
    """All facts about a target, within some twelve seconds. Nothing is sent, no login is tried."""
    found = await _addresses(target.host, tools)
    if isinstance(found, Failure):
        return Facts(target, lookup_failure=found)
    ports = sorted({*PORTS, target.port or PORTS[0]})
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_both_ways(target.host, address, port, tools))
            for port in ports
            for address in found
        ]
    attempts = [one for task in tasks for one in task.result()]
    return Facts(target, tuple(found), tuple(attempts))


async def _addresses(host: str, tools: Tools) -> list[str] | Failure:
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await tools.lookup(host)
    except TimeoutError:
        return Failure(FailureKind.NAME_LOOKUP_FAILED)
    except OSError as exc:
        return connect_failure(exc)
    if not found:
        return Failure(FailureKind.NAME_NOT_FOUND)
    return list(dict.fromkeys(found))[:MAX_ADDRESSES]


async def _both_ways(host: str, address: str, port: int, tools: Tools) -> list[Attempt]:
    """Both ways of encryption on one port, at the same time."""
    means = Means(tools.trust, tools.connect, tools.session_seconds)
    places = [Place(host, address, port, encryption) for encryption in Encryption]
    tasks: dict[asyncio.Task[Attempt], Place] = {}
    async with asyncio.TaskGroup() as group:
        for place in places:
            task = group.create_task(attempt(place, means))
            tasks[task] = place
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if waiting and any(task.result().works for task in done):
            _, waiting = await asyncio.wait(waiting, timeout=GRACE_SECONDS)
            for task in waiting:
                task.cancel()
    return [left_waiting(place) if t.cancelled() else t.result() for t, place in tasks.items()]
