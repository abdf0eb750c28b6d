"""What a next hop allows: connections, messages in each, and how much in a time. Pure."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum


class Counted(StrEnum):
    """What a window counts."""

    MESSAGES = "messages"
    RECIPIENTS = "recipients"
    OCTETS = "octets"
    """Of the message as it is handed over, its header and content."""
    REQUESTS = "requests"


@dataclass(frozen=True, slots=True)
class Window:
    """A next hop takes no more than `amount` in any `seconds`."""

    counted: Counted
    amount: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.amount} {self.counted.value} in {self.seconds} s"


MINUTE_SECONDS = 60
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class HopCaps:
    """What a next hop allows. Of `windows` there is one for each `counted` and `seconds`."""

    connections: int = 10
    messages_per_connection: int = 1000
    windows: tuple[Window, ...] = ()

    def amount(self, counted: Counted, seconds: int) -> int | None:
        """What is allowed in so many seconds; None: there is no such window."""
        for window in self.windows:
            if window.counted is counted and window.seconds == seconds:
                return window.amount
        return None

    def limited(self, counted: Counted, seconds: int, amount: int | None) -> "HopCaps":
        """These caps with such a window, or with None without it."""
        others = [w for w in self.windows if (w.counted, w.seconds) != (counted, seconds)]
        if amount is not None:
            others.append(Window(counted, amount, seconds))
        return replace(self, windows=tuple(sorted(others, key=lambda w: (w.seconds, w.counted))))


@dataclass(frozen=True, slots=True)
class CapsOrder:
    """Caps that an administrator has ordered for one next hop; None: as the route says."""

    connections: int | None = None
    messages_per_connection: int | None = None
    messages_per_minute: int | None = None

    def on(self, caps: HopCaps) -> HopCaps:
        """The caps of a route as they are then."""
        if self.connections is not None:
            caps = replace(caps, connections=self.connections)
        if self.messages_per_connection is not None:
            caps = replace(caps, messages_per_connection=self.messages_per_connection)
        if self.messages_per_minute is not None:
            caps = caps.limited(Counted.MESSAGES, MINUTE_SECONDS, self.messages_per_minute)
        return caps


def strictest(several: Collection[HopCaps]) -> HopCaps:
    """The least connections and messages in each of several caps, one at least; their windows are
    not looked at."""
    return HopCaps(
        connections=min(caps.connections for caps in several),
        messages_per_connection=min(caps.messages_per_connection for caps in several),
    )


USUAL_CAPS = HopCaps()

MX_CAPS = HopCaps(connections=10, messages_per_connection=100)
"""For the mail hosts of a domain, where nobody knows better: what large receivers take without
asking for less."""


@dataclass(frozen=True, slots=True)
class LanePlan:
    """Which lane of a hop a worker puts mail into: the one with its own number where the caps can
    be divided, else the first. So what it accepts stays with it, and caps hold exactly.

    `worker` counts from 0, of `workers` on this machine.
    """

    worker: int = 0
    workers: int = 1

    def number(self, caps: HopCaps) -> int:
        """The number of the lane."""
        return self.worker if self._is_divided(caps) else 0

    def share(self, caps: HopCaps) -> HopCaps:
        """What the lane may use of the caps."""
        if self.workers == 1 or not self._is_divided(caps):
            return caps
        each, rest = divmod(caps.connections, self.workers)
        return replace(caps, connections=each + (self.worker < rest))

    def _is_divided(self, caps: HopCaps) -> bool:
        return not caps.windows and caps.connections >= self.workers


ONE_WORKER = LanePlan()
