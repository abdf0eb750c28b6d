"""When the store can not record, or a lane is lost: nothing is delivered twice."""

import asyncio

from tests.support.queueing import HOP, LANE, make_message
from tests.support.simulation import FarSide, SimulatedStore, wall
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.errors import SpoolTrouble
from pillarbox.mail.envelope import RecipientState
from pillarbox.route import hop_key
from pillarbox.scheduler.leases import LEASE_SECONDS
from pillarbox.scheduler.recorder import UNSETTLED, UNSETTLED_WHEN_FULL

CONNECTIONS = 10


def test_nothing_is_delivered_while_the_database_is_away(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Running attempts end, and their results wait; when the store is back, all goes on, once."""

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(300):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(1)
            store.trouble = SpoolTrouble.AWAY
            before = len(far.deliveries)
            await asyncio.sleep(300)
            assert len(far.deliveries) <= before + CONNECTIONS
            store.heal()
            await asyncio.sleep(60)
        assert len(far.deliveries) == 300
        assert set(far.delivered().values()) == {1}
        assert store.states() == {RecipientState.DELIVERED: 300}

    simulate(run())


def test_results_on_their_way_are_bounded(
    far: FarSide, store: SimulatedStore, start_worker: StartWorker
) -> None:
    """A store that takes minutes for a commit makes delivery wait, not memory grow."""
    store.commit_seconds = 3
    far.latency_seconds = 0.001

    async def run() -> None:
        async with start_worker(ready_messages=5000) as scheduler:
            for _ in range(3000):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(10)
            store.commit_seconds = 100
            await asyncio.sleep(50)
            settled = store.states()[RecipientState.DELIVERED]
            assert len(far.deliveries) - settled <= UNSETTLED + CONNECTIONS
            store.commit_seconds = 0.01
            await asyncio.sleep(300)
        assert len(far.deliveries) == 3000
        assert set(far.delivered().values()) == {1}

    simulate(run())


def test_full_disk_lets_a_few_through_at_a_time(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Results still fit into the reserve; if they do not, little is under way."""

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(300):
                scheduler.offer(store.keep(make_message()))
            store.trouble = SpoolTrouble.FULL
            await asyncio.sleep(60)
            assert len(far.deliveries) <= UNSETTLED_WHEN_FULL + CONNECTIONS
            store.heal()
            await asyncio.sleep(60)
        assert len(far.deliveries) == 300
        assert set(far.delivered().values()) == {1}

    simulate(run())


def test_nothing_begins_when_the_lease_may_have_ended(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Leases that can not be renewed run out here before another worker can have them."""
    far.latency_seconds = 1

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(2000):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(1)
            store.keeps_leases = False
            since = asyncio.get_running_loop().time()
            await asyncio.sleep(60)
            last = max(at for at, _ in far.attempts)
            assert last < since + LEASE_SECONDS
            store.keeps_leases = True
            await asyncio.sleep(400)
        assert len(far.deliveries) == 2000
        assert set(far.delivered().values()) == {1}

    simulate(run())


def test_lost_lane_is_left_to_its_new_owner(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """What was under way at that moment may arrive twice, nothing else."""
    far.latency_seconds = 1

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(200):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(3)
            store.owners[LANE] = "thief", 10_000.0
            await asyncio.sleep(10)
            count = len(far.deliveries)
            await asyncio.sleep(60)
            assert len(far.deliveries) == count < 200
            del store.owners[LANE]
            await asyncio.sleep(120)
        delivered = far.delivered()
        assert len(delivered) == 200
        # Those that ended between the loss and its discovery were not recorded.
        assert sum(delivered.values()) - 200 == len(store.refused)

    simulate(run())


def test_a_result_that_does_not_count_stops_the_lane(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Whose lane it is shows there first: nobody goes on with it until the lease is renewed."""

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(500):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(1)
            store.owners[LANE] = "thief", 10_000.0
            await asyncio.sleep(10)
            assert 0 < len(store.refused) <= 2 * CONNECTIONS
            del store.owners[LANE]
            await asyncio.sleep(60)
        assert len(far.delivered()) == 500
        assert max(far.delivered().values()) == 2

    simulate(run())


def test_content_that_can_not_be_read_is_put_off(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Content that is gone does not stop the lane."""

    async def run() -> None:
        broken = make_message(received_at=wall())
        store.lane(hop_key(HOP))
        store.keep(broken)
        store.unreadable = {broken.queue_id}
        for _ in range(10):
            store.keep(make_message(received_at=wall()))
        async with start_worker():
            await asyncio.sleep(20)
        assert len(far.deliveries) == 10
        assert store.stored[broken.queue_id][0].state is RecipientState.DEFERRED

    simulate(run())
