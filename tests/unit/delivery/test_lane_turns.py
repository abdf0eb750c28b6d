"""A lane whose next hop others use, too, in virtual time."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.simulation import FarSide
from tests.support.virtual_time import simulate
from tests.unit.delivery.test_lane import IDLE_SECONDS, Bench, Source

from pillarbox.delivery.courier import AttemptResult, Courier, HopBusy
from pillarbox.route import HopCaps, NextHop


@pytest.fixture
def far() -> FarSide:
    """The next hop; a connection and a message take 50 ms each."""
    return FarSide()


class TakingTurns:
    """Couriers to a hop of which others have all sessions until `free`."""

    def __init__(self, far: FarSide) -> None:
        self.far = far
        self.free = False
        self.asked = 0
        self.called: list[Callable[[], None]] = []

    def courier_for(self, next_hop: NextHop) -> Courier:
        """A courier that asks first."""
        courier = self.far.courier_for(next_hop)
        attempt = courier.attempt

        async def ask(*args: Any) -> AttemptResult:
            self.asked += 1
            if not self.free:
                raise HopBusy(math.inf, self.called.append)
            return await attempt(*args)

        courier.attempt = ask  # type: ignore[assignment,method-assign]
        return courier


def test_a_lane_waits_for_its_turn_without_a_connection(far: FarSide) -> None:
    """It is not asked again each second, holds no slot, and goes on as soon as it is called."""

    async def run() -> None:
        bench = Bench(far)
        hop = TakingTurns(far)
        bench.courier_for = hop.courier_for
        lane = bench.lane()
        bench.put(lane, 3)
        for _ in range(4):
            await asyncio.sleep(1)
            lane.wake_all()
        assert (lane.connections, hop.asked, len(bench.source.ready)) == (0, 1, 3)
        hop.free = True
        hop.called[0]()
        await asyncio.sleep(2)
        assert len(bench.source.finished) == 3

    simulate(run())


def test_a_lane_that_nobody_calls_asks_again(far: FarSide) -> None:
    """After some seconds: a turn can get lost."""

    async def run() -> None:
        bench = Bench(far)
        hop = TakingTurns(far)
        bench.courier_for = hop.courier_for
        bench.put(bench.lane(), 1)
        await asyncio.sleep(1)
        hop.free = True
        await asyncio.sleep(6)
        assert len(bench.source.finished) == 1

    simulate(run())


@pytest.mark.parametrize("connections", [1, 3])
def test_a_session_that_says_good_bye_counts_until_it_is_gone(
    far: FarSide, connections: int
) -> None:
    """The next hop counts it, too: mail that comes meanwhile waits for its end, and goes then."""

    def courier_for(next_hop: NextHop) -> Courier:
        courier = far.courier_for(next_hop)
        end = courier.close

        async def close() -> None:
            await asyncio.sleep(2)
            await end()

        courier.close = close  # type: ignore[method-assign]
        return courier

    async def run() -> None:
        bench = Bench(far)
        bench.courier_for = courier_for
        lane = bench.lane(HopCaps(connections=connections))
        for _ in range(3):
            bench.put(lane, 20)
            # They have rested long enough, and are closing.
            await asyncio.sleep(IDLE_SECONDS + 2.0)
        await asyncio.sleep(30)
        assert len(bench.source.finished) == 60
        assert far.most_open == connections

    simulate(run())


def test_a_slot_that_one_lane_does_not_want_any_more_goes_to_the_next(far: FarSide) -> None:
    """The mail of the first that waited was left to the store meanwhile."""

    async def run() -> None:
        bench = Bench(far, connections=1)
        sources = [Source() for _ in range(3)]
        for source in sources:
            bench.put(bench.lane(source=source), 1, source=source)
        sources[1].ready.clear()
        await asyncio.sleep(60)
        assert [len(source.finished) for source in sources] == [1, 0, 1]

    simulate(run())


def test_a_cap_that_is_lowered_ends_connections_that_rest(far: FarSide) -> None:
    """They are more than there may be now; mail that comes then does not bring them back."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane(HopCaps(connections=5))
        bench.put(lane, 50)
        await asyncio.sleep(2)
        assert far.open == 5
        lane.set_caps(HopCaps(connections=2))
        await asyncio.sleep(0)
        assert far.open == 0
        far.most_open = 0
        bench.put(lane, 50)
        await asyncio.sleep(10)
        assert len(bench.source.finished) == 100
        assert far.most_open == 2

    simulate(run())
