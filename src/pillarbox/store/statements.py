"""The statements of the hot path: written once in SQLAlchemy Core, compiled once for the database
at hand, then run through the driver with plain tuples. That spares most of what a Core statement
costs each time, and the tables stay described in one place.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum, auto
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Dialect,
    Table,
    UpdateBase,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    literal_column,
    null,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.compiler import SQLCompiler

from pillarbox.store import schema, schema_directory
from pillarbox.store.clock import now_of

Row: TypeAlias = tuple[Any, ...]
"""The parameters of a statement in the order that its member of `Do` tells."""


class Do(IntEnum):
    """The statements of a batch, in the order in which a batch runs them: what others refer to
    comes first. Each comment names the parameters."""

    INSERT_LANE = 0
    """id, hop, number; does nothing when the lane is known."""
    INSERT_MESSAGE = auto()
    """The columns of the table."""
    INSERT_CONTENT = auto()
    """message_id, number, octets."""
    INSERT_UPLOAD = auto()
    """message_id, started_at."""
    INSERT_RECIPIENT = auto()
    """The columns of the table up to last_reply."""
    FINISH_RECIPIENT = auto()
    """state, attempts, delay_notified, last_reply, finished_at; message_id, number, attempts
    before."""
    DEFER_RECIPIENT = auto()
    """state, attempts, next_attempt_at, delay_notified, last_reply; message_id, number, attempts
    before."""
    COUNT_ATTEMPT = auto()
    """attempts, delay_notified, last_reply; message_id, number, attempts before. For a recipient
    that is held or to be bounced."""
    INSERT_ATTEMPT = auto()
    """The columns of the table."""
    UPDATE_MESSAGE = auto()
    """Recipients that became final, the same, finished_at, content_until, the same; message_id."""
    DELETE_CONTENT = auto()
    """message_id: only if the message is finished and its content not kept."""
    DELETE_UPLOAD = auto()
    """message_id: its content is complete."""
    DISCARD_UPLOAD = auto()
    """message_id: its message will not come."""
    DISCARD_CONTENT = auto()
    """message_id: whatever became of the message."""
    INSERT_SESSION = auto()
    """The columns of the table."""
    TOUCH_CREDENTIAL = auto()
    """last_used_at; credential_id."""


EXACT = frozenset({Do.FINISH_RECIPIENT, Do.DEFER_RECIPIENT, Do.DELETE_UPLOAD})
"""Statements of which each row must change exactly one row; else the batch is taken apart."""


GROUPED = (
    *(Do.INSERT_MESSAGE, Do.INSERT_CONTENT, Do.INSERT_RECIPIENT, Do.INSERT_ATTEMPT),
    *(Do.FINISH_RECIPIENT, Do.UPDATE_MESSAGE, Do.DELETE_CONTENT),
)
MAX_GROUP = 32
"""On SQLite up to so many rows of these go by one statement. Its driver lets other threads run at
each statement and goes on when they let it: that costs more than most statements, and while the
writer waits in its transaction no other process can write."""
GROUPED_CONTENT_OCTETS = 16 * 1024
"""Larger pieces of content go one by one: a prepared statement keeps what was bound to it last, and
there is one for each number of rows."""


_RECIPIENT_COLUMNS = (
    *("message_id", "number", "address", "notify", "orcpt", "state", "lane_id", "attempts"),
    *("next_attempt_at", "delay_notified", "last_reply"),
)


_SETTLED_COLUMNS = {
    Do.FINISH_RECIPIENT: ("state", "attempts", "delay_notified", "last_reply", "finished_at"),
    Do.DEFER_RECIPIENT: ("state", "attempts", "next_attempt_at", "delay_notified", "last_reply"),
    Do.COUNT_ATTEMPT: ("attempts", "delay_notified", "last_reply"),
}


ROWS_LOCK = 0x70696C6C61726C61
"""Of PostgreSQL: shared by those who make rows of lanes, alone for those who remove some."""


@dataclass(frozen=True, slots=True)
class Statements:
    """The text of each statement by `Do`, and the mark of a parameter."""

    texts: tuple[str, ...]
    mark: str
    shares_rows: str
    """What a SELECT says at its end so that the rows stay as they are until the commit."""
    grouped: frozenset[int] = frozenset()
    """Those of which several rows can go by one statement."""
    _for_rows: dict[tuple[int, int], str] = field(default_factory=dict, repr=False)

    def for_rows(self, do: int, rows: int) -> str:
        """The statement for so many rows, of one that is `grouped`."""
        text = self._for_rows.get((do, rows))
        if text is None:
            text = self._for_rows[do, rows] = _for_rows(self.texts[do], rows)
        return text


def compile_statements(dialect: Dialect) -> Statements:
    """Compile every statement for this dialect."""
    statements = _statements(dialect)
    texts = tuple(_compile(dialect, *statements[do]) for do in Do)
    if dialect.name == "sqlite":
        return Statements(texts, "?", "", frozenset(GROUPED))
    return Statements(texts, "%s", " ORDER BY id FOR SHARE")


def _for_rows(text: str, rows: int) -> str:
    """A statement of SQLite for so many rows: INSERT with as many VALUES, UPDATE from them, DELETE
    with IN."""
    if text.startswith("DELETE"):
        return text.replace("= ?", f"IN ({', '.join('?' * rows)})", 1)
    count = text.count("?")
    row = f"({', '.join('?' * count)})"
    values = f"VALUES {', '.join([row] * rows)}"
    if text.startswith("INSERT"):
        return f"{text.partition(' VALUES ')[0]} {values}"
    # SQLite calls the columns of VALUES column1, column2 …
    names = (f"one.column{number}" for number in range(1, count + 1))
    update, where, condition = re.sub(r"\?", lambda _: next(names), text).partition(" WHERE ")
    return f"{update} FROM ({values}) AS one{where}{condition}"


def _compile(dialect: Dialect, statement: UpdateBase, names: Sequence[str]) -> str:
    compiled = statement.compile(dialect=dialect)
    if not isinstance(compiled, SQLCompiler) or compiled.positiontup != list(names):
        raise TypeError(f"the parameters of {compiled} are not {list(names)}")
    return str(compiled)


_Compilable: TypeAlias = tuple[UpdateBase, list[str]]


def _insert(table: Table, *columns: str) -> _Compilable:
    names = list(columns) or [column.name for column in table.columns]
    return insert(table).values({name: bindparam(name) for name in names}), names


def _insert_lane(dialect: Dialect) -> _Compilable:
    """See store.lanes.insert_lane."""
    names = ["id", "hop", "number"]
    made = {"owner": literal_column("''"), "lease_until": now_of(dialect)}
    if dialect.name == "sqlite":
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        values |= made
        return sqlite.insert(schema.lane).values(values).on_conflict_do_nothing(), names
    given = [bindparam(name, type_=schema.lane.c[name].type) for name in names]
    turn = select(func.pg_advisory_xact_lock_shared(literal_column(str(ROWS_LOCK)))).subquery()
    row = select(*given, *made.values()).select_from(turn)
    statement = postgresql.insert(schema.lane).from_select([*names, *made], row)
    return statement.on_conflict_do_nothing(), names


def _settle_recipient(do: Do) -> _Compilable:
    table = schema.recipient.c
    names = _SETTLED_COLUMNS[do]
    values: list[tuple[Any, Any]] = [(table[name], bindparam(name)) for name in names]
    where = [
        table.message_id == bindparam("b_message_id"),
        table.number == bindparam("b_number"),
        # Who settled it in the meantime has counted another attempt.
        table.attempts == bindparam("b_attempts"),
        table.finished_at.is_(None),
    ]
    if do is Do.FINISH_RECIPIENT:
        values.append((table.next_attempt_at, null()))
    elif do is Do.DEFER_RECIPIENT:
        # Not while an administrator holds it or wants it bounced.
        where += [table.next_attempt_at.is_not(None), table.must_bounce.is_(False)]
    statement = update(schema.recipient).ordered_values(*values).where(*where)
    return statement, [*names, "b_message_id", "b_number", "b_attempts"]


def _update_message() -> _Compilable:
    table = schema.message.c
    is_last = table.open_recipients == bindparam("same")
    finished_at = bindparam("finished_at", type_=BigInteger)
    is_longer = table.content_until > bindparam("until", type_=BigInteger)
    last = func.coalesce(bindparam("same_until", type_=BigInteger), table.content_until)
    statement = update(schema.message).ordered_values(
        (table.open_recipients, table.open_recipients - bindparam("final")),
        (table.finished_at, case((is_last, finished_at), else_=table.finished_at)),
        # Another recipient may have been captured before: then it stays as long as that says.
        (table.content_until, case((is_longer, table.content_until), else_=last)),
    )
    names = ["final", "same", "finished_at", "until", "same_until", "b_id"]
    return statement.where(table.id == bindparam("b_id")), names


def _delete_content() -> _Compilable:
    message = schema.message.c
    is_over = exists().where(
        message.id == schema.content.c.message_id,
        message.open_recipients == literal_column("0"),
        message.content_until.is_(None),
    )
    statement = delete(schema.content).where(
        schema.content.c.message_id == bindparam("b_message_id"), is_over
    )
    return statement, ["b_message_id"]


def _touch_credential() -> _Compilable:
    table = schema_directory.credential
    statement = update(table).values(last_used_at=bindparam("used_at"))
    return statement.where(table.c.id == bindparam("b_id")), ["used_at", "b_id"]


def _delete_by_message(table: Table) -> _Compilable:
    return delete(table).where(table.c.message_id == bindparam("b_id")), ["b_id"]


def _statements(dialect: Dialect) -> dict[Do, _Compilable]:
    return {
        Do.INSERT_LANE: _insert_lane(dialect),
        Do.INSERT_MESSAGE: _insert(schema.message),
        Do.INSERT_CONTENT: _insert(schema.content),
        Do.INSERT_UPLOAD: _insert(schema.upload),
        Do.INSERT_RECIPIENT: _insert(schema.recipient, *_RECIPIENT_COLUMNS),
        **{do: _settle_recipient(do) for do in _SETTLED_COLUMNS},
        Do.INSERT_ATTEMPT: _insert(schema.attempt),
        Do.UPDATE_MESSAGE: _update_message(),
        Do.DELETE_CONTENT: _delete_content(),
        Do.DELETE_UPLOAD: _delete_by_message(schema.upload),
        Do.DISCARD_UPLOAD: _delete_by_message(schema.upload),
        Do.DISCARD_CONTENT: _delete_by_message(schema.content),
        Do.INSERT_SESSION: _insert(schema.session),
        Do.TOUCH_CREDENTIAL: _touch_credential(),
    }
