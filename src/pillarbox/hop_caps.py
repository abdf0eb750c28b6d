"""What a next hop allows: connections, messages in each, and how much in a time. Pure."""

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


USUAL_CAPS = HopCaps()

MX_CAPS = HopCaps(connections=10, messages_per_connection=100)
"""For the mail hosts of a domain, where nobody knows better: what large receivers take without
asking for less."""
