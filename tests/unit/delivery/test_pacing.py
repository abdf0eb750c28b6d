"""Caps, back-off and the number of connections, as data structures."""

from pillarbox.delivery.attempt import MAX_RECIPIENTS
from pillarbox.delivery.pacing import (
    FIRST_CLOSED_SECONDS,
    LONGEST_CLOSED_SECONDS,
    LONGEST_THROTTLED_SECONDS,
    STRIKES,
    Concurrency,
    Gate,
    GateState,
)
from pillarbox.delivery.permits import Permits, Wait
from pillarbox.delivery.usage import Cost, SlidingWindow
from pillarbox.route import DAY_SECONDS, Counted, HopCaps, Window


def test_gate_closes_for_growing_pauses_and_opens_at_once() -> None:
    """15 seconds, doubled to 10 minutes; a success forgets all of it."""
    gate = Gate()
    now = 0.0
    pauses = []
    for _ in range(10):
        pauses.append(gate.fail(now, 0.5))
        assert gate.state(now) is GateState.CLOSED
        now += pauses[-1]
        assert gate.state(now) is GateState.PROBING

    assert pauses[:3] == [FIRST_CLOSED_SECONDS, 2 * FIRST_CLOSED_SECONDS, 4 * FIRST_CLOSED_SECONDS]
    assert pauses[-1] == LONGEST_CLOSED_SECONDS
    assert gate.succeed()
    assert gate.state(now) is GateState.OPEN
    assert not gate.succeed()
    assert gate.fail(now, 0.5) == FIRST_CLOSED_SECONDS


def test_throttled_hop_gets_half_and_grows_by_one() -> None:
    """Halved by what was open; then one more after as many successes as there are."""
    concurrency = Concurrency(10)

    for _ in range(STRIKES):
        concurrency.throttle(0.0, 0.5, connections=8)
    assert concurrency.limit == 4
    assert concurrency.paused_until > 0
    for _ in range(4):
        concurrency.succeed()

    assert concurrency.limit == 5
    for _ in range(1000):
        concurrency.succeed()
    assert concurrency.limit == 10


def test_one_request_for_less_counts_once() -> None:
    """What several connections hear at the same time is one request."""
    concurrency = Concurrency(10)

    for _ in range(STRIKES):
        concurrency.throttle(0.0, 0.5, connections=10)
    concurrency.throttle(0.5, 0.5, connections=10)

    assert concurrency.limit == 5


def test_request_for_less_amid_successes_is_about_one_message() -> None:
    """A sender that the hop puts off does not slow the mail of others."""
    concurrency = Concurrency(10)

    for _ in range(20):
        concurrency.throttle(0.0, 0.5, connections=10)
        concurrency.succeed()

    assert (concurrency.limit, concurrency.paused_until) == (10, 0.0)


def test_pause_of_a_throttled_hop_is_bounded() -> None:
    """It is tried again at latest after about a minute, with one connection."""
    concurrency = Concurrency(10)
    now = 0.0
    for _ in range(20):
        concurrency.throttle(now, 1.0, connections=10)
        pause = concurrency.paused_until - now
        now = concurrency.paused_until

    assert pause <= LONGEST_THROTTLED_SECONDS * 1.16
    assert concurrency.limit == 1


def test_changed_cap_holds_at_once() -> None:
    """Lowered and raised by an administrator."""
    concurrency = Concurrency(10)

    concurrency.set_cap(3)
    assert concurrency.limit == 3
    concurrency.set_cap(20)
    assert concurrency.limit == 20


def test_permits_name_the_narrowest_limit() -> None:
    """How many recipients may go, or when to ask again."""
    minute, day = Window(Counted.MESSAGES, 2, 60), Window(Counted.RECIPIENTS, 5, DAY_SECONDS)
    permits = Permits(HopCaps(windows=(minute, day)))
    permits.usage.grant(permits.usage.plan(0.0, ahead=True))

    assert permits.ask(0.0) == 5
    permits.begin(0.0, Cost(1, 3, 1))
    permits.end(1.0, Cost(1, 3, 1), counts=True)
    assert permits.ask(1.0) == 2
    permits.begin(1.0, Cost(1, 1, 1))
    assert permits.ask(1.0) == Wait(1.0 + SlidingWindow(minute).held_seconds)
    permits.end(2.0, Cost(1, 1, 1), counts=True)
    permits.usage.grant(permits.usage.plan(62.5, ahead=True))
    assert permits.ask(62.5) == 1
    permits.begin(62.5, Cost(1, 1, 1))
    permits.end(62.5, Cost(1, 1, 1), counts=True)
    assert permits.ask(130.0) == Wait(62.5 + SlidingWindow(day).held_seconds)


def test_permits_without_caps_allow_a_full_transaction() -> None:
    """RFC 5321 4.5.3.1.8: 100 recipients."""
    assert Permits(HopCaps()).ask(0.0) == MAX_RECIPIENTS


def test_only_one_probe_runs() -> None:
    """While a closed hop is probed the rest waits for it."""
    permits = Permits(HopCaps())
    permits.gate.fail(0.0, 0.5)

    assert permits.ask(1.0) == Wait(permits.gate.closed_until)
    assert permits.ask(20.0) == MAX_RECIPIENTS
    permits.begin(20.0, Cost(1, 1, 1))
    assert permits.ask(20.0) == Wait(float("inf"))


def test_caps_that_come_later_count_what_was_counted_before() -> None:
    """The lane was claimed before its caps were known."""
    window = Window(Counted.MESSAGES, 10, 60)
    before = Permits(HopCaps(windows=(window,)))
    for _ in range(10):
        before.usage.begin(Cost(1, 1, 1))
        before.usage.end(100.0, Cost(1, 1, 1), counts=True)
    permits = Permits(HopCaps())
    permits.usage.load(before.usage.last_plan(100.0).text, 5.0, 10.0)

    permits.set_caps(HopCaps(windows=(window,)))

    assert permits.ask(5.0) == Wait(5.0 - 10.0 + SlidingWindow(window).held_seconds)
