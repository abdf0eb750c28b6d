"""When a next hop may be given more: its back-off, and how many connections it likes.

Data structures without I/O. `now` is a monotonic time in seconds. What it allows in a time is told
by delivery.usage.
"""

import math
from enum import Enum, auto

from pillarbox.retry import backoff_seconds

FIRST_CLOSED_SECONDS = 15.0
LONGEST_CLOSED_SECONDS = 600.0
"""A next hop that can not be reached is probed after the first, then after doubled pauses."""

FIRST_THROTTLED_SECONDS = 2.0
LONGEST_THROTTLED_SECONDS = 60.0
"""The pause after a next hop asked for less, doubled each time until it takes mail again."""

STRIKES = 2
"""So many requests for less in a row count as the hop's wish: a single one may be about the sender
of that message, and must not slow the mail of others."""


class GateState(Enum):
    """Whether a next hop is given mail."""

    OPEN = auto()
    CLOSED = auto()
    """It can not be reached; nothing is tried until the pause is over."""
    PROBING = auto()
    """The pause is over: one attempt shows whether it is back."""


_OPEN, _CLOSED, _PROBING = GateState.OPEN, GateState.CLOSED, GateState.PROBING


class Gate:
    """The back-off of a next hop that can not be reached."""

    def __init__(self) -> None:
        self._failures = 0
        self._closed_until = 0.0
        self.is_shut = False
        """It could not be reached, or is not sure to be, and has taken nothing since."""
        self.is_held = False
        """An administrator wants it closed."""

    def state(self, now: float) -> GateState:
        """How it stands now."""
        if self.is_held:
            return _CLOSED
        if not self.is_shut:
            return _OPEN
        return _CLOSED if now < self._closed_until else _PROBING

    @property
    def closed_until(self) -> float:
        """The end of the pause."""
        return math.inf if self.is_held else self._closed_until

    def fail(self, now: float, rand: float) -> float:
        """The hop could not be reached: close for a time, which is returned."""
        self._failures += 1
        self.is_shut = True
        pause = backoff_seconds(
            self._failures, first=FIRST_CLOSED_SECONDS, longest=LONGEST_CLOSED_SECONDS, rand=rand
        )
        self._closed_until = now + pause
        return pause

    def ask_for_probe(self) -> None:
        """Let one attempt show whether the hop is well, now rather than at the end of a pause."""
        self.is_shut = True
        self._closed_until = 0.0

    def succeed(self) -> bool:
        """The hop answers; whether it was closed before."""
        was_closed = self.is_shut
        self.is_shut = False
        self._failures = 0
        return was_closed


class Concurrency:
    """How many connections a next hop is given: halved when it asks for less, then one more after
    so many successes as there are connections, up to `cap`."""

    def __init__(self, cap: int) -> None:
        self.cap = cap
        self.limit = cap
        self.paused_until = 0.0
        self.lowered_by = ""
        """The reply by which there are fewer than `cap` now, or a pause."""
        self._successes = 0
        self._strikes = 0
        self._throttles = 0

    def set_cap(self, cap: int) -> None:
        """The cap was changed by an administrator."""
        if cap != self.cap:
            self.limit = cap if self.limit >= self.cap else min(self.limit, cap)
            self.cap = cap

    @property
    def grows_after(self) -> int:
        """So many successes from now there is one more; 0: there are all."""
        return self.limit - self._successes if self.limit < self.cap else 0

    def throttle(self, now: float, rand: float, *, connections: int, reason: str = "") -> None:
        """The hop asked for less while it had so many connections: halve them, and pause."""
        self._successes = 0
        self._strikes += 1
        if self._strikes < STRIKES or now < self.paused_until:
            # Perhaps it meant that message alone; or other connections hear the same.
            return
        self._throttles += 1
        self.lowered_by = reason
        self.limit = max(min(self.limit, connections) // 2, 1)
        self.paused_until = now + backoff_seconds(
            self._throttles,
            first=FIRST_THROTTLED_SECONDS,
            longest=LONGEST_THROTTLED_SECONDS,
            rand=rand,
        )

    def pause(self, until: float) -> None:
        """The hop said when it takes more; how many at once it takes is not said with it."""
        self.paused_until = max(self.paused_until, until)

    def refuse_more_than(self, connections: int, *, reason: str = "") -> None:
        """The hop refused a further connection while these were open."""
        self._successes = 0
        self.lowered_by = reason
        self.limit = max(min(self.limit, connections), 1)

    def succeed(self) -> None:
        """An attempt went through."""
        self._strikes = 0
        self._throttles = 0
        if self.limit < self.cap:
            self._successes += 1
            if self._successes >= self.limit:
                self._successes = 0
                self.limit += 1
        else:
            self.lowered_by = ""
