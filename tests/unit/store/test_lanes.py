"""store.lanes: each lane has one owner at a time."""

import asyncio

from tests.support.storing import (
    HOP,
    LEASE_MS,
    OTHER_HOP,
    OWNER,
    Queue,
    make_message,
    now_ms,
    open_database,
)

from pillarbox.route import lane_id
from pillarbox.store.database import Database
from pillarbox.store.lanes import LaneRecord, Lanes, UsageRecord

GONE = -1_000
"""A lease that has ended when it begins."""


async def test_a_free_lane_is_claimed(database: Database) -> None:
    """Whoever comes first has it."""
    lanes = Lanes(database)

    assert await lanes.claim(HOP, owner="one", lease_ms=LEASE_MS)
    assert not await lanes.claim(HOP, owner="two", lease_ms=LEASE_MS)
    assert await lanes.claim(HOP, owner="one", lease_ms=LEASE_MS)


async def test_lanes_of_one_hop_have_different_owners(database: Database) -> None:
    """The caps of a hop are divided among its lanes."""
    lanes = Lanes(database)

    assert await lanes.claim(HOP, 0, owner="one", lease_ms=LEASE_MS)
    assert await lanes.claim(HOP, 1, owner="two", lease_ms=LEASE_MS)


async def test_only_one_of_many_gets_a_lane(database_url: str) -> None:
    """Also when all ask in the same moment."""
    databases = [open_database(database_url) for _ in range(4)]

    claims = await asyncio.gather(
        *(
            Lanes(database).claim(HOP, owner=f"worker {number}", lease_ms=LEASE_MS)
            for number, database in enumerate(databases)
        )
    )

    assert sorted(claims) == [False, False, False, True]
    for database in databases:
        await database.close()


async def test_a_lease_that_has_ended_can_be_taken_over(database: Database) -> None:
    """A dead worker's lanes find another one."""
    lanes = Lanes(database)
    await lanes.claim(HOP, owner="one", lease_ms=GONE)

    assert await lanes.claim(HOP, owner="two", lease_ms=LEASE_MS)
    assert await lanes.renew(owner="one", lease_ms=LEASE_MS) == frozenset()


async def test_renewal_tells_what_is_still_ours(database: Database) -> None:
    """A lease that ended unnoticed by others goes on."""
    lanes = Lanes(database)
    await lanes.claim(HOP, owner="one", lease_ms=GONE)
    await lanes.claim(OTHER_HOP, owner="one", lease_ms=LEASE_MS)

    renewed = await lanes.renew(owner="one", lease_ms=LEASE_MS)

    assert renewed == {lane_id(HOP), lane_id(OTHER_HOP)}
    assert not await lanes.claim(HOP, owner="two", lease_ms=LEASE_MS)


async def test_lanes_are_given_back(database: Database) -> None:
    """One by one, or all of an owner."""
    lanes = Lanes(database)
    for hop in (HOP, OTHER_HOP):
        await lanes.claim(hop, owner="one", lease_ms=LEASE_MS)

    await lanes.release(lane_id(HOP), owner="one")
    assert await lanes.claim(HOP, owner="two", lease_ms=LEASE_MS)
    assert not await lanes.claim(OTHER_HOP, owner="two", lease_ms=LEASE_MS)

    await lanes.release_owner("one")
    assert await lanes.claim(OTHER_HOP, owner="two", lease_ms=LEASE_MS)


async def test_nobody_gives_back_what_is_not_his(database: Database) -> None:
    """The token decides."""
    lanes = Lanes(database)
    await lanes.claim(HOP, owner="one", lease_ms=LEASE_MS)

    await lanes.release(lane_id(HOP), owner="two")

    assert not await lanes.claim(HOP, owner="two", lease_ms=LEASE_MS)


async def test_lanes_with_mail_and_without_owner_are_found(queue: Queue) -> None:
    """Mail of a dead worker is not forgotten; owned and empty lanes are nobody's concern."""
    lanes = Lanes(queue.database)
    other = queue.spool.lane(OTHER_HOP)
    await queue.put(lanes=(queue.lane,))
    await queue.put(lanes=(other,))
    await lanes.claim("empty", owner="", lease_ms=GONE)

    found = await lanes.waiting(now=now_ms() + 1)

    assert found == [LaneRecord(other, OTHER_HOP, 0)]
    assert await lanes.waiting(now=now_ms() - 60_000) == []


async def test_what_is_put_off_is_brought_forward(queue: Queue) -> None:
    """By so much, but not before now, and not where another process owns the lane."""
    lanes = Lanes(queue.database)
    now = now_ms()
    other = queue.spool.lane(OTHER_HOP)
    await lanes.claim(OTHER_HOP, owner="two", lease_ms=LEASE_MS)
    for lane in (queue.lane, other):
        for due_at in (now - 5, now + 10, now + 5000):
            await queue.spool.put(make_message(lanes=(lane,), due_at=due_at))

    await lanes.bring_forward(owner=OWNER, now=now, by_ms=4000)

    assert len(await queue.due(now=now)) == 2
    assert len(await queue.due(now=now + 1000)) == 3
    assert len(await queue.due(lane=other, now=now + 1000)) == 2


async def test_only_the_owner_of_a_lane_writes_its_usage(database: Database) -> None:
    """A process that lost it can not overwrite what the next owner counts."""
    lanes = Lanes(database)
    await lanes.claim(HOP, owner="one", lease_ms=LEASE_MS)
    await lanes.claim(OTHER_HOP, owner="two", lease_ms=LEASE_MS)
    ours, others = UsageRecord(lane_id(HOP), "mine", "boot", 5), UsageRecord(lane_id(OTHER_HOP))

    assert await lanes.save_usage([ours, others], owner="one") == {lane_id(HOP)}

    saved = await lanes.usage(lane_id(HOP))
    assert saved.record == ours
    assert 0 <= saved.age_ms < 60_000
    assert (await lanes.usage(lane_id(OTHER_HOP))).record.text == ""
    assert (await lanes.usage(4711)).record == UsageRecord(4711)
