"""How content comes into the store and goes from it where it is more than a row beside its message:
on PostgreSQL in chunks (ContentInRows), on SQLite in a file (ContentInFiles).

A file is durable before its message is, and goes after it. What a crash leaves over in between is
found by `collect_orphans`.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import time_of
from pillarbox.observe.log import log
from pillarbox.store import upkeep
from pillarbox.store.batch import RowsWork
from pillarbox.store.batch_runner import wake
from pillarbox.store.content import wanted
from pillarbox.store.content_files import ContentFiles
from pillarbox.store.database import Database
from pillarbox.store.spool_work import PutWork
from pillarbox.store.statements import Do, Row

T = TypeVar("T")

_STEP_FILES = 200
"""Files in one query or transaction."""


class ContentStore(Protocol):
    """Both ways."""

    def put(self, work: PutWork) -> None:
        """Have a message written that is larger than a chunk, or whose chunks were stored. Raises
        SpoolUnavailable, or the future of the work does."""
        ...

    async def store_chunk(self, queue_id: int, number: int, octets: bytes) -> None:
        """See Spool.store_chunk."""
        ...

    async def discard(self, queue_id: int) -> None:
        """See Spool.discard_chunks."""
        ...

    def finished(self, queue_id: int) -> None:
        """Some recipients of such a message became final; perhaps all are."""
        ...

    async def collect_orphans(self, *, instance: int, since: Timestamp, now: Timestamp) -> int:
        """See Spool.collect_orphans."""
        ...


def content_store(database: Database) -> ContentStore:
    """The way of this database."""
    files = database.content_files
    return ContentInRows(database) if files is None else ContentInFiles(database, files)


class ContentInRows:
    """Chunks that come before their message stand in the table, and in `upload` until it is put."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, work: PutWork) -> None:
        """See ContentStore."""
        self._database.submit(work)

    async def store_chunk(self, queue_id: int, number: int, octets: bytes) -> None:
        """See ContentStore."""
        rows: list[tuple[Do, Row]] = [(Do.INSERT_CONTENT, (queue_id, number, octets))]
        if number == 0:
            rows.append((Do.INSERT_UPLOAD, (queue_id, time_of(queue_id))))
        await self._write(rows, len(octets))

    async def discard(self, queue_id: int) -> None:
        """See ContentStore."""
        await self._write([(Do.DISCARD_UPLOAD, (queue_id,)), (Do.DISCARD_CONTENT, (queue_id,))], 0)

    async def _write(self, rows: list[tuple[Do, Row]], octets: int) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._database.submit(RowsWork(future, octets, rows=rows))
        await future

    def finished(self, queue_id: int) -> None:
        """The statement that finishes the message removes its rows."""

    async def collect_orphans(self, *, instance: int, since: Timestamp, now: Timestamp) -> int:
        """See ContentStore."""
        return await self._database.write(
            lambda c: upkeep.collect_orphans(c, instance=instance, since=since, now=now)
        )


class ContentInFiles:
    """A file for each message. What an earlier version stored in rows stays there."""

    def __init__(self, database: Database, files: ContentFiles) -> None:
        self._database = database
        self._files = files
        self._rows = ContentInRows(database)
        self._finished: list[int] = []
        self._removing: asyncio.Task[None] | None = None

    def put(self, work: PutWork) -> None:
        """The file first, then the message."""
        message, future = work.message, work.future
        if message.content is None and not message.chunks:
            self._database.submit(work)
            return
        queue_id = message.queue_id
        work.size_octets = 0
        if future is not None:
            future.add_done_callback(partial(self._was_put, queue_id))
        if message.content is None:
            self._submit(work)
        else:
            self._database.in_content_thread(self._write, work, message.content)

    def _write(self, work: PutWork, content: bytes) -> None:
        try:
            self._append(work.message.queue_id, 0, content)
            self._submit(work)
        except SpoolUnavailable as error:
            wake([(work, error)])
        except Exception:
            log.exception("store.content_failed")
            wake([(work, SpoolUnavailable(SpoolTrouble.AWAY, "content could not be stored"))])

    def _submit(self, work: PutWork) -> None:
        count = partial(self._files.chunks, work.message.queue_id)
        work.message.chunks = count()
        # An orphan is removed in a transaction, too: if it is there in ours, it stays.
        work.find_content = count
        self._database.submit(work)

    def _append(self, queue_id: int, number: int, octets: bytes) -> None:
        self._files.append(queue_id, number, octets)
        self._database.count_octets(len(octets))

    def _was_put(self, queue_id: int, future: "asyncio.Future[None]") -> None:
        """After a failure the message will not come. Of one that nobody waits for any more that is
        not known: its file is left to collect_orphans."""
        if not future.cancelled() and future.exception() is not None:
            self.finished(queue_id)

    async def store_chunk(self, queue_id: int, number: int, octets: bytes) -> None:
        """See ContentStore."""
        await self._run(partial(self._append, queue_id, number, octets))

    async def discard(self, queue_id: int) -> None:
        """See ContentStore."""
        await self._run(partial(self._files.remove, (queue_id,)))

    async def _run(self, job: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._database.in_content_thread(job))

    def finished(self, queue_id: int) -> None:
        """Remove the file soon, unless somebody needs it, together with those of others."""
        self._finished.append(queue_id)
        if self._removing is None or self._removing.done():
            self._removing = asyncio.create_task(self._remove_finished())

    async def _remove_finished(self) -> None:
        while self._finished:
            ids = self._finished[:_STEP_FILES]
            del self._finished[:_STEP_FILES]
            try:
                found = await self._database.read(partial(wanted, queue_ids=ids))
                over = [queue_id for queue_id in ids if not found.get(queue_id)]
                await self._run(partial(self._files.remove, over))
            except SpoolUnavailable as error:
                # They are found again by collect_orphans.
                log.warning("store.content_left", cause=error.cause)

    async def collect_orphans(self, *, instance: int, since: Timestamp, now: Timestamp) -> int:
        """See ContentStore. Also files of finished messages that were left."""
        removed = await self._rows.collect_orphans(instance=instance, since=since, now=now)
        ids = await self._run(self._files.queue_ids)
        left = partial(upkeep.left_content, instance=instance, since=since, now=now)
        for start in range(0, len(ids), _STEP_FILES):
            some = ids[start : start + _STEP_FILES]
            removed += await self._database.write(partial(self._collect, left, some))
        return removed

    def _collect(
        self,
        left: Callable[[Connection, list[int]], list[int]],
        queue_ids: list[int],
        connection: Connection,
    ) -> int:
        """Inside of a transaction that writes: until its end no message can be put."""
        found = left(connection, queue_ids)
        self._files.remove(found)
        return len(found)
