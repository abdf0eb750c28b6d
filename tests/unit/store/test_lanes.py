"""store.lanes: each lane has one owner at a time."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, delete, insert, update
from tests.support.storing import (
    HOP,
    LEASE_MS,
    OTHER_HOP,
    OWNER,
    Queue,
    make_message,
    new_id,
    now_ms,
    open_database,
)

from pillarbox.route import Capture, Route, hop_key, lane_id
from pillarbox.store.database import Database
from pillarbox.store.lanes import (
    LaneRecord,
    Lanes,
    UsageRecord,
    drop_lanes,
    insert_lane,
    list_hops,
)
from pillarbox.store.queue import Selection, hold
from pillarbox.store.returns import TakenReturn, record_return
from pillarbox.store.schema import lane as lanes_table
from pillarbox.store.schema import recipient

DAY = 86_400_000
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


def _age(database: Database, days: int) -> None:
    """All lanes were used so many days ago."""
    at = now_ms() - days * DAY
    database.write_now(lambda c: c.execute(update(lanes_table).values(lease_until=at)))


def _drop(database: Database, *, trace_days: int = 30) -> int:
    now = now_ms()
    limit = now - trace_days * DAY
    return database.write_now(lambda c: drop_lanes(c, now=now, before=limit))


async def test_lanes_that_nobody_used_for_long_go(queue: Queue) -> None:
    """Not before the trace that may name them, and not those that mail waits in or is held in."""
    database = queue.database
    for hop in ("mx:one.example", "mx:two.example"):
        await Lanes(database).claim(hop, owner=OWNER, lease_ms=LEASE_MS)
    await Lanes(database).release_owner(OWNER)
    held = make_message(lanes=[queue.spool.lane("mx:two.example")])
    await queue.spool.put(held)
    database.write_now(lambda c: hold(c, Selection(queue_ids=[held.queue_id])))
    await queue.put()

    assert _drop(database) == 0
    _age(database, 31)
    assert _drop(database, trace_days=60) == 0
    assert _drop(database) == 1

    assert set(database.read_now(list_hops)) == {HOP, "mx:two.example"}


async def test_mail_for_a_lane_that_is_gone_makes_it_again(queue: Queue) -> None:
    """Within the time for which its process relies on the row it is not removed."""
    route = Route(1, "", "", Capture())
    queue.lane = queue.spool.lane_of(route)
    await queue.put()
    queue.database.write_now(lambda c: c.execute(delete(recipient)))
    await Lanes(queue.database).release_owner(OWNER)
    _age(queue.database, 31)
    assert _drop(queue.database) == 2

    queue.spool.forget_lanes()
    queue.lane = queue.spool.lane_of(route)
    await queue.put()

    waiting = await Lanes(queue.database).waiting(now=now_ms())
    assert [found.hop for found in waiting] == [hop_key(route.next_hop)]
    assert _drop(queue.database) == 0


def _put_mail(connection: Connection) -> None:
    insert_lane(connection, lane_id(HOP), HOP)
    message = make_message(lanes=[lane_id(HOP)])
    row = {"message_id": message.queue_id, "number": 0, "lane_id": lane_id(HOP)}
    connection.execute(insert(recipient).values(**_RECIPIENT, **row))


def _put_report(connection: Connection) -> None:
    told = make_message(lanes=[lane_id(HOP)])
    taken = TakenReturn(new_id(), 1, now_ms(), (), told)
    record_return(connection, taken, [(lane_id(HOP), HOP, 0)])


@pytest.mark.parametrize("put", [_put_mail, _put_report])
async def test_who_removes_lanes_waits_for_who_found_one(
    database_url: str, put: Callable[[Connection], None]
) -> None:
    """On PostgreSQL mail may be on its way into a lane whose row was there; it is seen then."""
    one, other = open_database(database_url), open_database(database_url)
    await Lanes(one).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    _age(one, 31)
    found, dropped = threading.Event(), threading.Event()

    def put_slowly(connection: Connection) -> None:
        put(connection)
        found.set()
        while not (dropped.is_set() or _waits(connection)):
            dropped.wait(0.01)

    def drop() -> int:
        count = _drop(other)
        dropped.set()
        return count

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(one.write(put_slowly))
        await asyncio.to_thread(found.wait, 60)
        removing = tasks.create_task(asyncio.to_thread(drop))

    assert removing.result() == 0
    assert one.read_now(list_hops) == [HOP]
    await one.close()
    await other.close()


def _waits(connection: Connection) -> bool:
    """Whether somebody waits for what this transaction has locked. SQLite has one writer: nobody
    can get that far."""
    if connection.dialect.name == "sqlite":
        return True
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return bool(connection.exec_driver_sql(query).scalar())


_RECIPIENT = {
    "address": "bob@far.example",
    "notify": 0,
    "orcpt": "",
    "state": "queued",
    "attempts": 0,
    "next_attempt_at": 1,
    "delay_notified": False,
    "last_reply": "",
}
