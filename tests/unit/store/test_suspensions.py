"""store.suspensions: why a next hop takes nothing, for people to read."""

from dataclasses import replace

from tests.support.storing import HOP, LATER, OTHER_HOP, Queue, now_ms, record, settlement

from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.reply import reply
from pillarbox.route import lane_id
from pillarbox.store.database import Database
from pillarbox.store.suspensions import Suspension, Suspensions, list_suspensions

HOUR = 3_600_000
LANE = lane_id(HOP)
SUSPENSION = Suspension(1000, "535 5.7.139 no", "m365-12", "admin", "It is off.", "Turn it on")


async def test_what_was_written_is_read(database: Database) -> None:
    """And replaced by what is written later."""
    suspensions = Suspensions(database)
    assert await suspensions.load(LANE) is None

    await suspensions.suspend(LANE, HOP, SUSPENSION)
    assert await suspensions.load(LANE) == SUSPENSION
    later = replace(SUSPENSION, reply="550 5.7.30 no", explanation="m365-20")
    await suspensions.suspend(LANE, HOP, later)

    assert await suspensions.load(LANE) == later
    assert await database.read(list_suspensions) == {HOP: later}


async def test_a_hop_with_several_lanes_is_told_once(database: Database) -> None:
    """By the lane that was suspended first."""
    suspensions = Suspensions(database)
    await suspensions.suspend(lane_id(HOP, 1), HOP, SUSPENSION)
    await suspensions.suspend(LANE, HOP, replace(SUSPENSION, since_at=2000))
    await suspensions.suspend(lane_id(OTHER_HOP), OTHER_HOP, SUSPENSION)

    assert await database.read(list_suspensions) == {HOP: SUSPENSION, OTHER_HOP: SUSPENSION}


async def test_what_was_put_off_is_tried_when_the_hop_is_back(queue: Queue) -> None:
    """Else it would wait for hours although it goes again; held mail stays held."""
    database = queue.database
    suspensions = Suspensions(database)
    await suspensions.suspend(LANE, HOP, SUSPENSION)
    message = await queue.put("a@far.example", "b@far.example")
    later = now_ms() + HOUR
    deferred = record(0, RecipientState.DEFERRED, next_attempt_at=later, answer=LATER)
    held = record(1, RecipientState.HELD, next_attempt_at=None, answer=LATER)
    assert await queue.spool.settle(settlement(message, deferred, held))

    await suspensions.resume(LANE, now=now_ms())

    due = await queue.spool.load_due(LANE, now=now_ms(), limit=10)
    assert [each.recipient.number for one in due for each in one.recipients] == [0]
    assert await suspensions.load(LANE) is None


async def test_what_could_not_be_reached_is_found_again(queue: Queue) -> None:
    """By its last attempt alone: neither what a host has said, whatever code it took, nor what
    failed here, nor what is due anyway or waits in another lane."""
    now, later = now_ms(), now_ms() + HOUR
    silence = reply(451, "4.4.1", "The next hop refused the connection")
    deferral = record(0, RecipientState.DEFERRED, next_attempt_at=later, answer=silence)
    unreached = replace(deferral, remote_host="")
    deferrals = [
        unreached,
        replace(unreached, remote_host="mx.far.example"),
        replace(unreached, reply=LATER),
        replace(unreached, next_attempt_at=now),
    ]
    messages = [await queue.put("a@far.example") for _ in deferrals]
    for message, each in zip(messages, deferrals, strict=True):
        assert await queue.spool.settle(settlement(message, each))
    suspensions = Suspensions(queue.database)

    assert await suspensions.unreached(LANE, now=now) == {messages[0].queue_id}
    assert await suspensions.unreached(lane_id(OTHER_HOP), now=now) == frozenset()


async def test_messages_that_were_probes_are_tried_when_the_hop_is_back(queue: Queue) -> None:
    """What else is put off in the lane keeps its schedule, and what is held stays held."""
    later = now_ms() + HOUR
    probe, other = [await queue.put("a@far.example", "b@far.example") for _ in range(2)]
    held = record(1, RecipientState.HELD, next_attempt_at=None, answer=LATER)
    for message in (probe, other):
        deferred = record(0, RecipientState.DEFERRED, next_attempt_at=later, answer=LATER)
        assert await queue.spool.settle(settlement(message, deferred, held))
    suspensions = Suspensions(queue.database)

    await suspensions.wake(lane_id(OTHER_HOP), {probe.queue_id, other.queue_id}, now=now_ms())
    assert await queue.spool.load_due(LANE, now=now_ms(), limit=10) == []
    await suspensions.wake(LANE, {probe.queue_id}, now=now_ms())

    [due] = await queue.spool.load_due(LANE, now=now_ms(), limit=10)
    assert due.queue_id == probe.queue_id
    assert [each.recipient.number for each in due.recipients] == [0]
