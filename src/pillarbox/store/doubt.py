"""Messages of which nobody knows whether their COMMIT took place.

RFC 5321 4.2.5: after a 4yz or 5yz reply the server "MUST NOT make a subsequent attempt to deliver
that message". A connection that breaks during COMMIT (PostgreSQL), or a sync that fails in it
(SQLite), leaves both possible. PostgreSQL is asked as soon as it is back: what is there after a
short wait is a success, what comes to light later is removed. After a failed sync of SQLite the
process ends, so the ids are written to a file beside the database, and the next start removes
those messages before it does anything else.
"""

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, select

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.files import sync_folder
from pillarbox.store import schema
from pillarbox.store.batch import Work
from pillarbox.store.batch_runner import Finished
from pillarbox.store.writer_connection import WriterConnection

DOUBT_SECONDS = 10.0
"""So long a client waits to hear what became of its message; then it is told 451."""

_SUFFIX = "-doubt"


def present(connection: Connection, queue_ids: Sequence[int]) -> set[int]:
    """Those of the messages that the store holds."""
    table = schema.message
    return set(connection.scalars(select(table.c.id).where(table.c.id.in_(queue_ids))))


def remove_messages(connection: Connection, queue_ids: Sequence[int]) -> None:
    """Remove messages as if they had never come."""
    tables = (schema.attempt, schema.content, schema.draft, schema.recipient, schema.returned)
    for table in tables:
        connection.execute(delete(table).where(table.c.message_id.in_(queue_ids)))
    connection.execute(delete(schema.message).where(schema.message.c.id.in_(queue_ids)))


class DoubtFile:
    """The list of such messages beside a SQLite database."""

    def __init__(self, database_file: Path) -> None:
        self._path = database_file.with_name(database_file.name + _SUFFIX)

    def add(self, queue_ids: Iterable[int]) -> None:
        """Append ids. The disk may be failing, so this does what it can and raises nothing."""
        text = "".join(f"{queue_id}\n" for queue_id in queue_ids)
        with suppress(OSError):
            descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
            )
            try:
                os.write(descriptor, text.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            sync_folder(self._path.parent)

    def read(self) -> list[int]:
        """The ids, without a last line that was cut off."""
        try:
            lines = self._path.read_text("ascii", "replace").split("\n")[:-1]
        except FileNotFoundError:
            return []
        return [int(line) for line in lines if line.isdecimal()]

    def clear(self) -> None:
        """The messages are gone for good."""
        self._path.unlink(missing_ok=True)
        sync_folder(self._path.parent)


class Doubts:
    """The works of lost COMMITs. Used by the thread of the group commit only."""

    def __init__(self, database_file: Path | None) -> None:
        self._file = None if database_file is None else DoubtFile(database_file)
        self._works: list[Work[Any]] = []
        self._late: list[int] = []
        self._until = 0.0

    def take(self, works: list[Work[Any]], *, for_good: bool) -> list[Work[Any]]:
        """Remember the messages among `works`; the rest comes back. `for_good`: this process will
        not find out, so their clients are refused now."""
        if for_good:
            if self._file is not None:
                self._file.add(queue_id for work in works for queue_id in work.puts)
            return works
        if not self._works:
            self._until = time.monotonic() + DOUBT_SECONDS
        self._works += [work for work in works if work.is_put]
        return [work for work in works if not work.is_put]

    def expire(self) -> Finished:
        """Refuse those who have waited too long."""
        if not self._works or time.monotonic() < self._until:
            return []
        return self.give_up()

    def give_up(self) -> Finished:
        """Refuse all who wait; their messages are removed if they come to light."""
        works, self._works = self._works, []
        self._late += [queue_id for work in works for queue_id in work.puts]
        return [(work, _unknown()) for work in works]

    def clear_up(self, writer: WriterConnection) -> Finished:
        """With a new connection: find out, remove what was refused, tell the others."""
        if self._file is not None:
            self._clear_up_file(writer, self._file)
        if not self._works and not self._late:
            return []
        ids = [queue_id for work in self._works for queue_id in work.puts]
        found = present(writer.connection, ids + self._late)
        gone = [work for work in self._works if work.future is None or work.future.cancelled()]
        unwanted = self._late + [queue_id for work in gone for queue_id in work.puts]
        _remove(writer, sorted(found.intersection(unwanted)))
        works, self._works, self._late = self._works, [], []
        finished: Finished = []
        for work in works:
            if found.issuperset(work.puts):
                finished.append((work, None))
            else:
                finished.append((work, _unknown()))
        return finished

    def _clear_up_file(self, writer: WriterConnection, file: DoubtFile) -> None:
        queue_ids = file.read()
        if queue_ids:
            _remove(writer, queue_ids)
            file.clear()


def _remove(writer: WriterConnection, queue_ids: Sequence[int]) -> None:
    if queue_ids:
        writer.begin()
        remove_messages(writer.connection, queue_ids)
        writer.commit()


def _unknown() -> SpoolUnavailable:
    return SpoolUnavailable(SpoolTrouble.AWAY, "the database was lost during a commit")
