"""The database: one writer by group commit, a few readers, and word of whether it can be used.

SQLite in one folder, or PostgreSQL; everything above this module is the same on both. The command
line uses `read_now` and `write_now`, which need no event loop and no writer thread: the locks of
SQLite and PostgreSQL keep it and a running service apart.
"""

import asyncio
import math
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, IntegrityError

from pillarbox.errors import DirectoryError, SpoolTrouble, SpoolUnavailable
from pillarbox.store import migrate
from pillarbox.store.batch import ChangeWork, Work
from pillarbox.store.content_files import ContentFiles
from pillarbox.store.engine import READERS, Engines, open_engines, transaction
from pillarbox.store.faults import Fault, fault_of, unavailable
from pillarbox.store.group_commit import GroupCommit

T = TypeVar("T")

_TRIES = 3
"""So often the command line tries a change that another process is in the way of."""

_CONTENT_WRITERS = 4
"""Files of content that are written and synced at the same time."""

_RESERVE_CHECK_SECONDS = 1.0
_RESERVE_CHECK_OCTETS = 1024 * 1024
"""So often, and after so much content, the disk is looked at: a fast disk takes the usual reserve
in less than a second."""
_LEAST_FREE_OCTETS = 1024 * 1024
"""Below this a disk counts as full also without a reserve."""
_LOG_OCTETS = 16 * 1024 * 1024
"""So much the write-ahead log may grow until the next checkpoint; room inside of the database file
is of no use to it."""


class Database:
    """Open with `Database.open`; `close` it, or `close_now` where there is no event loop."""

    def __init__(self, engines: Engines, *, reserve_octets: int) -> None:
        self._engines = engines
        self._reserve_octets = max(reserve_octets, _LEAST_FREE_OCTETS)
        self._commits = GroupCommit(engines)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="store-reader")
        self._content_writers = ThreadPoolExecutor(
            _CONTENT_WRITERS, thread_name_prefix="store-content"
        )
        self.content_files = None if engines.file is None else ContentFiles(engines.file)
        self._look_at = 0.0 if engines.file else math.inf
        self._look_at_octets: float = math.inf
        self._is_full = False
        self.submit: Callable[[Work[Any]], None] = self._commits.submit
        """Write with the next group commit; the future of the work tells the rest."""

    @classmethod
    def open(cls, url: str, *, reserve_octets: int) -> "Database":
        """Open `sqlite:///path` or `postgresql+psycopg://…`.

        `reserve_octets`: with less free space than this on SQLite's disk, and in its file, nothing
        new is taken.
        Raises ConfigError. Nothing is connected yet, but SQLite's file is there afterwards.
        """
        return cls(open_engines(url), reserve_octets=reserve_octets)

    @property
    def file(self) -> Path | None:
        """SQLite's file; None with PostgreSQL."""
        return self._engines.file

    @property
    def trouble(self) -> SpoolTrouble | None:
        """Why nothing new is taken now; None when all is well. Cheap: it is asked several times for
        each message."""
        commits, now = self._commits, time.monotonic()
        if commits.failure is not None or now > commits.stalled_at:
            trouble = commits.trouble
            if trouble is not None:
                return trouble.trouble
        if now >= self._look_at or commits.octets >= self._look_at_octets:
            self._look_at_disk(now)
        return SpoolTrouble.FULL if self._is_full else None

    def check_room(self) -> None:
        """Raise SpoolUnavailable if nothing new is taken now."""
        kind = self.trouble
        if kind is not None:
            known = self._commits.trouble
            cause = known.cause if known else "the disk has less free space than reserved"
            raise SpoolUnavailable(kind, cause)

    def _look_at_disk(self, now: float) -> None:
        self._look_at = now + _RESERVE_CHECK_SECONDS
        self._look_at_octets = self._commits.octets + _RESERVE_CHECK_OCTETS
        self._is_full = self._is_below_reserve()

    def _is_below_reserve(self) -> bool:
        file = self._engines.file
        if file is None:
            return False
        try:
            facts = os.statvfs(file.parent)
        except OSError:
            # Nothing can be written to a folder that is not there.
            return True
        room = facts.f_bavail * facts.f_frsize
        # What delivered mail leaves behind is used again, but the log comes first.
        room_with_file = room + self._commits.free_octets
        is_log_in_danger = room < min(self._reserve_octets, _LOG_OCTETS)
        return is_log_in_danger or room_with_file < self._reserve_octets

    def in_content_thread(self, job: Callable[..., T], *arguments: object) -> "Future[T]":
        """Run what reads or writes `content_files`. Raises SpoolUnavailable."""
        try:
            return self._content_writers.submit(job, *arguments)
        except RuntimeError as error:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "the store was closed") from error

    def count_octets(self, octets: int) -> None:
        """So much was written beside the database: the disk is looked at after some time of it."""
        self._commits.octets += octets

    def migrate(self) -> None:
        """Bring the tables to the newest shape; several processes may do it at once."""
        with self._translated(), self._engines.writer.connect() as connection:
            migrate.upgrade(connection)

    def check_revision(self) -> None:
        """Raise ConfigError unless the tables have the shape that this version knows."""
        with self._translated(), self._engines.reader.connect() as connection:
            migrate.check(connection)

    def check_usable(self) -> None:
        """Raise ConfigError or SpoolUnavailable unless `migrate` can be expected to do. Nothing is
        made, but an empty file of SQLite where there is none."""
        with self._translated(), self._engines.reader.connect() as connection:
            migrate.check_usable(connection)

    async def write(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in the next group commit, under a savepoint of its own. It runs in the
        writer's thread and may run twice. Raises what it raises, or SpoolUnavailable."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._commits.submit(ChangeWork(future, change=change))
        with self._translated():
            return await future

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in a reader thread. Raises what it raises, or SpoolUnavailable."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self.read_now, query)

    def read_now(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in this thread."""
        with self._translated(), self._engines.reader.connect() as connection:
            return query(connection)

    def write_now(self, change: Callable[[Connection], T]) -> T:
        """Run `change` in a transaction of its own in this thread; again after a conflict."""
        tries = _TRIES
        with self._translated():
            while True:
                tries -= 1
                try:
                    return self._write_once(change)
                except DBAPIError as error:
                    if tries == 0 or fault_of(error) is not Fault.AGAIN:
                        raise

    def _write_once(self, change: Callable[[Connection], T]) -> T:
        with self._engines.writer.connect() as connection, transaction(connection):
            return change(connection)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Failures of the database as SpoolUnavailable or DirectoryError."""
        try:
            yield
        except IntegrityError as error:
            # What was looked at a moment ago is not so any more.
            raise DirectoryError("somebody else changed this just now: look and repeat") from error
        except DBAPIError as error:
            trouble = unavailable(error)
            if trouble is None:
                raise
            raise trouble from error

    async def close(self) -> None:
        """Write what waits, then close every connection."""
        await asyncio.get_running_loop().run_in_executor(None, self.close_now)

    def close_now(self) -> None:
        """The same without an event loop."""
        self._content_writers.shutdown()
        self._commits.close()
        self._readers.shutdown()
        self._engines.dispose()
