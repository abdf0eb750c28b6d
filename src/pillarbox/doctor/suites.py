"""All suites and groups that a port takes, in its own order, and which old clients it serves.

The server chooses one of what is offered; what it chose is left out of the next offer, until it
refuses. Some hundred sessions, so only where it is asked for.
"""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress

from pillarbox.diagnosis import hello
from pillarbox.diagnosis.facts import SuiteFacts
from pillarbox.diagnosis.hello import Hello, Offer, client_hello
from pillarbox.diagnosis.old_clients import OLD_CLIENTS
from pillarbox.diagnosis.suite_names import GROUP_NAMES, OLD_SUITE_NAMES, SUITES_13_NAMES
from pillarbox.doctor.talk import Means, Place
from pillarbox.doctor.tls_probe import ask_hello, server_name

AT_ONCE = 5
SUITES_SECONDS = 60.0
"""For one port. What is not known then stays unknown."""

_VERSIONS = {
    "1.0": (hello.TLS10, tuple(OLD_SUITE_NAMES)),
    "1.1": (hello.TLS11, tuple(OLD_SUITE_NAMES)),
    "1.2": (hello.TLS12, tuple(OLD_SUITE_NAMES)),
    "1.3": (hello.TLS13, tuple(SUITES_13_NAMES)),
}


class _Asker:
    """Asks one port, some sessions at a time."""

    def __init__(self, place: Place, means: Means) -> None:
        self._place, self._means = place, means
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def ask(self, offer: Offer, *, named: bool = True) -> Hello | None:
        """The answer; None where there was none."""
        name = server_name(self._place.host) if named else ""
        async with self._gate:
            return await ask_hello(
                self._place, self._means, client_hello(offer, name, os.urandom(64))
            )

    async def suites(self, version: int, offered: Sequence[int]) -> tuple[int, ...]:
        """All that are taken in one version, as the server chose them."""
        left, taken = list(offered), []
        while left:
            answer = await self.ask(Offer(version, left))
            if answer is None or answer.version != version or answer.suite not in left:
                break
            taken.append(answer.suite)
            left.remove(answer.suite)
        return tuple(taken)

    async def is_servers_order(self, version: int, taken: Sequence[int]) -> bool | None:
        """Whether the server chooses by its own order; None where it has no choice."""
        if len(taken) < 2:
            return None
        answer = await self.ask(Offer(version, tuple(reversed(taken))))
        return None if answer is None or not answer.version else answer.suite == taken[0]

    async def groups(self, version: int, suites: Sequence[int]) -> tuple[int, ...]:
        """All groups that are taken, as the server chose them. Where TLS 1.2 is the newest, a key
        on a curve ends the list behind that curve (RFC 8422 section 5.1)."""
        left, taken = list(GROUP_NAMES), []
        while left:
            answer = await self.ask(Offer(version, suites, left, shares=False))
            if answer is None or not answer.version or answer.group not in left:
                break
            taken.append(answer.group)
            left.remove(answer.group)
        return tuple(taken)

    async def old_clients(self) -> dict[str, bool | None]:
        """Which of them it would serve, None where it did not answer."""
        served: dict[str, bool | None] = {}
        for client in OLD_CLIENTS:
            answer = await self.ask(client.offer, named=client.names_server)
            fits = answer is not None and answer.suite in client.offer.suites
            good = fits and answer is not None and answer.version == client.offer.version
            served[client.name] = None if answer is None else good
        return served


async def list_suites(place: Place, means: Means) -> SuiteFacts:
    """All that can be learnt within the time. Raises nothing."""
    asker = _Asker(place, means)
    versions: dict[str, tuple[int, ...]] = {}
    clients: dict[str, bool | None] = {}
    order: bool | None = None
    groups: tuple[int, ...] = ()

    async def version(name: str) -> None:
        versions[name] = await asker.suites(*_VERSIONS[name])

    async def old_clients() -> None:
        clients.update(await asker.old_clients())

    with suppress(TimeoutError):
        async with asyncio.timeout(SUITES_SECONDS):
            async with asyncio.TaskGroup() as group:
                group.create_task(old_clients())
                for name in _VERSIONS:
                    group.create_task(version(name))
            newest = max((name for name in versions if versions[name]), default="")
            if newest:
                number, taken = _VERSIONS[newest][0], versions[newest]
                groups = await asker.groups(number, taken)
            if old := versions.get("1.2", ()):
                order = await asker.is_servers_order(hello.TLS12, old)
    return SuiteFacts(place.port, versions, order, groups, clients)
