"""Sessions that ended with a refusal: recorded in passing, found again by the id that the client
was shown. What can not be written at once is dropped; a flood of failures must not cost memory."""

import asyncio

from sqlalchemy import Connection, select

from pillarbox.store.batch import RowsWork
from pillarbox.store.database import Database
from pillarbox.store.records import SessionRecord
from pillarbox.store.rows import clean
from pillarbox.store.schema import session
from pillarbox.store.statements import Do

WAITING = 1_000
"""More records than this do not wait for the database."""


class Sessions:
    """Records sessions for one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting = 0
        self.dropped = 0

    def record(self, record: SessionRecord) -> None:
        """Write a record with the next commit; nobody waits for it."""
        if self._waiting >= WAITING or self._database.trouble is not None:
            self.dropped += 1
            return
        self._waiting += 1
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.add_done_callback(self._written)
        row = (
            record.session_id,
            record.started_at,
            record.listener,
            record.remote_address,
            clean(record.helo),
            clean(record.login),
            clean(record.tls),
            record.refusals,
            clean(record.cause),
        )
        self._database.submit(RowsWork(future, rows=((Do.INSERT_SESSION, row),)))

    def _written(self, future: "asyncio.Future[None]") -> None:
        self._waiting -= 1
        if future.cancelled() or future.exception() is not None:
            self.dropped += 1


def find_session(connection: Connection, session_id: int) -> SessionRecord | None:
    """A session by its id; None if it did not fail, or is too long ago."""
    row = connection.execute(select(session).where(session.c.id == session_id)).first()
    return None if row is None else SessionRecord(*row)


def failed_sessions(connection: Connection, *, limit: int) -> list[SessionRecord]:
    """The sessions that failed last, newest first."""
    query = select(session).order_by(session.c.started_at.desc(), session.c.id.desc()).limit(limit)
    return [SessionRecord(*row) for row in connection.execute(query)]
