"""How much of what a next hop allows in a time is used: sliding windows, exact in never more.

Data structures without I/O; `now` is a monotonic time in seconds. When exactly the next hop counts
a message is unknown: somewhere between the begin and the end of the attempt. So it counts from its
begin until the time of the window has passed since its end, and a margin.

A lane has one owner, which counts alone. What others have to know if it dies stands in the store:
before anything begins, a portion is reserved there, and all that is reserved counts as used from
the moment when the lane is taken over (`plan`, `grant`, `load`). Likewise a pause that the next hop
has asked for.
"""

import json
import math
from collections import deque
from dataclasses import dataclass
from operator import add, sub
from typing import Any, NamedTuple

from pillarbox.route import Counted, Window

PORTIONS = 100
"""A portion is this part of a window: so much at most is lost by a crash."""

LEAST_PORTION = 5
"""A small window is reserved in steps of so many, lest each message wait for the store."""

_STEPS = 256
"""What ends within this part of a window is remembered as one: memory is bounded."""

_MARGIN_SECONDS = 1.0
"""A next hop may count by whole seconds of its clock, ..."""

_MARGIN_RATE = 1e-4
"""... and its clock may run so much slower than ours; crystals are ten times better."""

_UNTIL_ONE_ENDS = float("inf")


_POSITIONS = {
    Counted.MESSAGES: 0,
    Counted.RECIPIENTS: 1,
    Counted.OCTETS: 2,
    Counted.REQUESTS: 3,
}
"""Where in a cost the amounts stand."""


@dataclass(slots=True)
class _Step:
    """So much ended between two moments."""

    first: float
    last: float
    amount: int


class Cost(NamedTuple):
    """What an attempt counts."""

    messages: int
    recipients: int
    octets: int
    requests: int = 1

    def of(self, counted: Counted) -> int:
        """What it counts in a window of this kind."""
        return self[_POSITIONS[counted]]

    def seen_in(self, transactions: int, requests: int) -> "Cost":
        """What the next hop has counted, after so many transactions, and requests for all of
        them."""
        messages, octets = self.messages + transactions - 1, transactions * self.octets
        return Cost(messages, self.recipients, octets, max(requests, transactions))


