"""The connections of a lane that have no mail: they rest with their sessions open, for a time."""

import asyncio
from collections import deque

from pillarbox.delivery.lane_source import LaneTools

_COARSE_SECONDS = 0.001
"""Timers of an event loop may come so much too early."""


class RestingConnections:
    """Each is a task that waits here. One timer for all."""

    __slots__ = ("_reaper", "_tools", "_waiting")

    def __init__(self, tools: LaneTools) -> None:
        self._tools = tools
        self._waiting: deque[tuple[asyncio.Future[bool], float]] = deque()
        self._reaper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def rest(self) -> asyncio.Future[bool]:
        """What to await until there is mail; False when it is time to end."""
        tools, now = self._tools, self._tools.monotonic()
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append((future, now))
        if self._reaper is None:
            self._reaper = tools.call_at(now + tools.idle_seconds, self._reap)
        return future

    def wake_one(self) -> bool:
        """Bring the one that rested least to its mail, so that the others can close; whether there
        was one."""
        while self._waiting:
            future, _ = self._waiting.pop()
            if not future.done():
                future.set_result(True)
                return True
        return False

    def end(self) -> None:
        """End them all."""
        while self._waiting:
            future, _ = self._waiting.pop()
            if not future.done():
                future.set_result(False)

    def stop(self) -> None:
        """End them all, for good."""
        if self._reaper is not None:
            self._reaper.cancel()
        self.end()

    def _reap(self) -> None:
        """End those that have rested long enough."""
        self._reaper = None
        tools = self._tools
        limit = tools.monotonic() - tools.idle_seconds + _COARSE_SECONDS
        while self._waiting:
            future, since = self._waiting[0]
            if since > limit and not future.done():
                self._reaper = tools.call_at(since + tools.idle_seconds, self._reap)
                return
            self._waiting.popleft()
            if not future.done():
                future.set_result(False)
