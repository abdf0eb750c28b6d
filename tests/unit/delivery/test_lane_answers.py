"""What answers of a next hop mean for its lane, in virtual time."""

import asyncio

import pytest
from tests.support.simulation import FarSide
from tests.support.virtual_time import simulate
from tests.unit.delivery.test_lane import Bench

from pillarbox.route import HopCaps
from pillarbox.store.suspensions import Suspension


@pytest.fixture
def far() -> FarSide:
    """The next hop; a connection and a message take 50 ms each."""
    return FarSide()


def test_a_pause_that_the_hop_asks_for_is_kept_to_the_second(far: FarSide) -> None:
    """Retry-After: nothing before it is over, also not in connections that stand, and then all."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane(HopCaps(connections=4))
        bench.put(lane, 40)
        await asyncio.sleep(1)
        far.retry_after = 7.0
        bench.put(lane, 1)
        await asyncio.sleep(0.2)
        told_at = asyncio.get_running_loop().time() - 0.2
        far.retry_after = 0.0
        begun = len(far.attempts)
        bench.put(lane, 20)
        await asyncio.sleep(60)
        later = [at for at, _ in far.attempts[begun:]]
        assert len(later) == 20
        assert 7.0 <= later[0] - told_at < 7.2

    simulate(run())


def test_probes_of_a_suspended_hop_keep_to_the_pause_that_it_asks_for(far: FarSide) -> None:
    """A probe that came sooner would count against the limit that it is to find at its end."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        far.retry_after = 1800.0
        bench.put(lane, 1)
        lane.inherit(Suspension(0, "429 No", "graph-daily-limit", "wait-until", "cause", "fix"))
        await asyncio.sleep(1)
        far.retry_after = 0.0
        bench.put(lane, 20)
        await asyncio.sleep(1790)
        assert len(far.attempts) == 1
        await asyncio.sleep(60)
        assert len(far.attempts) == 21

    simulate(run())


def test_what_did_not_concern_the_hop_says_nothing_of_it(far: FarSide) -> None:
    """A message that could not go there at all does not end the suspension of the hop."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        lane.inherit(Suspension(0, "550 5.7.30 No", "m365-20", "admin", "cause", "fix"))
        far.is_aside = True
        bench.put(lane, 1)
        await asyncio.sleep(1)
        was, far.is_aside = lane.suspension, False
        bench.put(lane, 1)
        await asyncio.sleep(1)
        assert was is not None
        assert lane.suspension is None
        assert len(bench.source.finished) == 2

    simulate(run())
