"""May an attempt begin at a next hop now? Its caps, its back-off and its wishes in one answer.

A data structure without I/O: `now` is a monotonic time in seconds, `wall` the time of day.
"""

from dataclasses import dataclass

from pillarbox.delivery.attempt import MAX_RECIPIENTS
from pillarbox.delivery.pacing import Concurrency, DailyBudget, Gate, GateState, MinuteWindow
from pillarbox.mail.envelope import Timestamp
from pillarbox.route import HopCaps


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before this moment. Infinity: not before a running attempt has ended."""

    until: float


_FOR_A_RUNNING_ONE = Wait(float("inf"))


class Permits:
    """What a next hop is given, by its caps and by how it answers."""

    def __init__(self, caps: HopCaps) -> None:
        self.caps = HopCaps()
        self.gate = Gate()
        self.concurrency = Concurrency(caps.connections)
        self._window: MinuteWindow | None = None
        self._daily: DailyBudget | None = None
        self._running = 0
        self._inherited: tuple[float, Timestamp, int] | None = None
        self.set_caps(caps)

    @property
    def counts_usage(self) -> bool:
        """Whether the store has to count what is sent here."""
        return self._daily is not None or self._window is not None

    def set_caps(self, caps: HopCaps) -> None:
        """Obey these caps from now on; what was sent before still counts."""
        self.caps = caps
        self.concurrency.set_cap(caps.connections)
        if caps.messages_per_minute is None:
            self._window = None
        elif self._window is None:
            self._window = MinuteWindow(caps.messages_per_minute)
            # Nobody has counted what runs at this moment.
            for _ in range(self._running):
                self._window.begin()
            self._inherit_window()
        else:
            self._window.limit = caps.messages_per_minute
        if caps.recipients_per_day is None:
            self._daily = None
        elif self._daily is None:
            self._daily = DailyBudget(caps.recipients_per_day)
            self._inherit_budget()
        else:
            self._daily.limit = caps.recipients_per_day

    def inherit(self, now: float, wall: Timestamp, used: int) -> None:
        """The lane was taken over: `used` recipients were tried on this day, nobody knows when.

        A cap of messages per minute then counts the last minute as full. The caps may be known
        only later.
        """
        self._inherited = now, wall, used
        self._inherit_window()
        self._inherit_budget()

    def _inherit_window(self) -> None:
        if self._window is not None and self._inherited is not None:
            now, _, used = self._inherited
            if used:
                self._window.fill(now)

    def _inherit_budget(self) -> None:
        if self._daily is not None and self._inherited is not None:
            _, wall, used = self._inherited
            self._daily.load(wall, used)

    def ask(self, now: float, wall: Timestamp) -> int | Wait:
        """How many recipients the next attempt may have, or when to ask again."""
        state = self.gate.state(now)
        if state is GateState.CLOSED:
            return Wait(self.gate.closed_until)
        if state is GateState.PROBING and self._running:
            return _FOR_A_RUNNING_ONE
        if now < self.concurrency.paused_until:
            return Wait(self.concurrency.paused_until)
        if self._window is not None:
            seconds = self._window.wait_seconds(now)
            if seconds:
                return Wait(now + seconds)
        if self._daily is None:
            return MAX_RECIPIENTS
        room = self._daily.room(wall)
        return min(room, MAX_RECIPIENTS) if room else Wait(now + self._daily.wait_seconds(wall))

    def begin(self, recipients: int) -> None:
        """An attempt begins."""
        self._running += 1
        if self._window is not None:
            self._window.begin()
        if self._daily is not None:
            self._daily.reserve(recipients)

    def end(self, now: float, started_at: Timestamp, recipients: int, *, counts: bool) -> None:
        """It is over; it `counts` against the caps if the hop may have seen it."""
        self._running -= 1
        if self._window is not None:
            self._window.end(now, counts=counts)
        if self._daily is not None and not counts:
            self._daily.give_back(started_at, recipients)
