"""Sliding windows: how much of something there was in the last so many seconds. No clock of its
own."""

from collections import deque


class Window:
    """Counts amounts in the last `seconds`; `limit` of them fit."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self._entries: deque[tuple[float, int]] = deque()
        self._total = 0

    def total(self, now: float) -> int:
        """What counts now."""
        self._forget(now)
        return self._total

    def fits(self, amount: int, now: float) -> bool:
        """Whether there is room for so much."""
        return self.total(now) + amount <= self.limit

    def add(self, amount: int, now: float) -> None:
        """Count it, whether it fits or not."""
        self._forget(now)
        self._entries.append((now, amount))
        self._total += amount

    def room_at(self, amount: int, now: float) -> float:
        """When there will be room for so much; what never fits does so once the window is empty."""
        self._forget(now)
        excess = self._total + amount - self.limit
        if excess <= 0:
            return now
        at = now
        for moment, counted in self._entries:
            excess -= counted
            at = moment + self.seconds
            if excess <= 0:
                break
        return at

    def _forget(self, now: float) -> None:
        while self._entries and self._entries[0][0] <= now - self.seconds:
            self._total -= self._entries.popleft()[1]


class Pace:
    """Lets `limit` through in any `seconds`, and the others later, in turn."""

    def __init__(self, limit: int, seconds: float) -> None:
        self._seconds = seconds
        self._times: deque[float] = deque(maxlen=limit)

    def next(self, now: float) -> float:
        """When the next one may pass; it counts from then."""
        times = self._times
        at = max(now, times[-1]) if times else now
        if len(times) == times.maxlen:
            at = max(at, times[0] + self._seconds)
        times.append(at)
        return at


def most_in(moments: list[float], seconds: float) -> int:
    """The largest number of moments (in order) that lie within any span of so many seconds."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
