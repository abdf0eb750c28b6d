"""store.spool: putting messages and reading them back."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import Connection, Table, func, select
from tests.support.storing import HOP, OTHER_HOP, Queue, make_message, new_id, now_ms

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, Ret, TlsWish
from pillarbox.mail.spooled import CHUNK_OCTETS, SpooledRecipient
from pillarbox.store import spool, spool_work
from pillarbox.store.schema import content, lane, message, upload
from pillarbox.store.spool import Spool


def _rows(table: Table) -> Callable[[Connection], int | None]:
    return lambda connection: connection.scalar(select(func.count()).select_from(table))


async def test_a_message_comes_back_as_it_was_put(queue: Queue) -> None:
    """Envelope, recipients, prefix and content survive the store unchanged."""
    envelope = Envelope(
        parse_mailbox("jürgen@exämple.org"),
        Body.EIGHT_BIT,
        smtputf8=True,
        ret=Ret.HEADERS,
        envid="x+2By",
        tls_wish=TlsWish.REQUIRED,
    )
    put = make_message(lanes=(queue.lane,), content=bytes(range(256)))
    put.envelope = envelope
    put.recipients = [
        SpooledRecipient(
            Recipient(
                0, parse_mailbox('"a b"@[192.0.2.1]'), Notify.SUCCESS | Notify.DELAY, "rfc822;a"
            ),
            queue.lane,
            now_ms(),
        )
    ]

    await queue.spool.put(put)
    (found,) = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=10)

    assert found == replace(put, content=None)
    assert await queue.spool.read_chunk(put.queue_id, 0) == bytes(range(256))


async def test_the_null_reverse_path_comes_back_as_none(queue: Queue) -> None:
    """A DSN has no reverse-path (RFC 5321 4.5.5)."""
    await queue.spool.put(make_message(lanes=(queue.lane,), sender=""))

    (found,) = await queue.spool.load_due(queue.lane, now=now_ms() + 1, limit=10)

    assert found.envelope.reverse_path is None


async def test_content_beyond_a_chunk_is_cut(queue: Queue) -> None:
    """Content in memory above one chunk is stored in several."""
    octets = bytes(CHUNK_OCTETS) + b"rest"
    put = make_message(lanes=(queue.lane,), content=octets)

    await queue.spool.put(put)

    assert put.chunks == 2
    assert await queue.spool.read_chunk(put.queue_id, 0) == bytes(CHUNK_OCTETS)
    assert await queue.spool.read_chunk(put.queue_id, 1) == b"rest"


async def test_an_empty_message_has_no_chunk(queue: Queue) -> None:
    """Content of no octets needs no row."""
    put = make_message(lanes=(queue.lane,), content=b"")

    await queue.spool.put(put)

    assert put.chunks == 0
    assert await queue.due() == [put.queue_id]


async def test_chunks_that_came_before_belong_to_the_message(queue: Queue) -> None:
    """A large message is stored chunk by chunk and then put without content."""
    queue_id = new_id()
    whole = bytes(CHUNK_OCTETS)
    await queue.spool.store_chunk(queue_id, 0, whole)
    await queue.spool.store_chunk(queue_id, 1, b"two")
    put = replace(make_message(lanes=(queue.lane,), content=None), queue_id=queue_id, chunks=2)

    await queue.spool.put(put)

    assert [await queue.spool.read_chunk(queue_id, number) for number in (0, 1)] == [whole, b"two"]
    assert (
        await queue.database.read(lambda c: c.scalar(select(func.count()).select_from(upload))) == 0
    )


async def test_a_message_whose_chunks_were_collected_is_refused(queue: Queue) -> None:
    """No 250 for a message whose content is not there any more."""
    queue_id = new_id()
    await queue.spool.store_chunk(queue_id, 0, b"one")
    await queue.spool.discard_chunks(queue_id)
    put = replace(make_message(lanes=(queue.lane,), content=None), queue_id=queue_id, chunks=1)

    with pytest.raises(SpoolUnavailable):
        await queue.spool.put(put)

    assert await queue.due() == []


async def test_discarded_chunks_are_gone(queue: Queue) -> None:
    """What a broken transaction left is removed at once."""
    queue_id = new_id()
    await queue.spool.store_chunk(queue_id, 0, b"one")

    await queue.spool.discard_chunks(queue_id)

    assert await queue.database.read(_rows(content)) == 0
    assert await queue.database.read(_rows(upload)) == 0


async def test_a_missing_chunk_is_an_error(queue: Queue) -> None:
    """Nothing is delivered as empty that is not there."""
    with pytest.raises(SpoolUnavailable):
        await queue.spool.read_chunk(new_id(), 0)


async def test_the_first_message_makes_the_row_of_its_lane(queue: Queue) -> None:
    """Lanes are found by those who look for mail without an owner."""
    other = queue.spool.lane(OTHER_HOP)

    await queue.put("a@far.example", "b@other.example", lanes=(queue.lane, other))

    hops = await queue.database.read(lambda c: set(c.scalars(select(lane.c.hop))))
    assert hops == {HOP, OTHER_HOP}


async def test_lanes_without_end_are_not_remembered_without_end(
    queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight to MX hosts there is one for each domain; each gets its row all the same."""
    monkeypatch.setattr(spool, "MAX_LANES", 3)
    monkeypatch.setattr(spool_work, "MAX_LANES", 3)
    names = [f"mx:d{number % 7}.example" for number in range(14)]

    for name in names:
        await queue.put(lanes=(queue.spool.lane(name),))

    hops = await queue.database.read(lambda c: set(c.scalars(select(lane.c.hop))))
    assert set(names) <= hops
    assert len(queue.spool._lane_ids) <= 3
    assert len(queue.spool._lanes._stored) <= 3


async def test_two_processes_may_make_the_same_lane(queue: Queue) -> None:
    """The row of a lane that another process made meanwhile is taken as it is."""
    other = Spool(queue.database)

    await queue.put(lanes=(queue.spool.lane(OTHER_HOP),))
    await other.put(make_message(lanes=(other.lane(OTHER_HOP),)))

    assert len(await queue.due(lane=other.lane(OTHER_HOP))) == 2


async def test_many_messages_at_once_all_become_durable(queue: Queue) -> None:
    """Everybody who waits for a commit is woken."""
    messages = [make_message(lanes=(queue.lane,)) for _ in range(700)]

    await asyncio.gather(*(queue.spool.put(message) for message in messages))

    assert sorted(await queue.due()) == sorted(message.queue_id for message in messages)


async def test_a_poisoned_message_fails_alone(queue: Queue) -> None:
    """A message that the database refuses does not take its neighbours with it."""
    first = await queue.put()
    twin = replace(make_message(lanes=(queue.lane,)), queue_id=first.queue_id)
    good = [make_message(lanes=(queue.lane,)) for _ in range(5)]

    futures = [queue.spool.put(message) for message in (*good[:3], twin, *good[3:])]
    results = await asyncio.gather(*futures, return_exceptions=True)

    assert [result is None for result in results] == [True, True, True, False, True, True]
    assert sorted(await queue.due()) == sorted([first.queue_id, *(m.queue_id for m in good)])


async def test_text_that_no_database_takes_is_cleaned(queue: Queue) -> None:
    """A NUL or a lone surrogate in a header field does not stop a message."""
    put = make_message(lanes=(queue.lane,))
    put.header_id = "<a\0b\ud800@here.example>"

    await queue.spool.put(put)

    stored = await queue.database.read(lambda c: c.scalar(select(message.c.header_id)))
    assert stored == "<a b @here.example>"
