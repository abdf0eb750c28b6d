"""Sliding windows: what any sequence of arrivals, restarts and crashes makes of them."""

import heapq
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pillarbox.delivery.permits import Permits, Wait
from pillarbox.delivery.usage import LEAST_PORTION, Cost, SlidingWindow, Usage, fills
from pillarbox.route import DAY_SECONDS, Counted, HopCaps, Window

MINUTE = Window(Counted.MESSAGES, 30, 60)
DOZEN = Window(Counted.MESSAGES, 12, 60)
SEVERAL = (
    DOZEN,
    Window(Counted.RECIPIENTS, 40, 600),
    Window(Counted.OCTETS, 3000, 30),
)


@dataclass(frozen=True)
class Arrival:
    """A message comes after a pause; its attempt takes a time. Before it the owner of the lane may
    write what it knows, end in order, die, or die after its reservation was written."""

    pause: float
    duration: float
    recipients: int = 1
    octets: int = 100
    is_seen: bool = True
    before: str = ""


ARRIVALS = st.builds(
    Arrival,
    pause=st.just(0.0) | st.floats(0, 40),
    duration=st.just(0.0) | st.floats(0, 100),
    recipients=st.integers(1, 6),
    octets=st.integers(1, 1000),
    is_seen=st.booleans() | st.just(True),
    before=st.sampled_from(["", "", "", "refresh", "stop", "crash", "die reserving"]),
)


@dataclass
class Span:
    """Somewhere between these moments the next hop counted a message."""

    begin: float
    end: float
    cost: Cost


