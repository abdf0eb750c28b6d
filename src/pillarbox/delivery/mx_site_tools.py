"""What sites (delivery.mx_site) are called, and what all of a worker share."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SiteName:
    """MX hosts, and the address that they are reached from; "": as the machine chooses."""

    hosts: tuple[str, ...]
    source: str = ""

    def __str__(self) -> str:
        """All hosts, and `@` before the address."""
        return " ".join((*self.hosts, f"@{self.source}") if self.source else self.hosts)


class SiteTools:
    """What all sites of a worker share. `idle_sessions` may be kept open together."""

    def __init__(
        self,
        *,
        monotonic: Callable[[], float],
        rand: Callable[[], float],
        idle_seconds: float,
        idle_sessions: int,
    ) -> None:
        self.monotonic = monotonic
        self.rand = rand
        self.idle_seconds = idle_seconds
        self.idle_room = idle_sessions
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something end by itself."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all of that."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
