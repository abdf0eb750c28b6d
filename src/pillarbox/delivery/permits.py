"""May an attempt begin at a next hop now? Its caps, its back-off and its wishes in one answer.

A data structure without I/O: `now` is a monotonic time in seconds.
"""

from dataclasses import dataclass

from pillarbox.delivery.attempt import MAX_RECIPIENTS
from pillarbox.delivery.pacing import Concurrency, Gate, GateState
from pillarbox.delivery.usage import LEAST_COST, Cost, Usage
from pillarbox.route import HopCaps


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before this moment. Infinity: not before a running attempt has ended, or the store has
    noted what is to begin."""

    until: float


_FOR_A_RUNNING_ONE = Wait(float("inf"))


class Permits:
    """What a next hop is given, by its caps and by how it answers."""

    def __init__(self, caps: HopCaps) -> None:
        self.caps = HopCaps()
        self.gate = Gate()
        self.concurrency = Concurrency(caps.connections)
        self.usage = Usage()
        self._running = 0
        self.set_caps(caps)

    def set_caps(self, caps: HopCaps) -> None:
        """Obey these caps from now on; what was counted before still counts."""
        self.caps = caps
        self.concurrency.set_cap(caps.connections)
        self.usage.set_windows(caps.windows)

    @property
    def running(self) -> int:
        """Attempts that are under way."""
        return self._running

    def pause(self, until: float) -> None:
        """The hop has said when it takes more. Whoever has the lane next has to obey that, too, so
        `usage` has to be written."""
        self.concurrency.pause(until)
        self.usage.pause(until)

    def ask(self, now: float) -> int | Wait:
        """How many recipients the next attempt may have, or when to ask again."""
        gate = self.gate
        if gate.is_shut or gate.is_held:
            if gate.state(now) is GateState.CLOSED:
                return Wait(gate.closed_until)
            if self._running:
                return _FOR_A_RUNNING_ONE
        paused_until = max(self.concurrency.paused_until, self.usage.paused_until)
        if now < paused_until:
            return Wait(paused_until)
        if not self.usage.has_windows:
            return MAX_RECIPIENTS
        most = self.usage.most_recipients(now, MAX_RECIPIENTS)
        return most or Wait(self.usage.begin_at(now, LEAST_COST))

    def begin(self, now: float, cost: Cost) -> Wait | None:
        """An attempt begins; Wait: it does not, now that its size is known. Where that is for the
        store to know, `usage` has to be written."""
        if self.usage.has_windows:
            begin_at = self.usage.begin_at(now, cost)
            if begin_at > now:
                return Wait(begin_at)
            if not self.usage.is_reserved(cost):
                return _FOR_A_RUNNING_ONE
        self._running += 1
        self.usage.begin(cost)
        return None

    def end(
        self, now: float, cost: Cost, *, counts: bool, transactions: int = 1, requests: int = 1
    ) -> None:
        """It is over; it `counts` against the caps if the hop may have seen it, each of its
        transactions and requests."""
        self._running -= 1
        self.usage.end(now, cost, counts=counts, transactions=transactions, requests=requests)
