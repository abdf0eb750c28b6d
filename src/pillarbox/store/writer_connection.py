"""The one connection of a process that writes, used by the thread of the group commit only.

On PostgreSQL it holds an advisory lock for as long as it lives. After a connection was lost in
the middle of a COMMIT, the next one ends the old server process and takes that lock, so it sees
what became of the old transaction: nothing of it can appear later.
"""

import math
import secrets
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, Engine

from pillarbox.errors import LocalProtocolError
from pillarbox.store.batch import Cursor
from pillarbox.store.engine import begin_statement
from pillarbox.store.statements import Statements, compile_statements

CHECKPOINT_COMMITS = 128
CHECKPOINT_OCTETS = 32 * 1024 * 1024
"""After this many commits, or this much content, the write-ahead log is copied into the database:
often enough to keep the log in the page cache, seldom enough that the sync of it costs little."""

_SAVEPOINT = "SAVEPOINT work"
_RELEASE = "RELEASE SAVEPOINT work"
_ROLLBACK_TO = "ROLLBACK TO SAVEPOINT work"
_END_PREVIOUS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1
AND (classid::bigint << 32 | objid::bigint) = %s::bigint AND pid <> pg_backend_pid()
"""


class WriterConnection:
    """Opens, keeps and closes the connection; begins and ends its transactions.

    `free_octets`: room inside of SQLite's file, which never shrinks, at the last checkpoint.
    """

    def __init__(self, engine: Engine, file: Path | None) -> None:
        self._engine = engine
        self._is_sqlite = file is not None
        self._connection: Connection | None = None
        self._cursor: Cursor | None = None
        self._lock_key = secrets.randbits(62)
        self._was_open = False
        self._commits = 0
        self._octets = 0
        self._begin = "BEGIN"
        self.free_octets = 0
        self.statements: Statements = compile_statements(engine.dialect)

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; the database may still be gone behind it."""
        return self._connection is not None

    @property
    def connection(self) -> Connection:
        """For statements of SQLAlchemy inside the transaction at hand."""
        if self._connection is None:
            raise LocalProtocolError("the writer is not connected")
        return self._connection

    @property
    def cursor(self) -> Cursor:
        """For statements of the hot path."""
        if self._cursor is None:
            raise LocalProtocolError("the writer is not connected")
        return self._cursor

    def open(self) -> None:
        """Connect. Raises what the driver raises."""
        connection = self._engine.connect()
        try:
            cursor = connection.connection.cursor()
            if not self._is_sqlite:
                self._succeed(cursor)
        except BaseException:
            connection.invalidate()
            connection.close()
            raise
        self._begin = begin_statement(connection)
        self._connection, self._cursor = connection, cursor

    def _succeed(self, cursor: Cursor) -> None:
        """Make sure that the previous connection of this process can do nothing any more."""
        if self._was_open:
            cursor.execute(_END_PREVIOUS, (self._lock_key,))
        cursor.execute("SELECT pg_advisory_lock(%s)", (self._lock_key,))
        self._was_open = True

    def drop(self) -> None:
        """Close the connection without a word to the database."""
        connection, self._connection, self._cursor = self._connection, None, None
        if connection is not None:
            with suppress(Exception):
                connection.invalidate()
            connection.close()

    def begin(self) -> None:
        """Begin a transaction."""
        self.cursor.execute(self._begin)

    def commit(self) -> None:
        """Make the transaction durable."""
        self.cursor.execute("COMMIT")
        self._commits += 1

    def rollback(self) -> None:
        """End the transaction without a trace, if there is one."""
        self.connection.connection.rollback()

    def savepoint(self) -> None:
        """Mark this point of the transaction."""
        self.cursor.execute(_SAVEPOINT)

    def release(self) -> None:
        """Forget the mark, keep what came after it."""
        self.cursor.execute(_RELEASE)

    def rollback_to(self) -> None:
        """Go back to the mark and forget it."""
        self.cursor.execute(_ROLLBACK_TO)
        self.cursor.execute(_RELEASE)

    def wrote(self, octets: int) -> None:
        """Count what a transaction wrote."""
        self._octets += octets

    @property
    def has_log(self) -> bool:
        """Whether the write-ahead log holds something that a checkpoint would move."""
        return self._is_sqlite and self._commits > 0

    @property
    def wants_checkpoint(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._is_sqlite and (
            self._commits >= CHECKPOINT_COMMITS or self._octets >= CHECKPOINT_OCTETS
        )

    def checkpoint(self) -> None:
        """Copy the write-ahead log into the database and sync both, as far as readers allow."""
        self._commits = self._octets = 0
        self.cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        self.cursor.fetchall()
        counted = []
        for what in ("freelist_count", "page_size"):
            self.cursor.execute(f"PRAGMA {what}")
            counted.append(self.cursor.fetchall()[0][0])
        self.free_octets = math.prod(counted)
