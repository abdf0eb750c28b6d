"""store.queue: what people see of the queue and do to it."""

from functools import partial

import pytest
from sqlalchemy import Connection
from tests.support.storing import (
    HOP,
    LATER,
    OTHER_HOP,
    Queue,
    make_message,
    now_ms,
    record,
    settlement,
)

from pillarbox.mail.envelope import RecipientState
from pillarbox.store.database import Database
from pillarbox.store.generation import Part, generation
from pillarbox.store.queue import (
    QueueCount,
    QueueEntry,
    Selection,
    bounce,
    count_queue,
    hold,
    list_queue,
    release,
    retry,
)

ALL = Selection()
HOUR = 3_600_000


def _listed(database: Database, selection: Selection = ALL) -> list[tuple[int, int]]:
    entries = database.read_now(lambda c: list_queue(c, selection, limit=100))
    return [(entry.queue_id, entry.number) for entry in entries]


def _page(connection: Connection, *, after: tuple[int, int] | None) -> list[QueueEntry]:
    return list_queue(connection, ALL, limit=2, after=after)


async def test_what_waits_is_listed_with_all_that_is_known(queue: Queue) -> None:
    """Oldest first; what is final is not in the queue."""
    put = await queue.put("a@far.example", "b@far.example", "c@far.example")
    later = now_ms() + HOUR
    records = (
        record(0, RecipientState.DELIVERED),
        record(1, RecipientState.DEFERRED, next_attempt_at=later, answer=LATER),
    )
    await queue.spool.settle(settlement(put, *records))

    first, second = queue.database.read_now(lambda c: list_queue(c, ALL, limit=10))

    assert (first.number, first.address, first.hop) == (1, "b@far.example", HOP)
    assert (first.state, first.attempts) == (RecipientState.DEFERRED, 1)
    assert (first.next_attempt_at, first.last_reply) == (later, str(LATER))
    assert (second.number, second.state) == (2, RecipientState.QUEUED)
    assert (second.reverse_path, second.received_at) == ("alice@here.example", put.received_at)
    assert (second.tenant, second.must_bounce) == ("", False)


async def test_a_long_list_goes_on_where_it_ended(queue: Queue) -> None:
    """Page by page, also inside a message."""
    for _ in range(3):
        await queue.put("a@far.example", "b@far.example", "c@far.example")
    everything = _listed(queue.database)

    pages = []
    after = None
    while page := queue.database.read_now(partial(_page, after=after)):
        pages += [(entry.queue_id, entry.number) for entry in page]
        after = pages[-1]

    assert len(everything) == 9
    assert pages == everything


@pytest.mark.parametrize(
    ("selection", "numbers"),
    [
        (Selection(domain="FAR.example"), [0]),
        (Selection(domain="example"), []),
        (Selection(hop=OTHER_HOP), [1]),
        (Selection(sender="Alice@Here.example"), [0, 1]),
        (Selection(sender="bob@here.example"), []),
        (Selection(states=(RecipientState.QUEUED,)), [0, 1]),
        (Selection(states=(RecipientState.HELD,)), []),
        (Selection(tenant="acme"), []),
        (Selection(queue_ids=(1, 2)), []),
    ],
)
async def test_the_list_can_be_narrowed(
    queue: Queue, selection: Selection, numbers: list[int]
) -> None:
    """By everything that people ask for."""
    other = queue.spool.lane(OTHER_HOP)
    await queue.put("a@far.example", "b@other.example", lanes=(queue.lane, other))

    assert [number for _, number in _listed(queue.database, selection)] == numbers


async def test_the_queue_is_counted_by_hop_and_state(queue: Queue) -> None:
    """How much, how much of it is due, and since when."""
    other = queue.spool.lane(OTHER_HOP)
    now = now_ms()
    old = make_message(lanes=(queue.lane,), received_at=now - HOUR, due_at=now + HOUR)
    await queue.spool.put(old)
    await queue.put("a@far.example", "b@far.example")
    await queue.put(lanes=(other,))
    queue.database.write_now(lambda c: hold(c, Selection(hop=OTHER_HOP)))

    counts = queue.database.read_now(lambda c: count_queue(c, now=now_ms() + 1))

    assert counts[0] == QueueCount(HOP, RecipientState.QUEUED, 3, 2, now - HOUR, counts[0].next_at)
    assert (counts[1].hop, counts[1].state, counts[1].due) == (OTHER_HOP, RecipientState.HELD, 0)


