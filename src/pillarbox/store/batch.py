"""Work for the group commit, and the batch in which the rows of many pieces of work meet.

A batch sorts rows by statement and runs each statement once, with all of its rows. What every row
must change (EXACT) is counted; if a count is off, or the database refuses a row, the batch is
rolled back and taken apart: each piece of work for itself, under a savepoint, with a look at what
it found (`Work.run_alone`).
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from sqlalchemy import Connection

from pillarbox.store.statements import (
    EXACT,
    GROUPED_CONTENT_OCTETS,
    MAX_GROUP,
    Do,
    Row,
    Statements,
)

T = TypeVar("T")


class Cursor(Protocol):
    """What both drivers offer of PEP 249."""

    @property
    def rowcount(self) -> int:
        """Rows that the last statement changed, all its executions together."""

    def execute(self, statement: str, parameters: Row = ..., /) -> object:
        """Run a statement once."""

    def executemany(self, statement: str, parameters: list[Row], /) -> object:
        """Run a statement once for each row."""

    def fetchall(self) -> Sequence[Any]:
        """The rows that the last statement gave."""


class InexactError(Exception):
    """A row did not find what it was meant to change."""


LaneOwner = tuple[int, str]
"""The id of a lane and the token of a process that claims to own it."""


class Batch:
    """The rows of some work, by statement, for the work to add its own."""

    def __init__(self, cursor: Cursor, statements: Statements) -> None:
        self.cursor = cursor
        self.statements = statements
        self.rows: list[list[Row]] = [[] for _ in Do]
        self.owners: dict[LaneOwner, bool] = {}
        """Whether the lane belongs to this owner, and will until the commit (check_owners)."""
        self.once_durable: list[Callable[[], None]] = []
        """To be called in the writer's thread after the commit."""

    def fresh(self) -> "Batch":
        """An empty batch in the same transaction."""
        batch = Batch(self.cursor, self.statements)
        batch.owners = self.owners
        return batch

    def check_owners(self, owners: set[LaneOwner]) -> None:
        """Look up who owns these lanes, and let nobody take them before the commit."""
        ids = tuple(sorted({lane_id for lane_id, _ in owners}))
        marks = ", ".join([self.statements.mark] * len(ids))
        lock = self.statements.shares_rows
        self.cursor.execute(f"SELECT id, owner FROM lane WHERE id IN ({marks}){lock}", ids)  # noqa: S608 - marks only
        found = dict(self.cursor.fetchall())
        self.owners = {owner: found.get(owner[0]) == owner[1] for owner in owners}

    def run(self) -> None:
        """Run what was collected. Raises InexactError, or what the driver raises."""
        for do, rows in enumerate(self.rows):
            if not rows:
                continue
            if do == Do.UPDATE_MESSAGE:
                # Two workers may settle recipients of the same messages: they lock them in one
                # order, so neither waits for the other for ever.
                rows.sort(key=_last)
            changed = self._run_rows(do, rows)
            if do in EXACT and changed != len(rows):
                raise InexactError(f"{Do(do).name}: {changed} of {len(rows)} rows")

    def _run_rows(self, do: int, rows: list[Row]) -> int:
        """Run a statement for all rows, several at a time; the number of rows that changed."""
        cursor, statements = self.cursor, self.statements
        done = changed = 0
        if self._may_go_together(do, rows):
            while (size := min(len(rows) - done, MAX_GROUP)) > 1:
                some = rows[done : done + size]
                cursor.execute(statements.for_rows(do, size), tuple(chain.from_iterable(some)))
                changed += cursor.rowcount
                done += size
        if done < len(rows):
            cursor.executemany(statements.texts[do], rows[done:])
            changed += cursor.rowcount
        return changed

    def _may_go_together(self, do: int, rows: list[Row]) -> bool:
        if do not in self.statements.grouped:
            return False
        if do == Do.INSERT_CONTENT:
            return max(map(len, map(_last, rows))) <= GROUPED_CONTENT_OCTETS
        # Several attempts at one message: each counts, but one UPDATE changes a row once.
        return do != Do.UPDATE_MESSAGE or len(set(map(_last, rows))) == len(rows)

    def execute(self, do: Do, row: Row) -> int:
        """Run a statement at once; the number of rows that it changed."""
        self.cursor.execute(self.statements.texts[do], row)
        return self.cursor.rowcount


_last = itemgetter(-1)


@dataclass(slots=True, eq=False)
class Work(Generic[T]):
    """Something to be written; `future` gets `result` once it is durable.

    `size_octets` is roughly what it adds to the size of a transaction; `lane_owner` is the lane
    that has to be owned for it to count.
    """

    must_be_recorded: ClassVar[bool] = False
    """Whether the work waits for the store to heal instead of failing."""
    is_put: ClassVar[bool] = False
    """Whether it has to be found out what became of it when the answer to its COMMIT was lost
    (see pillarbox.store.doubt)."""

    future: "asyncio.Future[T] | None"
    result: T = field(init=False)
    size_octets: int = 0
    lane_owner: LaneOwner | None = None

    @property
    def puts(self) -> tuple[int, ...]:
        """The queue ids of the messages that the work brings into the store."""
        return ()

    def collect(self, batch: Batch) -> None:
        """Add the rows of the work to the batch."""
        raise NotImplementedError

    def run_alone(self, batch: Batch) -> None:
        """Do the work in a batch of its own, where the common one failed."""
        self.collect(batch)
        batch.run()


@dataclass(slots=True, eq=False, kw_only=True)
class RowsWork(Work[None]):
    """Some rows for some statements."""

    rows: Sequence[tuple[Do, Row]]
    result: None = field(default=None, init=False)

    def collect(self, batch: Batch) -> None:
        """Add the rows."""
        for do, row in self.rows:
            batch.rows[do].append(row)


@dataclass(slots=True, eq=False, kw_only=True)
class ChangeWork(Work[T]):
    """A function that changes something, run under a savepoint of its own."""

    change: Callable[[Connection], T]

    def run(self, connection: Connection) -> None:
        """Run the function in the transaction at hand."""
        self.result = self.change(connection)
