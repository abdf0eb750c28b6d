"""Large content on SQLite: a file for each message, durable before the message, gone after it."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection
from tests.support.storing import (
    HOP,
    LEASE_MS,
    OWNER,
    Queue,
    make_message,
    new_id,
    now_ms,
    open_database,
    record,
    settlement,
    until,
)

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.identifier import format_id
from pillarbox.mail.spooled import CHUNK_OCTETS, SpooledMessage
from pillarbox.store.captured import read_content
from pillarbox.store.instances import Instances
from pillarbox.store.lanes import Lanes
from pillarbox.store.schema import content

CONTENT = bytes(range(256)) * 1024 * 2 + b"the end"


class FileQueue(Queue):
    """A queue on SQLite, and its folder of content."""

    @property
    def folder(self) -> Path:
        """Where the files are."""
        file = self.database.file
        assert file is not None
        return file.with_name(f"{file.name}-content")

    @property
    def files(self) -> list[str]:
        """Their names."""
        return sorted(path.name for path in self.folder.iterdir()) if self.folder.exists() else []

    async def put_large(self, *addresses: str, lanes: Sequence[int] = ()) -> SpooledMessage:
        """Put a message with CONTENT."""
        put = make_message(*addresses, lanes=lanes or (self.lane,), content=CONTENT)
        await self.spool.put(put)
        return put

    async def stored(self, put: SpooledMessage) -> bytes:
        """The content as a courier reads it that finds the message in the queue."""
        due = await self.spool.load_due(self.lane, now=now_ms(), limit=100)
        (found,) = [one for one in due if one.queue_id == put.queue_id]
        assert found.content is None
        pieces = [await self.spool.read_chunk(put.queue_id, n) for n in range(found.chunks)]
        assert max(map(len, pieces)) <= CHUNK_OCTETS
        return b"".join(pieces)

    async def collect(self, *, instance: int = 1, since: int | None = None) -> int:
        """What a worker does when it starts, and each quarter of an hour."""
        moment = now_ms()
        return await self.spool.collect_orphans(
            instance=instance, since=moment if since is None else since, now=moment
        )


@pytest.fixture
async def queue(tmp_path: Path) -> AsyncIterator[FileQueue]:
    """A queue whose lane is owned."""
    database = open_database(f"sqlite:///{tmp_path / 'spool.sqlite3'}")
    queue = FileQueue(database)
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    yield queue
    await database.close()


async def test_large_content_is_a_file_until_the_message_is_finished(queue: FileQueue) -> None:
    """Nobody else can read it, nothing of it is in the database, and the disk has its room back."""
    put = await queue.put_large()

    assert queue.files == [format_id(put.queue_id)]
    assert (queue.folder / queue.files[0]).stat().st_mode & 0o777 == 0o600
    assert queue.folder.stat().st_mode & 0o777 == 0o700
    assert await queue.database.read(lambda c: c.execute(content.select()).all()) == []
    assert await queue.stored(put) == CONTENT
    assert await queue.spool.settle(settlement(put))
    await until(lambda: queue.files == [])


async def test_content_of_one_chunk_is_in_the_database(queue: FileQueue) -> None:
    """A file and its syncs cost more than a row."""
    await queue.spool.put(make_message(lanes=(queue.lane,), content=bytes(CHUNK_OCTETS)))

    assert queue.files == []


async def test_content_that_came_in_pieces_of_any_size_is_whole(queue: FileQueue) -> None:
    """What is cut off because memory is short is no full chunk."""
    queue_id = new_id()
    for number, piece in enumerate((CONTENT[:1000], CONTENT[1000:300_000], CONTENT[300_000:])):
        await queue.spool.store_chunk(queue_id, number, piece)
    empty = make_message(lanes=(queue.lane,), content=None)
    put = replace(empty, queue_id=queue_id, chunks=3)
    await queue.spool.put(put)

    assert await queue.stored(put) == CONTENT


async def test_small_content_that_came_in_pieces_goes_too(queue: FileQueue) -> None:
    """It has one chunk, and yet a file."""
    queue_id = new_id()
    await queue.spool.store_chunk(queue_id, 0, b"Subject: small\r\n\r\n")
    empty = make_message(lanes=(queue.lane,), content=None)
    put = replace(empty, queue_id=queue_id, chunks=1)
    await queue.spool.put(put)
    assert await queue.stored(put) == b"Subject: small\r\n\r\n"

    await queue.spool.settle(settlement(put))
    await until(lambda: queue.files == [])


async def test_the_file_stays_for_recipients_that_are_open(queue: FileQueue) -> None:
    """It goes with the last of them."""
    put = await queue.put_large("one@far.example", "two@far.example")
    first = settlement(put, record(0, RecipientState.DELIVERED))
    assert await queue.spool.settle(first)
    other = await queue.put_large()
    assert await queue.spool.settle(settlement(other))
    await until(lambda: format_id(other.queue_id) not in queue.files)

    assert await queue.stored(put) == CONTENT
    assert await queue.spool.settle(settlement(put, record(1, RecipientState.DELIVERED)))
    await until(lambda: queue.files == [])


async def test_content_that_is_kept_goes_when_its_time_is_over(queue: FileQueue) -> None:
    """A captured message can be read until then."""
    put = await queue.put_large()
    until_ms = now_ms() + 1000
    await queue.spool.settle(settlement(put, keep_content_until=until_ms))
    await queue.collect()
    pieces = await queue.database.read(lambda c: list(read_content(c, put.queue_id)))
    assert b"".join(pieces) == put.prefix + CONTENT

    assert await queue.spool.prune(now=until_ms + 1, trace_days=30) == 1
    assert await queue.collect() == 1
    assert queue.files == []


async def test_a_message_that_is_refused_leaves_no_file(queue: FileQueue) -> None:
    """The database does not take its rows: it will never be delivered."""
    put = make_message("one@far.example", lanes=(queue.lane,), content=CONTENT)
    with pytest.raises(SpoolUnavailable):
        await queue.spool.put(replace(put, recipients=put.recipients * 2))

    await until(lambda: queue.files == [])
    await queue.spool.put(put)
    assert await queue.stored(put) == CONTENT


async def test_a_message_that_is_put_twice_keeps_its_file(queue: FileQueue) -> None:
    """The second time fails, and the first one counts."""
    put = await queue.put_large()
    with pytest.raises(SpoolUnavailable):
        await queue.spool.put(put)
    other = await queue.put_large()
    await queue.spool.settle(settlement(other))
    await until(lambda: format_id(other.queue_id) not in queue.files)

    assert await queue.stored(put) == CONTENT


async def test_content_that_can_not_be_written_is_refused(queue: FileQueue) -> None:
    """The message alone: what needs no file is taken."""
    queue.folder.write_bytes(b"in the way")
    with pytest.raises(SpoolUnavailable) as caught:
        await queue.put_large()
    with pytest.raises(SpoolUnavailable):
        await queue.spool.store_chunk(new_id(), 0, CONTENT)
    small = await queue.put()

    assert caught.value.trouble is SpoolTrouble.AWAY
    assert await queue.due() == [small.queue_id]
    queue.folder.unlink()
    assert await queue.stored(await queue.put_large()) == CONTENT


async def test_a_lost_file_is_told(queue: FileQueue) -> None:
    """An attempt fails, and is made again: somebody may bring it back."""
    put = await queue.put_large()
    shutil.rmtree(queue.folder)

    with pytest.raises(SpoolUnavailable, match="gone"):
        await queue.spool.read_chunk(put.queue_id, 0)


async def test_what_a_crash_left_is_collected(queue: FileQueue) -> None:
    """A file whose message was never put, and one that was to go; what is queued or coming in
    stays, and what is not ours."""
    number = await Instances(queue.database).claim(token="alive", lease_ms=LEASE_MS)
    since = now_ms()
    queued, finished = await queue.put_large(), await queue.put_large()
    await queue.spool.settle(settlement(finished))
    await until(lambda: len(queue.files) == 1)
    (queue.folder / format_id(finished.queue_id)).write_bytes(CONTENT)
    lost, coming = new_id(), new_id() & ~(0x3FF << 12) | number << 12
    for queue_id in (lost, coming):
        await queue.spool.store_chunk(queue_id, 0, CONTENT)
    (queue.folder / "notes.txt").write_text("of the administrator")

    assert await queue.collect(since=since) == 2
    assert queue.files == sorted([format_id(queued.queue_id), format_id(coming), "notes.txt"])
    # The process that has this number now is not the one that began with it.
    assert await queue.collect(instance=number, since=now_ms() + 1000) == 1


async def test_a_message_whose_file_was_collected_is_refused(queue: FileQueue) -> None:
    """Its process was taken for dead while it came in, or while it waited for the commit."""
    queue_id, reached, go_on = new_id(), threading.Event(), threading.Event()
    empty = make_message(lanes=(queue.lane,), content=None)

    def collects(_: Connection) -> None:
        reached.set()
        go_on.wait(60)
        shutil.rmtree(queue.folder)

    await queue.spool.store_chunk(queue_id, 0, CONTENT)
    other = asyncio.ensure_future(queue.database.write(collects))
    await until(reached.is_set)
    put = queue.spool.put(replace(empty, queue_id=queue_id, chunks=1))
    go_on.set()
    with pytest.raises(SpoolUnavailable):
        await put
    await other
    with pytest.raises(SpoolUnavailable):
        await queue.spool.put(replace(empty, queue_id=queue_id, chunks=1))
    assert await queue.due() == []


async def test_content_in_rows_of_an_earlier_version_is_read_and_removed(queue: FileQueue) -> None:
    """Mail that waits while the service is brought up to date."""
    put = await queue.put_large()
    (queue.folder / format_id(put.queue_id)).unlink()
    pieces = [CONTENT[at : at + CHUNK_OCTETS] for at in range(0, len(CONTENT), CHUNK_OCTETS)]
    rows = [
        {"message_id": put.queue_id, "number": number, "octets": piece}
        for number, piece in enumerate(pieces)
    ]
    await queue.database.write(lambda c: c.execute(content.insert(), rows))

    assert await queue.stored(put) == CONTENT
    assert await queue.spool.settle(settlement(put))
    assert await queue.database.read(lambda c: c.execute(content.select()).all()) == []


async def test_many_at_once(queue: FileQueue) -> None:
    """Each has its own content, and nothing is left."""
    messages = [
        make_message(lanes=(queue.lane,), content=bytes([number]) * (CHUNK_OCTETS + number + 1))
        for number in range(30)
    ]
    await asyncio.gather(*(queue.spool.put(one) for one in messages))
    for number, put in enumerate(messages):
        read = await queue.spool.read_chunk(put.queue_id, 1)
        assert read == bytes([number]) * (number + 1)
    await asyncio.gather(*(queue.spool.settle(settlement(one)) for one in messages))

    await until(lambda: queue.files == [])
