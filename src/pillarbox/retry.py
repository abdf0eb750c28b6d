"""When to try a recipient again, when to say that it is late, and when to give up. Pure.

RFC 5321 section 4.5.4.1: "the sender MUST delay retrying a particular destination after one
attempt has failed", and retries go on until the message is delivered or the sender gives up.
"""

from dataclasses import dataclass

from pillarbox.mail.envelope import Timestamp

_JITTER = 0.15
"""Each delay is up to this share shorter or longer, so that what failed together does not come
back together."""

_LONGEST_DOUBLING = 40
"""More doublings than this are beyond every limit; it keeps the numbers small."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long a tenant's mail is tried. `delay_notice_seconds` None: no notice of a delay."""

    first_seconds: int = 60
    longest_seconds: int = 14_400
    give_up_seconds: int = 172_800
    delay_notice_seconds: int | None = 14_400


def backoff_seconds(failures: int, *, first: float, longest: float, rand: float) -> float:
    """The pause after so many failures in a row (1 or more): `first` doubled for each further
    one, at most `longest`, with jitter by `rand` (0 to 1)."""
    doubled: float = first * 2.0 ** min(max(failures - 1, 0), _LONGEST_DOUBLING)
    return min(doubled, longest) * (1 - _JITTER + 2 * _JITTER * rand)


def give_up_at(policy: RetryPolicy, received_at: Timestamp) -> Timestamp:
    """The moment from which a recipient that is still deferred counts as expired."""
    return received_at + policy.give_up_seconds * 1000


def delay_notice_at(policy: RetryPolicy, received_at: Timestamp) -> Timestamp | None:
    """The moment from which the sender is told of a delay; None where the tenant wants none."""
    if policy.delay_notice_seconds is None:
        return None
    return received_at + policy.delay_notice_seconds * 1000


def next_attempt(
    policy: RetryPolicy, *, now: Timestamp, received_at: Timestamp, attempts: int, rand: float
) -> Timestamp | None:
    """When to try again after `attempts` tries, the last of them now; None: give up.

    The answer is after `now` and never after `give_up_at`: the last try falls on that moment,
    so that a next hop that comes back late in the span is not missed. `rand` is 0 to 1.
    """
    deadline = give_up_at(policy, received_at)
    if now >= deadline:
        return None
    first = max(policy.first_seconds, 1)
    longest = max(policy.longest_seconds, first)
    delay = int(1000 * backoff_seconds(attempts, first=first, longest=longest, rand=rand))
    at = now + delay
    # A try shortly before the last one would only be a second one for the same moment.
    return deadline if deadline - at < delay // 2 else at
