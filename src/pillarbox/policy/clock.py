"""The two clocks, as a value that is passed on, so that tests can let time stand still."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.mail.envelope import Timestamp


def timestamp() -> Timestamp:
    """The time of day: milliseconds since 1970 in UTC."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """`seconds` only goes forward and measures spans; `timestamp` is the time of day."""

    seconds: Callable[[], float] = time.monotonic
    timestamp: Callable[[], Timestamp] = timestamp
