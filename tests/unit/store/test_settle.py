"""store.spool: recording what attempts did."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import Connection, func, select
from tests.support.storing import (
    HOP,
    LATER,
    LEASE_MS,
    NO,
    OTHER_HOP,
    OWNER,
    Queue,
    make_message,
    now_ms,
    open_database,
    record,
    settlement,
)

from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.reply import reply
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.store.lanes import Lanes
from pillarbox.store.queue import Selection, bounce, hold
from pillarbox.store.records import OvertakenError
from pillarbox.store.schema import attempt, content, message, recipient
from pillarbox.store.spool import Spool

DELIVERED = RecipientState.DELIVERED
DEFERRED = RecipientState.DEFERRED
FAILED = RecipientState.FAILED


def _count(table: Any) -> Any:
    return lambda connection: connection.scalar(select(func.count()).select_from(table))


def _message(connection: Connection) -> tuple[int, bool, int | None]:
    """Open recipients, whether it is finished, how long the content stays."""
    row = connection.execute(select(message)).one()
    return row.open_recipients, row.finished_at is not None, row.content_until


async def test_delivery_to_the_last_recipient_finishes_the_message(queue: Queue) -> None:
    """The content goes, the trace stays."""
    put = await queue.put()

    assert await queue.spool.settle(settlement(put))

    assert await queue.database.read(_message) == (0, True, None)
    assert await queue.database.read(_count(content)) == 0
    assert await queue.database.read(_count(attempt)) == 1
    assert await queue.due() == []


async def test_content_stays_while_a_recipient_is_open(queue: Queue) -> None:
    """One delivered, one deferred: the message goes on with the other."""
    put = await queue.put("a@far.example", "b@far.example")
    later = now_ms() + 60_000
    records = (
        record(0, DELIVERED),
        record(1, DEFERRED, next_attempt_at=later, answer=LATER),
    )

    assert await queue.spool.settle(settlement(put, *records))

    assert await queue.database.read(_message) == (1, False, None)
    assert await queue.database.read(_count(content)) == 1
    (left,) = await queue.spool.load_due(queue.lane, now=later, limit=5)
    (spooled,) = left.recipients
    assert (spooled.recipient.number, spooled.state, spooled.attempts) == (1, DEFERRED, 1)
    assert spooled.last_reply == LATER
    assert await queue.spool.next_due(queue.lane) == later


async def test_content_that_is_kept_stays_after_the_end(queue: Queue) -> None:
    """A tenant may keep content for some days; captured mail is kept."""
    put = await queue.put("a@far.example", "b@far.example")

    await queue.spool.settle(
        settlement(put, record(0, RecipientState.CAPTURED), keep_content_until=5_000)
    )
    await queue.spool.settle(settlement(put, record(1, DELIVERED)))

    assert await queue.database.read(_message) == (0, True, 5_000)
    assert await queue.database.read(_count(content)) == 1


async def test_content_stays_until_the_last_moment_that_anybody_named(queue: Queue) -> None:
    """Captured mail stays for a week, also where its tenant keeps what was delivered for a day."""
    put = await queue.put("a@far.example", "b@far.example", "c@far.example")
    kept = []

    for number, until in ((0, 5_000), (1, 3_000), (2, 7_000)):
        result = settlement(put, record(number, DELIVERED), keep_content_until=until)
        await queue.spool.settle(result)
        kept.append((await queue.database.read(_message))[2])

    assert kept == [5_000, 5_000, 7_000]


async def test_a_result_counts_once(queue: Queue) -> None:
    """The same settlement again, after a lost answer say, changes nothing."""
    put = await queue.put("a@far.example", "b@far.example")
    result = settlement(put, record(0, DELIVERED))

    first = await queue.spool.settle(result)
    second = await queue.spool.settle(result)

    assert (first, second) == (True, False)
    assert await queue.database.read(_message) == (1, False, None)
    assert await queue.database.read(_count(attempt)) == 1


async def test_many_results_at_once_are_each_recorded(queue: Queue) -> None:
    """Also two for the same message: each row gets its own values, and no result is lost."""
    messages = [
        make_message("a@far.example", "b@far.example", lanes=(queue.lane,)) for _ in range(77)
    ]
    await asyncio.gather(*(queue.spool.put(put) for put in messages))
    results = [
        settlement(put, record(number, DELIVERED, answer=reply(250, "", _answer(put, number))))
        for number in (0, 1)
        for put in messages
    ]

    assert all(await asyncio.gather(*(queue.spool.settle(result) for result in results)))

    def states(connection: Connection) -> list[tuple[int, bool]]:
        rows = connection.execute(select(message)).all()
        return [(row.open_recipients, row.finished_at is None) for row in rows]

    def answers(connection: Connection) -> dict[tuple[int, int], str]:
        rows = connection.execute(select(recipient)).all()
        return {(row.message_id, row.number): row.last_reply for row in rows}

    assert await queue.database.read(states) == [(0, False)] * len(messages)
    assert await queue.database.read(answers) == {
        (one.queue_id, number): f"250 {_answer(one, number)}"
        for one in messages
        for number in (0, 1)
    }
    assert await queue.database.read(_count(attempt)) == len(results)
    assert await queue.database.read(_count(content)) == 0


def _answer(message: SpooledMessage, number: int) -> str:
    """What the next hop says to this recipient of this message."""
    return f"taken as {message.queue_id}-{number}"


async def test_a_deferral_counts_once(queue: Queue) -> None:
    """Its recipient is still open; the number of attempts tells that it was counted."""
    put = await queue.put()
    result = settlement(put, record(0, DEFERRED, next_attempt_at=now_ms(), answer=LATER))

    assert await queue.spool.settle(result)
    assert not await queue.spool.settle(result)

    assert await queue.database.read(_count(attempt)) == 1
    (found,) = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=5)
    assert found.recipients[0].attempts == 1


async def test_a_settlement_without_the_lane_does_not_count(queue: Queue) -> None:
    """Who lost the lane has no say in what becomes of its mail."""
    put = await queue.put()

    assert not await queue.spool.settle(settlement(put, owner="worker-two"))

    assert await queue.database.read(_message) == (1, False, None)
    assert await queue.due() == [put.queue_id]


async def test_a_batch_counts_only_what_is_owned(queue: Queue) -> None:
    """Settlements that come together are judged one by one."""
    ours, foreign = await queue.put(), await queue.put()

    results = await asyncio.gather(
        queue.spool.settle(settlement(ours)),
        queue.spool.settle(settlement(foreign, owner="worker-two")),
    )

    assert tuple(results) == (True, False)
    assert await queue.due() == [foreign.queue_id]


async def test_a_dsn_comes_with_its_settlement(queue: Queue) -> None:
    """The failure and its notification are one transaction, and the lane of the DSN is known."""
    put = await queue.put()
    dsn = make_message("alice@here.example", lanes=(queue.spool.lane(OTHER_HOP),), sender="")

    assert await queue.spool.settle(settlement(put, record(0, FAILED, answer=NO), dsns=(dsn,)))

    assert await queue.due() == []
    assert await queue.due(lane=queue.spool.lane(OTHER_HOP)) == [dsn.queue_id]
    waiting = await Lanes(queue.database).waiting(now=now_ms() + 1)
    assert [found.hop for found in waiting] == [OTHER_HOP]


async def test_a_settlement_that_does_not_count_brings_no_dsn(queue: Queue) -> None:
    """Nobody is told of a failure that did not take place."""
    put = await queue.put()
    await queue.spool.settle(settlement(put))
    dsn = make_message("alice@here.example", lanes=(queue.lane,), sender="")

    assert not await queue.spool.settle(settlement(put, record(0, FAILED), dsns=(dsn,)))

    assert await queue.due() == []


async def test_a_result_overtaken_for_one_recipient_records_nothing(queue: Queue) -> None:
    """Its DSN would name him, too. Who made it is told whom it can still be recorded for."""
    put = await queue.put("a@far.example", "b@far.example", "c@far.example")
    await queue.spool.settle(settlement(put, record(1, DELIVERED)))
    dsn = make_message("alice@here.example", lanes=(queue.spool.lane(OTHER_HOP),), sender="")
    failed = [record(number, FAILED, answer=NO) for number in range(3)]

    with pytest.raises(OvertakenError) as found:
        await queue.spool.settle(settlement(put, *failed, dsns=(dsn,)))

    assert found.value.standing == {0, 2}
    assert await queue.database.read(_message) == (2, False, None)
    assert await queue.database.read(_count(attempt)) == 1
    assert await queue.database.read(_count(message)) == 1
    narrower = settlement(put, failed[0], failed[2], dsns=(dsn,))
    assert await queue.spool.settle(narrower)
    assert await queue.due() == []
    assert await queue.due(lane=queue.spool.lane(OTHER_HOP)) == [dsn.queue_id]


async def test_a_dsn_that_is_refused_takes_the_settlement_with_it(queue: Queue) -> None:
    """All or nothing; the neighbours in the batch are not touched."""
    put, other = await queue.put(), await queue.put()
    twin = make_message("alice@here.example", lanes=(queue.lane,), sender="")
    twin.queue_id = other.queue_id

    results = await asyncio.gather(
        queue.spool.settle(settlement(put, record(0, FAILED), dsns=(twin,))),
        queue.spool.settle(settlement(other)),
        return_exceptions=True,
    )

    assert isinstance(results[0], Exception)
    assert results[1] is True
    assert await queue.due() == [put.queue_id]


async def test_a_notice_without_an_attempt_leaves_no_trace(queue: Queue) -> None:
    """Expiry and delay notices try nothing."""
    put = await queue.put()

    expired = record(0, RecipientState.EXPIRED, attempts=0, answer=LATER)
    assert await queue.spool.settle(settlement(put, expired, attempt=False))

    assert await queue.database.read(_count(attempt)) == 0
    assert await queue.database.read(_message) == (0, True, None)


async def test_mail_held_during_an_attempt_stays_held_if_it_was_deferred(queue: Queue) -> None:
    """What a person decided in the meantime holds; the attempt is in the trace."""
    put = await queue.put()
    await queue.database.write(lambda c: hold(c, Selection()))

    later = record(0, DEFERRED, next_attempt_at=now_ms() + 5, answer=LATER)
    assert await queue.spool.settle(settlement(put, later))

    row = await queue.database.read(lambda c: c.execute(select(recipient)).one())
    assert (row.state, row.next_attempt_at, row.attempts) == ("held", None, 1)
    assert await queue.database.read(_count(attempt)) == 1


async def test_mail_held_during_an_attempt_is_delivered_if_it_was(queue: Queue) -> None:
    """It has left already; to send it again after a release would be wrong."""
    put = await queue.put()
    await queue.database.write(lambda c: hold(c, Selection()))

    assert await queue.spool.settle(settlement(put))

    row = await queue.database.read(lambda c: c.execute(select(recipient)).one())
    assert row.state == "delivered"


async def test_a_wanted_bounce_survives_a_deferral(queue: Queue) -> None:
    """It stays due at once, not after the pause of the deferral."""
    put = await queue.put()
    await queue.database.write(lambda c: bounce(c, Selection(), now=now_ms()))

    later = record(0, DEFERRED, next_attempt_at=now_ms() + 60_000, answer=LATER)
    await queue.spool.settle(settlement(put, later))

    (found,) = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=5)
    assert found.recipients[0].must_bounce
    assert found.recipients[0].attempts == 1


async def test_two_workers_finish_a_message_exactly_once(database_url: str) -> None:
    """Recipients of one message stand in two lanes with two owners, who settle at once."""
    databases = [open_database(database_url) for _ in range(2)]
    spools = [Spool(database) for database in databases]
    hops = (HOP, OTHER_HOP)
    lanes = [spools[0].lane(hop) for hop in hops]
    for database, hop in zip(databases, hops, strict=True):
        assert await Lanes(database).claim(hop, owner=f"owner of {hop}", lease_ms=LEASE_MS)
    messages = [
        make_message(*(f"r{n}@far.example" for n in range(4)), lanes=lanes) for _ in range(60)
    ]
    await asyncio.gather(*(spools[0].put(one) for one in messages))

    def settle(worker: int, message: Any, number: int) -> Any:
        result = settlement(
            message, record(number, DELIVERED), lane=lanes[worker], owner=f"owner of {hops[worker]}"
        )
        return spools[worker].settle(result)

    forwards = [settle(0, one, number) for one in messages for number in (0, 2)]
    backwards = [settle(1, one, number) for one in reversed(messages) for number in (3, 1)]
    results = await asyncio.gather(*forwards, *backwards)

    assert all(results)
    facts = await databases[0].read(
        lambda c: c.execute(
            select(
                message.c.open_recipients, func.count(), func.count(message.c.finished_at)
            ).group_by(message.c.open_recipients)
        ).all()
    )
    assert [tuple(row) for row in facts] == [(0, 60, 60)]
    assert await databases[0].read(_count(content)) == 0
    assert await databases[0].read(_count(attempt)) == 240
    for database in databases:
        await database.close()


async def test_a_lane_that_changes_hands_is_settled_by_its_new_owner(queue: Queue) -> None:
    """A worker that was paused longer than its lease records nothing any more."""
    put = await queue.put()
    lanes = Lanes(queue.database)
    await lanes.release(queue.lane, owner=OWNER)
    assert await lanes.claim(HOP, owner="worker-two", lease_ms=LEASE_MS)

    assert not await queue.spool.settle(settlement(put))
    assert await queue.spool.settle(settlement(put, owner="worker-two"))
