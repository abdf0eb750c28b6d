"""When recipients are tried again and given up."""

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.retry import (
    RetryPolicy,
    backoff_seconds,
    delay_notice_at,
    give_up_at,
    next_attempt,
)

RECEIVED = 1_700_000_000_000

policies = st.builds(
    RetryPolicy,
    first_seconds=st.integers(0, 10_000),
    longest_seconds=st.integers(0, 100_000),
    give_up_seconds=st.integers(0, 1_000_000),
)
shares = st.floats(0, 1)


def test_defaults_try_after_a_minute_and_give_up_after_two_days() -> None:
    """The default policy is 1 minute doubling to 4 hours for 2 days, with a notice at 4 hours."""
    policy = RetryPolicy()

    first = next_attempt(policy, now=RECEIVED, received_at=RECEIVED, attempts=1, rand=0.5)
    fourth = next_attempt(policy, now=RECEIVED, received_at=RECEIVED, attempts=4, rand=0.5)
    late = next_attempt(policy, now=RECEIVED, received_at=RECEIVED, attempts=30, rand=0.5)

    assert first == RECEIVED + 60_000
    assert fourth == RECEIVED + 8 * 60_000
    assert late == RECEIVED + 4 * 3_600_000
    assert give_up_at(policy, RECEIVED) == RECEIVED + 2 * 86_400_000
    assert delay_notice_at(policy, RECEIVED) == RECEIVED + 4 * 3_600_000


def test_policy_without_delay_notice_has_no_moment_for_it() -> None:
    """A tenant that wants no delay notices has no moment for one."""
    assert delay_notice_at(RetryPolicy(delay_notice_seconds=None), RECEIVED) is None


def test_jitter_spreads_both_ways() -> None:
    """The same failure is tried again within 15 % before and after the nominal delay."""
    low = backoff_seconds(1, first=100, longest=1000, rand=0.0)
    high = backoff_seconds(1, first=100, longest=1000, rand=1.0)

    assert (round(low), round(high)) == (85, 115)


@given(
    policy=policies,
    elapsed=st.integers(-(10**6), 2 * 10**9),
    attempts=st.integers(0, 10**6),
    rand=shares,
)
def test_next_attempt_is_after_now_and_not_after_giving_up(
    policy: RetryPolicy, elapsed: int, attempts: int, rand: float
) -> None:
    """An answer is always progress and within the span; None comes exactly at the end of it."""
    now = RECEIVED + elapsed
    deadline = give_up_at(policy, RECEIVED)

    at = next_attempt(policy, now=now, received_at=RECEIVED, attempts=attempts, rand=rand)

    if at is None:
        assert now >= deadline
    else:
        assert now < at <= deadline


@given(
    failures=st.integers(1, 200),
    first=st.floats(0.1, 1000),
    longest=st.floats(1000, 10**6),
    rand=shares,
)
def test_backoff_never_shrinks_and_is_bounded(
    failures: int, first: float, longest: float, rand: float
) -> None:
    """With the same jitter a further failure never shortens the pause, which stays bounded."""
    pause = backoff_seconds(failures, first=first, longest=longest, rand=rand)
    further = backoff_seconds(failures + 1, first=first, longest=longest, rand=rand)

    assert first * 0.849 <= pause <= further <= longest * 1.151


@given(policy=policies, rands=st.lists(shares, min_size=1, max_size=5))
def test_a_dead_next_hop_is_given_up_in_time(policy: RetryPolicy, rands: list[float]) -> None:
    """Trying at every answer ends at the give-up moment, with the last try on it."""
    now, attempts, tries = RECEIVED, 0, []
    while True:
        attempts += 1
        at = next_attempt(
            policy,
            now=now,
            received_at=RECEIVED,
            attempts=attempts,
            rand=rands[attempts % len(rands)],
        )
        if at is None:
            break
        tries.append(at)
        now = at
        if attempts > 5000:
            break

    deadline = give_up_at(policy, RECEIVED)
    assert tries == sorted(set(tries))
    assert not tries or tries[-1] <= deadline
    if attempts <= 5000:
        assert not tries or tries[-1] == deadline
