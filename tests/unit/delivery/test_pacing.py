"""Caps, back-off and the number of connections, as data structures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.delivery.attempt import MAX_RECIPIENTS
from pillarbox.delivery.pacing import (
    FIRST_CLOSED_SECONDS,
    LONGEST_CLOSED_SECONDS,
    LONGEST_THROTTLED_SECONDS,
    STRIKES,
    Concurrency,
    DailyBudget,
    Gate,
    GateState,
    MinuteWindow,
)
from pillarbox.delivery.permits import Permits, Wait
from pillarbox.route import HopCaps

NOON = 1_700_049_600_000
DAY_MS = 86_400_000


@given(
    limit=st.integers(1, 6),
    messages=st.lists(st.tuples(st.floats(0, 40), st.floats(0, 30)), max_size=60),
)
def test_no_minute_sees_more_messages_than_the_cap(
    limit: int, messages: list[tuple[float, float]]
) -> None:
    """Wherever between begin and end the hop counts a message: never more in any 60 seconds.

    Messages come with a pause before each and a duration; several run at once.
    """
    window = MinuteWindow(limit)
    now = 0.0
    running: list[float] = []
    spans: list[tuple[float, float]] = []

    for pause, duration in messages:
        now += pause
        while True:
            for end in sorted(end for end in running if end <= now):
                running.remove(end)
                window.end(end, counts=True)
            wait = window.wait_seconds(now)
            if not wait:
                break
            now = min(now + wait, min(running, default=now + wait))
        window.begin()
        running.append(now + duration)
        spans.append((now, now + duration))

    # A minute holds most when it begins at an end: any message that overlaps it may count in it.
    for _, start in spans:
        overlapping = sum(begin < start + 59.999 and end >= start for begin, end in spans)
        assert overlapping <= limit


def test_message_that_the_hop_never_saw_does_not_count() -> None:
    """A failed connection uses up nothing."""
    window = MinuteWindow(1)
    window.begin()

    window.end(10.0, counts=False)

    assert window.wait_seconds(10.0) == 0


def test_full_window_after_a_takeover_opens_after_a_minute() -> None:
    """Nobody knows what the former owner sent."""
    window = MinuteWindow(30)
    window.fill(100.0)

    assert window.wait_seconds(130.0) == pytest.approx(30)
    assert window.wait_seconds(160.0) == 0


def test_window_without_room_waits_for_a_running_message() -> None:
    """As long as all run, only an end helps."""
    window = MinuteWindow(1)
    window.begin()

    assert window.wait_seconds(5.0) == float("inf")


def test_daily_budget_is_renewed_at_midnight_utc() -> None:
    """What was used counts until the day ends."""
    budget = DailyBudget(100)
    budget.load(NOON, 60)
    budget.reserve(30)

    assert budget.room(NOON) == 10
    assert budget.wait_seconds(NOON) == 12 * 3600
    assert budget.room(NOON + 12 * 3_600_000) == 100


def test_daily_budget_takes_back_what_was_not_used() -> None:
    """Only on the day on which it was reserved."""
    budget = DailyBudget(100)
    budget.load(NOON, 0)
    budget.reserve(30)
    budget.give_back(NOON, 30)
    budget.reserve(20)
    budget.room(NOON + DAY_MS)
    budget.give_back(NOON, 20)

    assert budget.room(NOON + DAY_MS) == 100


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
    permits = Permits(HopCaps(messages_per_minute=2, recipients_per_day=5))

    assert permits.ask(0.0, NOON) == 5
    permits.begin(3)
    permits.end(1.0, NOON, 3, counts=True)
    assert permits.ask(1.0, NOON) == 2
    permits.begin(1)
    assert permits.ask(1.0, NOON) == Wait(61.0)
    permits.end(2.0, NOON, 1, counts=True)
    assert permits.ask(62.5, NOON) == 1
    permits.begin(1)
    permits.end(62.5, NOON, 1, counts=True)
    assert permits.ask(130.0, NOON) == Wait(130.0 + 12 * 3600)


def test_permits_without_caps_allow_a_full_transaction() -> None:
    """RFC 5321 4.5.3.1.8: 100 recipients."""
    assert Permits(HopCaps()).ask(0.0, NOON) == MAX_RECIPIENTS


def test_only_one_probe_runs() -> None:
    """While a closed hop is probed the rest waits for it."""
    permits = Permits(HopCaps())
    permits.gate.fail(0.0, 0.5)

    assert permits.ask(1.0, NOON) == Wait(permits.gate.closed_until)
    assert permits.ask(20.0, NOON) == MAX_RECIPIENTS
    permits.begin(1)
    assert permits.ask(20.0, NOON) == Wait(float("inf"))


def test_caps_that_come_later_count_what_was_inherited() -> None:
    """The lane was claimed before its caps were known."""
    permits = Permits(HopCaps())
    permits.inherit(100.0, NOON, 40)

    permits.set_caps(HopCaps(messages_per_minute=10, recipients_per_day=50))

    assert permits.ask(110.0, NOON) == Wait(160.0)
    assert permits.ask(161.0, NOON) == 10
