"""Which connection a message takes, and when it may begin. Pure: the clock is an argument, and who
has to wait waits elsewhere.
"""

from collections import deque
from typing import Generic, Protocol, TypeVar

from pillarbox.client.options import Pool
from pillarbox.values import quick

C = TypeVar("C")


@quick(frozen=True, slots=True)
class Turn(Generic[C]):
    """The right to one connection; None: a new one may be made."""

    connection: C | None


class Waiter(Protocol[C]):
    """Who waits for a turn."""

    def hand(self, turn: Turn[C] | None, /) -> None:
        """It is yours; None: there will be none."""


class Book(Generic[C]):
    """Keeps count of the connections of one client. Not safe for threads by itself."""

    def __init__(self, options: Pool) -> None:
        self._options = options
        self._idle: list[tuple[float, C]] = []
        self._waiting: deque[Waiter[C]] = deque()
        self.taken = 0
        """Turns that were given out."""

    def take(self, now: float) -> tuple[Turn[C] | None, list[C]]:
        """A turn, None where one has to wait; and connections that are too old to be kept."""
        idle = self._idle
        old = self._expired(now) if idle and idle[0][0] < now - self._options.idle else []
        if self._waiting or self.taken >= self._options.connections:
            return None, old
        self.taken += 1
        return Turn(idle.pop()[1] if idle else None), old

    def wait(self, waiter: Waiter[C]) -> None:
        """Stand at the end of the queue."""
        self._waiting.append(waiter)

    def leave(self, waiter: Waiter[C]) -> bool:
        """Go away; False: it has a turn already, which must be given back."""
        try:
            self._waiting.remove(waiter)
        except ValueError:
            return False
        return True

    def give(self, connection: C | None, now: float) -> None:
        """End a turn; the connection, if it is still good, goes to who waits longest."""
        if self._waiting:
            self._waiting.popleft().hand(Turn(connection))
            return
        self.taken -= 1
        if connection is not None:
            self._idle.append((now, connection))

    def empty(self) -> tuple[list[C], list[Waiter[C]]]:
        """Take out all connections that nobody uses, and all who wait."""
        idle = [connection for _, connection in self._idle]
        waiting = list(self._waiting)
        self._idle.clear()
        self._waiting.clear()
        return idle, waiting

    def _expired(self, now: float) -> list[C]:
        """The connections that were idle for too long; the last one that was used is at the end."""
        since = now - self._options.idle
        count = sum(1 for at, _ in self._idle if at < since)
        old = [connection for _, connection in self._idle[:count]]
        del self._idle[:count]
        return old


class Pace:
    """No more than so many messages begin in any so many seconds."""

    def __init__(self, rate: tuple[int, float] | None) -> None:
        self._seconds = 0.0 if rate is None else rate[1]
        self._begins: deque[float] = deque(maxlen=None if rate is None else rate[0])

    @property
    def is_free(self) -> bool:
        """Whether nobody ever has to wait."""
        return not self._seconds

    def reserve(self, now: float) -> float:
        """The next message may begin in so many seconds; that place is taken now."""
        begins = self._begins
        if not self._seconds:
            return 0.0
        is_full = len(begins) == begins.maxlen
        at = max(now, begins[0] + self._seconds) if is_full else now
        begins.append(at)
        return at - now
