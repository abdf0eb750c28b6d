"""Notices that the clock of the machine was set back. What was put off until a time of day would
wait so much longer; a clock that is set forward only makes it come sooner."""

from collections.abc import Callable

from pillarbox.delivery.attempt import WallClock

LEAST_STEP_MS = 1000
"""Less is no step: the two clocks are not read in the same moment."""


class ClockSteps:
    """Compares the time of day with a clock that only goes forward."""

    def __init__(self, *, monotonic: Callable[[], float], wall: WallClock) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._offset_ms = self._read()

    def _read(self) -> int:
        return self._wall() - int(self._monotonic() * 1000)

    @property
    def set_back_ms(self) -> int:
        """By how much the clock was set back since the last `accept`; 0: it was not."""
        step = self._offset_ms - self._read()
        if step < 0:
            self._offset_ms -= step
        return step if step >= LEAST_STEP_MS else 0

    def accept(self, step_ms: int) -> None:
        """What follows from this step was done."""
        self._offset_ms -= step_ms