@dataclass
class World:
    """A lane with one owner after the other. The clock of the store may be set back."""

    windows: tuple[Window, ...]
    now: float = 1000.0
    saved: tuple[str, float] = ("", 0.0)
    back: float = 0.0
    spans: list[Span] = field(default_factory=list)
    running: list[tuple[float, int, Cost, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.take_over()

    def take_over(self) -> None:
        """The next owner goes on with what is in the store."""
        self.permits = Permits(HopCaps(windows=self.windows))
        text, at = self.saved
        self.permits.usage.load(text, self.now, max(self.now - self.back - at, 0.0))

    def write(self, *, ahead: bool, is_granted: bool = True) -> None:
        """The owner writes to the store."""
        plan = self.permits.usage.plan(self.now, ahead=ahead)
        self.saved = plan.text, self.now - self.back
        if is_granted:
            self.permits.usage.grant(plan)

    def pass_to(self, moment: float) -> None:
        """Time passes; attempts end."""
        while self.running and self.running[0][0] <= moment:
            self.now, _, cost, is_seen = heapq.heappop(self.running)
            self.permits.end(self.now, cost, counts=is_seen)
        self.now = moment

    def stop(self) -> None:
        """Attempts end, what is known is written, and the next owner comes."""
        while self.running:
            self.pass_to(self.running[0][0])
        self.saved = self.permits.usage.last_plan(self.now).text, self.now - self.back
        self.take_over()

    def crash(self) -> None:
        """What runs is cut off, and the next owner comes."""
        for _, index, _, is_seen in self.running:
            if is_seen:
                self.spans[index].end = self.now
        self.running.clear()
        self.take_over()

    def try_to_begin(self, cost: Cost) -> Wait | None:
        """As a lane does; None: it has begun."""
        answer = self.permits.ask(self.now)
        if isinstance(answer, Wait):
            return answer
        return self.permits.begin(self.now, cost)

    def deliver(self, message: Arrival) -> None:
        """Begin its attempt as soon as that may be."""
        cost = Cost(1, message.recipients, message.octets)
        while (wait := self.try_to_begin(cost)) is not None:
            if self.permits.usage.is_low:
                self.write(ahead=True)
            if wait.until != float("inf"):
                self.pass_to(wait.until)
            elif not self.permits.usage.is_reserved(cost):
                self.write(ahead=True)
            elif self.running:
                self.pass_to(self.running[0][0])
        self.spans.append(Span(self.now, self.now + message.duration, cost))
        entry = (self.now + message.duration, len(self.spans) - 1, cost, message.is_seen)
        heapq.heappush(self.running, entry)


def most_in(window: Window, spans: list[Span]) -> int:
    """The most that the next hop can have counted in any so many seconds. They hold most when
    they begin at an end: any message that overlaps them may count in them."""
    return max(
        sum(
            each.cost.of(window.counted)
            for each in spans
            if each.begin < one.end + window.seconds and each.end >= one.end
        )
        for one in spans
    )


_NOW = Arrival(0, 0)
_REFRESH = Arrival(0, 0, before="refresh")
_CRASH = Arrival(0, 0, before="crash")


@given(
    st.lists(ARRIVALS, min_size=1, max_size=40),
    st.floats(0, 5000),
    st.sampled_from([SEVERAL, (DOZEN,)]),
)
@example([Arrival(0, 30)] * 7 + [_CRASH] + [_NOW] * 20, 0.0, (DOZEN,))
@example([_NOW] * 6 + [_REFRESH] + [_NOW] * 3 + [_CRASH] + [_NOW] * 8, 0.0, (DOZEN,))
@example([_NOW] * 5 + [Arrival(0, 0, before="die reserving")] * 9, 100.0, SEVERAL)
def test_no_window_is_ever_exceeded(
    arrivals: list[Arrival], back: float, windows: tuple[Window, ...]
) -> None:
    """Wherever between begin and end the next hop counts a message, and whoever owned the lane.

    In the middle the clock of the store is set back.
    """
    world = World(windows)

    for number, message in enumerate(arrivals):
        world.pass_to(world.now + message.pause)
        if number == len(arrivals) // 2:
            world.back = back
        match message.before:
            case "refresh":
                world.write(ahead=False)
            case "stop":
                world.stop()
            case "crash":
                world.crash()
            case "die reserving":
                world.write(ahead=True, is_granted=False)
                world.crash()
        world.deliver(message)

    seen = [each for each, message in zip(world.spans, arrivals, strict=True) if message.is_seen]
    for window in windows:
        assert not seen or most_in(window, seen) <= window.amount


def test_a_burst_goes_at_once_and_the_next_when_the_window_has_passed() -> None:
    """Nothing is spread out; the allowance is not wasted."""
    world = World((MINUTE,))

    for _ in range(60):
        world.deliver(Arrival(0, 0))

    begins = [each.begin - 1000 for each in world.spans]
    assert begins[:30] == [0.0] * 30
    assert begins[30:] == [pytest.approx(61.006)] * 30


def test_what_a_crash_costs_is_one_portion() -> None:
    """Not a day for a window of a day."""
    world = World((Window(Counted.RECIPIENTS, 10_000, DAY_SECONDS),))
    for _ in range(500):
        world.deliver(Arrival(0, 0))

    world.crash()

    assert world.permits.ask(world.now) == 100
    used = world.permits.usage.fill(world.now)[0].used
    assert 500 <= used <= 600


def test_what_was_sent_before_an_orderly_end_is_all_that_counts() -> None:
    """Reservations are given back."""
    world = World((MINUTE,))
    for _ in range(3):
        world.deliver(Arrival(0, 0))

    world.stop()

    assert world.permits.usage.fill(world.now)[0].used == 3


def test_memory_is_bounded() -> None:
    """However much is sent in a day."""
    window = SlidingWindow(Window(Counted.RECIPIENTS, 10**9, DAY_SECONDS))

    for second in range(2 * DAY_SECONDS):
        window.add(float(second), 1)
        if second % 1000 == 0:
            window.used(float(second))

    # A third of a thousandth more than the window, for what ends in one step.
    assert window.used(2.0 * DAY_SECONDS) == pytest.approx(DAY_SECONDS, rel=0.005)
    assert len(str(window.dump(2.0 * DAY_SECONDS, 0, is_limit=True))) < 6000


def test_what_ended_in_one_step_counts_until_its_last() -> None:
    """Remembering less makes it count longer."""
    window = SlidingWindow(Window(Counted.MESSAGES, 4, 2560))

    for second in (0.0, 4.0, 9.0, 11.0):
        window.add(second, 1)

    held = window.held_seconds
    assert window.room_at(11.0, 0, 2) == 9.0 + held
    assert window.used(9.0 + held - 0.01) == 4
    assert window.used(9.0 + held) == 1


def test_a_message_larger_than_the_window_goes_alone() -> None:
    """It does not stop the mail behind it for ever."""
    world = World((Window(Counted.OCTETS, 1000, 60),))

    world.deliver(Arrival(0, 0, octets=500))
    world.deliver(Arrival(0, 0, octets=5000))
    world.deliver(Arrival(0, 0, octets=500))

    begins = [round(each.begin - 1000) for each in world.spans]
    assert begins == [0, 61, 122]


def test_a_changed_limit_keeps_what_was_counted() -> None:
    """Lowered, taken away and set again by an administrator."""
    usage = Usage()
    usage.set_windows((MINUTE,))
    for second in range(10):
        usage.begin(Cost(1, 1, 1))
        usage.end(float(second), Cost(1, 1, 1), counts=True)

    usage.set_windows((Window(Counted.MESSAGES, 10, 60),))
    assert usage.most_recipients(10.0, 100) == 0
    usage.set_windows(())
    assert usage.most_recipients(10.0, 100) == 100
    usage.set_windows((Window(Counted.MESSAGES, 10, 60),))
    assert usage.begin_at(10.0, Cost(1, 1, 1)) == pytest.approx(61.006)


def test_attempts_that_run_when_a_limit_is_set_count() -> None:
    """They are not over yet."""
    usage = Usage()
    for _ in range(3):
        usage.begin(Cost(1, 1, 1))

    usage.set_windows((Window(Counted.MESSAGES, 3, 60),))

    assert usage.begin_at(0.0, Cost(1, 1, 1)) == float("inf")


def test_people_read_how_full_a_window_is() -> None:
    """From what is in the store, some time later."""
    world = World((MINUTE,))
    for _ in range(30):
        world.deliver(Arrival(0, 0))
    world.pass_to(world.now + 1)
    world.write(ahead=False)

    (fill,) = fills(world.saved[0], 20.0)

    assert (fill.window, fill.used) == (MINUTE, 30)
    assert fill.next_seconds == pytest.approx(40.006)
    assert fills(world.saved[0], 70.0)[0].used == 0
    assert fills("", 0.0) == []


def test_small_windows_are_reserved_in_steps() -> None:
    """Not every message waits for the store."""
    world = World((MINUTE,))
    world.write(ahead=True)

    for _ in range(LEAST_PORTION):
        assert world.permits.begin(world.now, Cost(1, 1, 1)) is None
    assert world.permits.begin(world.now, Cost(1, 1, 1)) == Wait(float("inf"))


def test_each_transaction_of_an_attempt_counts() -> None:
    """A next hop that takes fewer recipients at once has seen more messages."""
    usage = Usage()
    usage.set_windows((MINUTE, Window(Counted.RECIPIENTS, 100, 60)))
    usage.grant(usage.plan(0.0, ahead=True))
    cost = Cost(1, 25, 1000)
    usage.begin(cost)

    usage.end(1.0, cost, counts=True, transactions=3)

    assert [fill.used for fill in usage.fill(1.0)] == [3, 25]


def test_requests_count_as_many_as_there_were() -> None:
    """More or fewer than was thought; messages count once."""
    usage = Usage()
    usage.set_windows((Window(Counted.REQUESTS, 100, 60), Window(Counted.MESSAGES, 10, 60)))
    usage.grant(usage.plan(0.0, ahead=True))
    thought = Cost(1, 1, 1, 4)

    for requests in (6, 3):
        usage.begin(thought)
        usage.end(1.0, thought, counts=True, requests=requests)

    assert [fill.used for fill in usage.fill(1.0)] == [9, 2]
    usage.begin(thought)
    assert usage.begin_at(1.0, Cost(1, 1, 1, 87)) == 1.0
    assert usage.begin_at(1.0, Cost(1, 1, 1, 88)) > 60.0
    usage.end(1.0, thought, counts=False)
    assert usage.fill(1.0)[0].used == 9


def test_a_hop_without_windows_has_nothing_to_be_written() -> None:
    """Each lane would be written every five seconds, for nothing; but what runs when a window
    comes counts in it."""
    usage = Usage()
    cost = Cost(1, 1, 1)

    usage.begin(cost)
    usage.begin(cost)
    usage.end(1.0, cost, counts=True)

    assert not usage.is_changed
    usage.set_windows((Window(Counted.MESSAGES, 3, 60),))
    assert usage.begin_at(1.0, Cost(2, 1, 1)) == 1.0
    assert usage.begin_at(1.0, Cost(3, 1, 1)) > 1.0
