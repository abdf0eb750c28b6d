"""store.due: which mail is to be tried."""

from dataclasses import replace

from tests.support.storing import OTHER_HOP, Queue, make_message, now_ms, record, settlement

from pillarbox.mail.envelope import RecipientState
from pillarbox.store.lanes import LaneRecord

MINUTE = 60_000


async def test_the_longest_due_comes_first(queue: Queue) -> None:
    """Order is that of the time from which it is due."""
    now = now_ms()
    ids = []
    for ago in (1, 3, 2):
        message = make_message(lanes=(queue.lane,), due_at=now - ago * MINUTE)
        await queue.spool.put(message)
        ids.append(message.queue_id)

    assert await queue.due(now=now) == [ids[1], ids[2], ids[0]]


async def test_what_is_due_later_waits(queue: Queue) -> None:
    """Only its time makes it due."""
    now = now_ms()
    message = make_message(lanes=(queue.lane,), due_at=now + MINUTE)
    await queue.spool.put(message)

    assert await queue.due(now=now) == []
    assert await queue.due(now=now + MINUTE) == [message.queue_id]
    assert await queue.spool.next_due(queue.lane) == now + MINUTE


async def test_an_empty_lane_has_no_next_time(queue: Queue) -> None:
    """None, so the scheduler can sleep."""
    assert await queue.spool.next_due(queue.lane) is None


async def test_only_recipients_of_the_lane_are_loaded(queue: Queue) -> None:
    """Recipients in other lanes belong to other owners."""
    other = queue.spool.lane(OTHER_HOP)
    await queue.put("a@far.example", "b@other.example", "c@far.example", lanes=(queue.lane, other))

    (here,) = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=5)
    (there,) = await queue.spool.load_due(other, now=now_ms() + 1, limit=5)

    assert [spooled.recipient.number for spooled in here.recipients] == [0, 2]
    assert [spooled.recipient.number for spooled in there.recipients] == [1]


async def test_what_is_in_memory_is_passed_over(queue: Queue) -> None:
    """The limit counts messages that are new to the scheduler, also behind large ones."""
    ids = [(await queue.put(*(f"r{n}@far.example" for n in range(30)))).queue_id for _ in range(4)]

    found = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=2, exclude=ids[:2])

    assert [message.queue_id for message in found] == ids[2:]
    assert len(found[0].recipients) == 30


async def test_the_limit_counts_whole_messages(queue: Queue) -> None:
    """All due recipients of a message come together: they are one attempt."""
    ids = [(await queue.put("a@far.example", "b@far.example")).queue_id for _ in range(3)]

    found = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=2)

    assert [(m.queue_id, len(m.recipients)) for m in found] == [(ids[0], 2), (ids[1], 2)]


async def test_old_mail_is_found_whether_due_or_not(queue: Queue) -> None:
    """Mail behind a dead hop expires without another attempt."""
    now = now_ms()
    old = make_message(lanes=(queue.lane,), received_at=now - 60 * MINUTE, due_at=now + MINUTE)
    older = make_message(lanes=(queue.lane,), received_at=now - 90 * MINUTE)
    for message in (old, older, make_message(lanes=(queue.lane,))):
        await queue.spool.put(message)

    found = await queue.spool.older_than(queue.lane, received_before=now - 30 * MINUTE, limit=10)

    assert [message.queue_id for message in found] == [older.queue_id, old.queue_id]


async def test_recipients_that_were_told_of_the_delay_are_left_out(queue: Queue) -> None:
    """One delay notice is enough."""
    now = now_ms()
    put = make_message(
        "a@far.example", "b@far.example", lanes=(queue.lane,), received_at=now - 60 * MINUTE
    )
    await queue.spool.put(put)
    deferred = record(0, RecipientState.DEFERRED, attempts=0, next_attempt_at=now)
    told = replace(deferred, delay_notified=True)
    await queue.spool.settle(settlement(put, told, attempt=False))

    (found,) = await queue.spool.older_than(
        queue.lane, received_before=now, limit=10, unnotified=True
    )

    assert [spooled.recipient.number for spooled in found.recipients] == [1]


async def test_recipients_move_to_another_lane(queue: Queue) -> None:
    """A route that was changed sends waiting mail another way."""
    put = await queue.put("a@far.example", "b@far.example")

    other = queue.spool.lane(OTHER_HOP)
    await queue.spool.move(put.queue_id, [1], LaneRecord(other, OTHER_HOP, 0))

    assert await queue.due() == [put.queue_id]
    (moved,) = await queue.spool.load_due(other, now=now_ms() + 1, limit=5)
    assert [spooled.recipient.number for spooled in moved.recipients] == [1]
