"""Moments at which something can be made to happen: clients and sink say what they have reached.

A strike runs in the thread that reached the moment, so that it falls between two of its steps.
"""

import threading
from collections.abc import Callable
from enum import StrEnum


class Moment(StrEnum):
    """A step of a client or of the sink."""

    ACKNOWLEDGED = "client has read the 250"
    MAIL = "sink was told MAIL"
    CONTENT = "sink was told DATA"
    END = "sink has the content, did not take it"
    TAKEN = "sink took it, did not answer"
    ANSWERED = "sink answered 250"


class Moments:
    """At most one strike is armed at a time; the first who reaches its moment strikes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: tuple[Moment, Callable[[], None]] | None = None
        self._struck = threading.Event()

    def strike_at(self, moment: Moment, strike: Callable[[], None], *, seconds: float) -> None:
        """Strike when the moment is reached, or after so many seconds; returns then."""
        self._struck.clear()
        with self._lock:
            self._armed = moment, strike
        if self._struck.wait(seconds):
            return
        with self._lock:
            armed, self._armed = self._armed, None
        if armed is None:
            # Somebody strikes at this very moment.
            self._struck.wait()
        else:
            strike()

    def reach(self, moment: Moment) -> None:
        """Strike if that was waited for."""
        if self._armed is None:
            return
        with self._lock:
            if self._armed is None or self._armed[0] is not moment:
                return
            strike = self._armed[1]
            self._armed = None
        strike()
        self._struck.set()