async def test_held_mail_is_not_due_until_it_is_released(queue: Queue) -> None:
    """Then at once, and nothing of its history is lost."""
    tried, fresh = await queue.put(), await queue.put()
    deferred = record(0, RecipientState.DEFERRED, next_attempt_at=now_ms(), answer=LATER)
    await queue.spool.settle(settlement(tried, deferred))

    held = queue.database.write_now(lambda c: hold(c, ALL))
    assert await queue.due(now=now_ms() + HOUR) == []
    released = queue.database.write_now(lambda c: release(c, ALL, now=now_ms()))

    assert (held, released) == (2, 2)
    found = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=5)
    states = {message.queue_id: message.recipients[0].state for message in found}
    assert states == {
        tried.queue_id: RecipientState.DEFERRED,
        fresh.queue_id: RecipientState.QUEUED,
    }


async def test_mail_is_tried_now_instead_of_later(queue: Queue) -> None:
    """Held mail stays held."""
    now = now_ms()
    for _ in range(2):
        await queue.spool.put(make_message(lanes=(queue.lane,), due_at=now + HOUR))
    (first, _), _ = _listed(queue.database)
    queue.database.write_now(lambda c: hold(c, Selection(queue_ids=(first,))))

    assert queue.database.write_now(lambda c: retry(c, ALL, now=now)) == 1
    assert queue.database.write_now(lambda c: retry(c, ALL, now=now)) == 0

    assert len(await queue.due(now=now)) == 1


async def test_mail_that_is_due_already_has_its_closed_hop_probed(queue: Queue) -> None:
    """All that waits behind it may be due: nothing changes of it, but the owners of the lanes are
    told. Of mail that is held, or not meant, they are told nothing."""

    def is_told(selection: Selection) -> bool:
        before = queue.database.read_now(lambda c: generation(c, Part.QUEUE))
        assert queue.database.write_now(lambda c: retry(c, selection, now=now_ms())) == 0
        return queue.database.read_now(lambda c: generation(c, Part.QUEUE)) > before

    put = await queue.put()
    one = Selection(queue_ids=(put.queue_id,))

    assert [is_told(each) for each in (ALL, one, Selection(queue_ids=(1,)))] == [True, True, False]
    queue.database.write_now(lambda c: hold(c, ALL))
    assert not is_told(ALL)


async def test_a_bounce_is_carried_out_by_the_owner_of_the_lane(queue: Queue) -> None:
    """Queued, deferred or held: it becomes due with the wish to fail it."""
    put = await queue.put()
    queue.database.write_now(lambda c: hold(c, ALL))

    assert queue.database.write_now(lambda c: bounce(c, ALL, now=now_ms())) == 1
    assert queue.database.write_now(lambda c: bounce(c, ALL, now=now_ms())) == 0

    (found,) = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=5)
    assert found.recipients[0].must_bounce
    failed = record(0, RecipientState.FAILED, attempts=0)
    assert await queue.spool.settle(settlement(put, failed, attempt=False))


async def test_each_change_moves_the_generation_of_the_queue(queue: Queue) -> None:
    """What a scheduler has in memory is void; a change that changed nothing moves nothing."""
    await queue.put()
    before = await queue.spool.queue_generation()

    queue.database.write_now(lambda c: hold(c, Selection(domain="nowhere.example")))
    assert await queue.spool.queue_generation() == before
    queue.database.write_now(lambda c: hold(c, ALL))
    assert await queue.spool.queue_generation() == before + 1


async def test_what_is_final_can_not_be_changed(queue: Queue) -> None:
    """Nobody calls mail back."""
    put = await queue.put()
    await queue.spool.settle(settlement(put))

    assert queue.database.write_now(lambda c: hold(c, ALL)) == 0
    assert queue.database.write_now(lambda c: bounce(c, ALL, now=now_ms())) == 0
