"""sources: which address a message takes, and how much a new one sends."""

from collections import Counter
from itertools import pairwise

from pillarbox.route import MxHosts, hop_key
from pillarbox.sources import WARM_UP, Source, SourceFacts, ordered, pool_of, pool_text

DAY = 86_400_000
ONE, TWO, SIX = Source("192.0.2.1", 3), Source("192.0.2.2"), Source("2001:db8::1")


def test_messages_are_spread_by_weight_and_each_keeps_its_address() -> None:
    """The order of the pool does not count; one address more takes only what is its."""
    first = [ordered(number, (ONE, TWO))[0] for number in range(4000)]

    shares = Counter(first)
    assert 2850 < shares[ONE] < 3150
    assert first == [ordered(number, (TWO, ONE))[0] for number in range(4000)]
    more = [ordered(number, (ONE, TWO, SIX))[0] for number in range(4000)]
    assert {new for old, new in zip(first, more, strict=True) if old != new} == {SIX}


def test_an_address_is_warmed_up_by_days_of_utc() -> None:
    """From the day it began, whatever the hour; after the table it sends any number."""
    facts = SourceFacts("", (50, 100), 10 * DAY + 3)

    days = [facts.allowed(10 * DAY), facts.allowed(11 * DAY - 1), facts.allowed(11 * DAY)]

    assert days == [50, 50, 100]
    assert facts.allowed(12 * DAY) is None
    assert facts.allowed(9 * DAY) == 50
    assert SourceFacts().allowed(0) is None


def test_the_ready_schedule_grows_each_day() -> None:
    """To 50,000 within 45 days."""
    assert (WARM_UP[0], WARM_UP[-1], len(WARM_UP)) == (50, 50_000, 45)
    assert all(more > less for less, more in pairwise(WARM_UP))


def test_a_pool_is_part_of_the_name_of_a_next_hop() -> None:
    """What one pool waits for holds up no other; the weights do not count."""
    assert pool_of(pool_text((ONE, SIX))) == (ONE, SIX)
    hop = MxHosts("far.example", sources=(SIX, ONE))
    assert hop_key(hop) == "mx:far.example@192.0.2.1,2001:db8::1"
    assert hop_key(MxHosts("far.example")) == "mx:far.example"