LEAST_COST = Cost(1, 1, 1)
_NO_COST = Cost(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Fill:
    """How full a window is. `next_seconds`: so long until more may begin, 0 is at once."""

    window: Window
    used: int
    next_seconds: float


class SlidingWindow:
    """What one window has seen. `running` is told by the caller: what has begun and not ended."""

    def __init__(self, window: Window) -> None:
        self.window = window
        self.reserved = 0
        """So much may still begin before more has to be reserved in the store."""
        self._steps: deque[_Step] = deque()
        self._ended = 0

    @property
    def held_seconds(self) -> float:
        """How long something counts after its end."""
        seconds = self.window.seconds
        return seconds + _MARGIN_SECONDS + seconds * _MARGIN_RATE

    def add(self, now: float, amount: int) -> None:
        """So much has ended."""
        if not amount:
            return
        self._ended += amount
        last = self._steps[-1] if self._steps else None
        if last is not None and now - last.first <= self.window.seconds / _STEPS:
            last.last = now
            last.amount += amount
        else:
            self._steps.append(_Step(now, now, amount))

    def used(self, now: float) -> int:
        """How much has ended and still counts."""
        steps, held = self._steps, self.held_seconds
        while steps and steps[0].last + held <= now:
            self._ended -= steps.popleft().amount
        return self._ended

    def room(self, now: float, running: int) -> int:
        """How much may begin."""
        return max(self.window.amount - self.used(now) - running, 0)

    def room_at(self, now: float, running: int, wanted: int) -> float:
        """From when on so much may begin: `now` or later, infinity until a running one ends."""
        missing = wanted - (self.window.amount - self.used(now) - running)
        if missing <= 0:
            return now
        for step in self._steps:
            missing -= step.amount
            if missing <= 0:
                return step.last + self.held_seconds
        return _UNTIL_ONE_ENDS

    def fill(self, now: float) -> Fill:
        """How full it is."""
        used = min(self.used(now), self.window.amount)
        return Fill(self.window, used, self.room_at(now, 0, 1) - now)

    def within(self, amount: int) -> int:
        """What an attempt counts here. One that alone is more than is ever allowed takes all: the
        next hop may say no, but it does not stop the mail behind it for ever."""
        return min(amount, self.window.amount)

    def portion(self, wanted: int) -> int:
        """How much more to reserve, if so much is to begin."""
        amount = self.window.amount
        usual = max(amount // PORTIONS, min(amount, LEAST_PORTION))
        return max(usual, wanted - self.reserved)

    @property
    def is_low(self) -> bool:
        """Whether it is time to reserve more."""
        return 2 * self.reserved < self.portion(0)

    def dump(self, now: float, reserved: int, *, is_limit: bool) -> dict[str, Any]:
        """For the store: `reserved` is all that may have begun or still begin."""
        self.used(now)
        return {
            "counted": self.window.counted.value,
            "amount": self.window.amount if is_limit else 0,
            "seconds": self.window.seconds,
            "reserved": reserved,
            # Rounded down: it counts longer rather than shorter.
            "ended": [[int((now - step.last) * 1000), step.amount] for step in self._steps],
        }

    @classmethod
    def load(cls, saved: dict[str, Any], now: float, elapsed_seconds: float) -> "SlidingWindow":
        """From the store, so long after it was dumped. What was reserved counts from now on."""
        found = cls(Window(Counted(saved["counted"]), saved["amount"], saved["seconds"]))
        for age_ms, amount in saved["ended"]:
            found.add(now - elapsed_seconds - age_ms / 1000, amount)
        found.add(now, saved["reserved"])
        return found


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written to the store, and what may begin once it is there."""

    text: str
    portions: tuple[tuple[SlidingWindow, int], ...]


class Usage:
    """All windows of a lane."""

    def __init__(self) -> None:
        self.is_changed = False
        """Whether the store knows less than could be said."""
        self.paused_until = 0.0
        """The next hop has said itself that it wants nothing before."""
        self.has_windows = False
        """Whether the next hop allows only so much in a time."""
        self._known: dict[tuple[Counted, int], SlidingWindow] = {}
        self._windows: list[SlidingWindow] = []
        self._running: tuple[int, ...] = _NO_COST
        self._wanted = _NO_COST

    def set_windows(self, windows: tuple[Window, ...]) -> None:
        """These hold from now on; what was counted before still counts."""
        self._windows = []
        for window in windows:
            found = self._known.setdefault((window.counted, window.seconds), SlidingWindow(window))
            found.window = window
            self._windows.append(found)
        self.has_windows = bool(windows)

    def pause(self, until: float) -> None:
        """The next hop has said when it takes more."""
        if until > self.paused_until:
            self.paused_until = until
            self.is_changed = True

    def most_recipients(self, now: float, most: int) -> int:
        """How many recipients an attempt may have now; 0: ask `begin_at`."""
        for each in self._windows:
            counted = each.window.counted
            room = each.room(now, self._running[_POSITIONS[counted]])
            if counted is Counted.RECIPIENTS:
                most = min(most, room)
            elif not room:
                return 0
        return most

    def begin_at(self, now: float, cost: Cost) -> float:
        """From when on an attempt may begin, as the windows say."""
        return max(
            (
                each.room_at(now, self._running[at], each.within(cost[at]))
                for each in self._windows
                for at in [_POSITIONS[each.window.counted]]
            ),
            default=now,
        )

    def is_reserved(self, cost: Cost) -> bool:
        """Whether the store knows that so much may begin; if not, a plan will ask for it."""
        if all(cost.of(each.window.counted) <= each.reserved for each in self._windows):
            return True
        self._wanted = cost
        return False

    @property
    def is_low(self) -> bool:
        """Whether it is time to reserve more: little is left, or less than somebody waits for."""
        if not self.has_windows:
            return False
        return self._wanted is not _NO_COST or any(each.is_low for each in self._windows)

    def begin(self, cost: Cost) -> None:
        """An attempt begins."""
        self._running = tuple(map(add, self._running, cost))
        if not self.has_windows:
            return
        for each in self._windows:
            each.reserved -= cost.of(each.window.counted)
        self.is_changed = True

    def end(
        self, now: float, cost: Cost, *, counts: bool, transactions: int = 1, requests: int = 1
    ) -> None:
        """It is over; it `counts` if the next hop may have seen it, in so many transactions and
        requests: how many there would be was not known for sure at its begin."""
        self._running = tuple(map(sub, self._running, cost))
        if not self.has_windows:
            return
        counted = cost.seen_in(transactions, requests)
        for each in self._windows:
            kind = each.window.counted
            seen = counted.of(kind) if counts else 0
            each.add(now, seen)
            each.reserved = max(each.reserved + cost.of(kind) - seen, 0)
        self.is_changed = True

    # What the store is told, and what it tells.

    def plan(self, now: float, *, ahead: bool) -> Plan:
        """What to write now; `ahead`: with another portion of each window that is low."""
        wanted, self._wanted = self._wanted, _NO_COST
        portions = []
        dumps = []
        for key, each in list(self._known.items()):
            is_limit = each in self._windows
            if not is_limit and not each.used(now):
                del self._known[key]
                continue
            counted = each.window.counted
            reserved = 0
            if is_limit:
                needed = wanted.of(counted)
                more = ahead and (each.is_low or needed > each.reserved)
                portion = each.portion(needed) if more else 0
                portions.append((each, portion))
                reserved = self._running[_POSITIONS[counted]] + each.reserved + portion
            dumps.append(each.dump(now, reserved, is_limit=is_limit))
        self.is_changed = False
        said: dict[str, Any] = {"windows": dumps}
        if self.paused_until > now:
            said["paused_ms"] = math.ceil((self.paused_until - now) * 1000)
        return Plan(json.dumps(said, separators=(",", ":")), tuple(portions))

    @staticmethod
    def grant(plan: Plan) -> None:
        """The plan is durable."""
        for each, portion in plan.portions:
            each.reserved += portion

    def last_plan(self, now: float) -> Plan:
        """What to write at the end: nothing more begins here."""
        for each in self._known.values():
            each.reserved = 0
        return self.plan(now, ahead=False)

    def fill(self, now: float) -> list[Fill]:
        """How full the windows are, by what has ended."""
        return [each.fill(now) for each in self._windows]

    @property
    def is_known(self) -> bool:
        """Whether there is something that the store should know."""
        return bool(self._known) or self.paused_until > 0

    def load(self, text: str, now: float, elapsed_seconds: float) -> None:
        """Go on with what another owner, or we, had written so long ago."""
        limits = tuple(each.window for each in self._windows)
        loaded = [SlidingWindow.load(saved, now, elapsed_seconds) for saved in _windows_of(text)]
        self._known = {(each.window.counted, each.window.seconds): each for each in loaded}
        self.set_windows(limits)
        paused = _saved(text).get("paused_ms", 0) / 1000 - elapsed_seconds
        self.paused_until = now + paused if paused > 0 else 0.0
        # What was reserved has a time now, from which it counts.
        self.is_changed = bool(loaded)


def _saved(text: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text) if text else {"windows": []}
    return found


def _windows_of(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = _saved(text)["windows"]
    return found


def fills(text: str, elapsed_seconds: float) -> list[Fill]:
    """What was written so long ago, for people: without what is reserved, as nobody knows whether
    that was used."""
    saved = [{**each, "reserved": 0} for each in _windows_of(text) if each["amount"]]
    return [SlidingWindow.load(each, 0.0, elapsed_seconds).fill(0.0) for each in saved]
