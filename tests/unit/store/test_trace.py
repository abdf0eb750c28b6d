"""store.trace: what became of messages."""

import pytest
from tests.support.storing import (
    HOP,
    LATER,
    OK,
    Queue,
    make_message,
    new_id,
    now_ms,
    record,
    settlement,
)

from pillarbox.mail.envelope import RecipientState
from pillarbox.store.trace import MessageTrace, Span, trace_address, trace_header_id, trace_message

HOUR = 3_600_000


def _span() -> Span:
    return Span(now_ms() - HOUR, now_ms() + HOUR)


def _ids(found: list[MessageTrace]) -> list[int]:
    return [one.queue_id for one in found]


async def test_a_trace_tells_each_attempt(queue: Queue) -> None:
    """When, how long, what was said, by whom, over which TLS."""
    put = await queue.put("a@far.example", "b@far.example")
    later = record(0, RecipientState.DEFERRED, next_attempt_at=now_ms(), answer=LATER)
    await queue.spool.settle(settlement(put, later))
    await queue.spool.settle(settlement(put, record(0, RecipientState.DELIVERED, attempts=2)))

    found = queue.database.read_now(lambda c: trace_message(c, put.queue_id))

    assert found is not None
    assert (found.reverse_path, found.header_id) == ("alice@here.example", "<1@here.example>")
    assert (found.finished_at, found.session_id) == (None, 4)
    first, second = found.recipients
    assert [one.state for one in first.attempts] == [
        RecipientState.DEFERRED,
        RecipientState.DELIVERED,
    ]
    assert [one.reply for one in first.attempts] == [str(LATER), str(OK)]
    assert (first.attempts[1].number, first.attempts[1].remote_host) == (2, "mx.far.example")
    assert first.finished_at is not None
    assert (second.state, second.attempts, second.hop) == (RecipientState.QUEUED, (), HOP)


async def test_an_unknown_message_has_no_trace(queue: Queue) -> None:
    """It was pruned, or never came."""
    assert queue.database.read_now(lambda c: trace_message(c, new_id())) is None


@pytest.mark.parametrize("text", ["<1@here.example>", "1@here.example"])
async def test_a_message_is_found_by_its_message_id(queue: Queue, text: str) -> None:
    """With angle brackets or without, newest first."""
    first, second = await queue.put(), await queue.put()
    other = make_message(lanes=(queue.lane,))
    other.header_id = "<2@here.example>"
    await queue.spool.put(other)

    found = queue.database.read_now(lambda c: trace_header_id(c, text, span=_span()))

    assert _ids(found) == [second.queue_id, first.queue_id]


@pytest.mark.parametrize(
    "text", ["Bob@FAR.example", "@far.example", "alice@here.example", "@HERE.example"]
)
async def test_messages_are_found_by_an_address_or_a_domain(queue: Queue, text: str) -> None:
    """Sender or recipient, in any case."""
    put = await queue.put()
    other = make_message("x@other.example", lanes=(queue.lane,), sender="y@other.example")
    await queue.spool.put(other)

    found = queue.database.read_now(lambda c: trace_address(c, text, span=_span()))

    assert _ids(found) == [put.queue_id]


@pytest.mark.parametrize("text", ["far.example", "ob@far.example", "%", "@", "_ob@far.example"])
async def test_parts_of_addresses_find_nothing(queue: Queue, text: str) -> None:
    """Nor do the wildcards of SQL."""
    await queue.put()

    assert queue.database.read_now(lambda c: trace_address(c, text, span=_span())) == []


async def test_only_the_span_is_searched(queue: Queue) -> None:
    """Ids are in order of time, so the rest is not read."""
    old = make_message(lanes=(queue.lane,), received_at=now_ms() - 2 * HOUR)
    await queue.spool.put(old)
    new = await queue.put()

    recent = queue.database.read_now(lambda c: trace_address(c, "bob@far.example", span=_span()))
    before = queue.database.read_now(
        lambda c: trace_address(c, "bob@far.example", span=Span(0, now_ms() - HOUR))
    )

    assert _ids(recent) == [new.queue_id]
    assert _ids(before) == [old.queue_id]


async def test_a_look_up_is_bounded(queue: Queue) -> None:
    """The newest are given."""
    ids = [(await queue.put()).queue_id for _ in range(5)]

    found = queue.database.read_now(
        lambda c: trace_address(c, "bob@far.example", span=_span(), limit=2)
    )

    assert _ids(found) == [ids[4], ids[3]]
