"""store.returns: what came back, and all that follows from it, or nothing of it."""

from functools import partial

import pytest
from tests.support.storing import OTHER_HOP, Queue, make_message, new_id, now_ms

from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.return_path import ReturnTag
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.doubt import remove_messages
from pillarbox.store.returns import (
    NOBODY,
    ReturnedMeanwhile,
    ReturnRecord,
    Returns,
    TakenReturn,
)
from pillarbox.store.suppressions import Bounced, Suppressions
from pillarbox.store.trace import trace_message

BOUNCE = ReturnRecord(0, "failed", "550 5.1.1 gone", "mx.far.example")


def _told(queue: Queue) -> SpooledMessage:
    """What the sender gets, in a lane that has no row yet."""
    told = make_message("alice@here.example", lanes=(queue.spool.lane(OTHER_HOP),))
    told.envelope = type(told.envelope)(None)
    return told


async def test_an_address_finds_whom_it_means(queue: Queue) -> None:
    """One recipient, or those of its lane; nothing of messages that are gone or have no sender."""
    returns = Returns(queue.database, queue.spool)
    lanes = queue.lane, queue.spool.lane(OTHER_HOP)
    message = make_message("a@x.test", "b@y.test", "c@x.test", lanes=lanes)
    report = _told(queue)
    for one in (message, report):
        await queue.spool.put(one)

    alone = await returns.find(ReturnTag(message.queue_id, 2, is_shared=False))
    shared = await returns.find(ReturnTag(message.queue_id, 2, is_shared=True))

    assert alone is not None
    assert shared is not None
    assert [one.recipient.number for one in alone.candidates] == [2]
    assert [one.recipient.number for one in shared.candidates] == [0, 2]
    for tag in (
        ReturnTag(message.queue_id, 3, is_shared=False),
        ReturnTag(new_id(), 0, is_shared=False),
        ReturnTag(report.queue_id, 0, is_shared=False),
    ):
        assert await returns.find(tag) is None


async def test_all_of_it_is_written_once(queue: Queue) -> None:
    """The trace, the suppression and the report to the sender; the second time nothing."""
    database = queue.database
    returns = Returns(database, queue.spool)
    tenant_id = database.write_now(lambda c: add_tenant(c, "acme", now=now_ms()))
    message = await queue.put("bob@far.example")
    bounced = (Bounced(tenant_id, "bob@far.example", "550 5.1.1 gone", 30),)
    complained = (Bounced(tenant_id, "eve@far.example", "complaint (abuse)", 30),)
    reports = [_told(queue), _told(queue)]

    def taken(told: SpooledMessage, *records: ReturnRecord) -> TakenReturn:
        return TakenReturn(message.queue_id, 5, now_ms(), records, told, bounced, complained)

    assert await returns.record(taken(reports[0], BOUNCE)) == [*bounced, *complained]
    other = ReturnRecord(NOBODY, "other", "", "")
    with pytest.raises(ReturnedMeanwhile):
        await returns.record(taken(reports[1], other, BOUNCE))

    trace = database.read_now(lambda c: trace_message(c, message.queue_id))
    assert trace is not None
    assert trace.returned == ()
    (one,) = trace.recipients[0].returned
    assert (one.kind, one.reply, one.report_id) == (BOUNCE.kind, BOUNCE.reply, reports[0].queue_id)
    first, second = (
        database.read_now(partial(trace_message, queue_id=one.queue_id)) for one in reports
    )
    assert first is not None
    assert [r.hop for r in first.recipients] == [OTHER_HOP]
    assert second is None
    assert await queue.spool.read_chunk(reports[0].queue_id, 0) == reports[0].content
    known = Suppressions(database)
    await known.refresh(now_ms())
    assert all(
        known.holds(tenant_id, parse_mailbox(f"{name}@far.example"), now_ms())
        for name in ("bob", "eve")
    )


async def test_what_came_back_goes_with_its_message(queue: Queue) -> None:
    """When the trace ends."""
    message = await queue.put("bob@far.example")
    returns = Returns(queue.database, queue.spool)
    await returns.record(TakenReturn(message.queue_id, 5, now_ms(), (BOUNCE,)))

    queue.database.write_now(lambda c: remove_messages(c, [message.queue_id]))
    await queue.spool.put(message)

    trace = queue.database.read_now(lambda c: trace_message(c, message.queue_id))
    assert trace is not None
    assert trace.recipients[0].returned == ()
