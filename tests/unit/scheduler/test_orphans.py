"""scheduler.orphans: which lanes without an owner a worker takes, and when."""

from collections.abc import Callable

import pytest
from tests.support.storing import Queue, now_ms, open_database

from pillarbox.route import LanePlan
from pillarbox.scheduler.orphans import ORPHAN_SECONDS, Orphans
from pillarbox.store.lanes import Lanes

HOP = "mx:far.example"


@pytest.fixture
def queue(sqlite_url: str) -> Queue:
    """With mail in the lanes of three workers, none of which has an owner."""
    return Queue(open_database(sqlite_url))


def _orphans(queue: Queue, plan: LanePlan, clock: Callable[[], float]) -> Orphans:
    return Orphans(Lanes(queue.database), plan, monotonic=clock, wall=lambda: now_ms() + 1)


async def test_lanes_of_other_workers_are_left_to_them_for_one_look(queue: Queue) -> None:
    """One that nobody has taken by then has lost its worker; a number beyond all workers, too."""
    now = 0.0
    for number in range(3):
        await queue.put(lanes=(queue.spool.lane(HOP, number),))
    orphans = _orphans(queue, LanePlan(worker=0, workers=2), lambda: now)

    first = await orphans.look()
    too_soon = await orphans.look()
    now = ORPHAN_SECONDS
    second = await orphans.look()

    assert first is not None
    assert second is not None
    assert sorted(record.number for record in first) == [0, 2]
    assert too_soon is None
    assert sorted(record.number for record in second) == [0, 1, 2]
    await queue.database.close()


async def test_a_single_worker_takes_all_at_once(queue: Queue) -> None:
    """Nobody else would."""
    for number in range(2):
        await queue.put(lanes=(queue.spool.lane(HOP, number),))

    found = await _orphans(queue, LanePlan(), lambda: 0.0).look()

    assert found is not None
    assert len(found) == 2
    await queue.database.close()
