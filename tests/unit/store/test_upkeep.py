"""store.upkeep: what nobody needs any more goes, the rest stays."""

import asyncio
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Table, func, select
from tests.support.storing import (
    LEASE_MS,
    NO,
    Queue,
    make_message,
    new_id,
    now_ms,
    record,
    settlement,
)

from pillarbox.mail.envelope import RecipientState
from pillarbox.store import upkeep
from pillarbox.store.instances import Instances
from pillarbox.store.records import SessionRecord
from pillarbox.store.schema import attempt, content, message, recipient, session, upload
from pillarbox.store.sessions import Sessions

DAY = 86_400_000


def _count(table: Table) -> Callable[[Connection], int | None]:
    return lambda connection: connection.scalar(select(func.count()).select_from(table))


async def test_the_trace_goes_after_its_days(queue: Queue) -> None:
    """With recipients and attempts; younger and unfinished mail stays."""
    now = now_ms()
    old = make_message(lanes=(queue.lane,), received_at=now - 40 * DAY)
    waiting = make_message(lanes=(queue.lane,), received_at=now - 40 * DAY)
    fresh = make_message(lanes=(queue.lane,))
    for one in (old, waiting, fresh):
        await queue.spool.put(one)
    for one in (old, fresh):
        await queue.spool.settle(settlement(one))

    early = await queue.spool.prune(now=now, trace_days=30)
    removed = await queue.spool.prune(now=now + 31 * DAY, trace_days=30)

    assert (early, removed) == (0, 2)
    left = await queue.database.read(lambda c: c.scalars(select(message.c.id)).all())
    assert left == [waiting.queue_id]
    assert await queue.database.read(_count(recipient)) == 1
    assert await queue.database.read(_count(attempt)) == 0
    assert await queue.database.read(_count(content)) == 1


async def test_kept_content_goes_when_its_time_is_over(queue: Queue) -> None:
    """The trace stays; content of unfinished mail stays in any case."""
    now = now_ms()
    kept, half = await queue.put(), await queue.put("a@far.example", "b@far.example")
    captured = record(0, RecipientState.CAPTURED, answer=NO)
    await queue.spool.settle(settlement(kept, captured, keep_content_until=now + DAY))
    await queue.spool.settle(settlement(half, captured, keep_content_until=now + DAY))

    assert await queue.spool.prune(now=now, trace_days=30) == 0
    assert await queue.database.read(_count(content)) == 2
    assert await queue.spool.prune(now=now + DAY, trace_days=30) == 1

    left = await queue.database.read(lambda c: c.scalars(select(content.c.message_id)).all())
    assert left == [half.queue_id]
    assert await queue.database.read(_count(message)) == 2


async def test_content_that_is_kept_long_outlives_the_days_of_the_trace(queue: Queue) -> None:
    """Its message stays with it."""
    now = now_ms()
    kept = await queue.put()
    await queue.spool.settle(settlement(kept, keep_content_until=now + 90 * DAY))

    assert await queue.spool.prune(now=now + 60 * DAY, trace_days=30) == 0
    assert await queue.spool.prune(now=now + 91 * DAY, trace_days=30) == 2
    assert await queue.database.read(_count(message)) == 0


async def test_failed_sessions_go_with_the_trace(queue: Queue) -> None:
    """They hold addresses of people."""
    now = now_ms()
    texts = ("submission", "192.0.2.7", "", "", "", "LOGIN_FAILED", "")
    Sessions(queue.database).record(SessionRecord(new_id(), now, *texts))
    await queue.database.write(lambda _: None)

    assert await queue.spool.prune(now=now + 29 * DAY, trace_days=30) == 0
    assert await queue.spool.prune(now=now + 31 * DAY, trace_days=30) == 1
    assert await queue.database.read(_count(session)) == 0


async def test_much_goes_in_small_steps(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction is long."""
    monkeypatch.setattr(upkeep, "STEP_ROWS", 10)
    now = now_ms()
    put = await asyncio.gather(*(queue.put() for _ in range(35)))
    await asyncio.gather(*(queue.spool.settle(settlement(one)) for one in put))

    assert await queue.spool.prune(now=now + 31 * DAY, trace_days=30) == 35


async def test_content_of_dead_processes_is_collected(queue: Queue) -> None:
    """Nobody will put its message; that of the living is not touched."""
    started = now_ms()
    await queue.spool.store_chunk(new_id(), 0, b"lost")
    await queue.spool.store_chunk(new_id(), 0, b"lost")
    collected = await queue.spool.collect_orphans(instance=1, since=started, now=now_ms())

    assert collected == 2
    assert await queue.database.read(_count(content)) == 0
    assert await queue.database.read(_count(upload)) == 0


async def test_content_that_is_coming_in_is_left_alone(queue: Queue) -> None:
    """Of ours since we have the number, and of others that are alive."""
    started = now_ms()
    instances = Instances(queue.database)
    number = await instances.claim(token="alive", lease_ms=LEASE_MS)
    mine = new_id()
    ours = mine & ~(0x3FF << 12) | number << 12
    await queue.spool.store_chunk(ours, 0, b"coming")

    assert await queue.spool.collect_orphans(instance=1, since=started, now=now_ms()) == 0
    assert await queue.spool.collect_orphans(instance=number, since=started, now=now_ms()) == 0
    later = now_ms() + 1000
    assert await queue.spool.collect_orphans(instance=number, since=later, now=now_ms()) == 1


async def test_content_that_takes_more_than_a_day_is_collected(queue: Queue) -> None:
    """Its session is gone, whatever the process."""
    number = await Instances(queue.database).claim(token="alive", lease_ms=LEASE_MS)
    old = new_id(now_ms() - 2 * DAY) & ~(0x3FF << 12) | number << 12
    await queue.spool.store_chunk(old, 0, b"lost")

    assert await queue.spool.collect_orphans(instance=1, since=0, now=now_ms()) == 1
