"""What a failed statement means for the store: whether to try again, wait, or stop.

Both drivers report everything as one of a few exception classes; what counts is the code that
SQLite or PostgreSQL gave. A failure of the disk under SQLite is never tried again: after a failed
sync nobody knows what is on the disk, and a second sync may report success for pages that are
gone. PostgreSQL guards its own disk in the same way, so its failures only mean "not now".
"""

from enum import Enum, auto

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy.exc import DBAPIError

from pillarbox.errors import SpoolTrouble, SpoolUnavailable


class Fault(Enum):
    """What to do about a failed transaction."""

    AGAIN = auto()
    """A conflict with another writer: the same transaction can succeed at once."""
    FULL = auto()
    """No room; nothing was written."""
    AWAY = auto()
    """The database does not answer."""
    BAD = auto()
    """The disk failed: stop."""
    WORK = auto()
    """The work itself is wrong; other work is fine."""


TROUBLES = {
    Fault.AGAIN: SpoolTrouble.AWAY,
    Fault.FULL: SpoolTrouble.FULL,
    Fault.AWAY: SpoolTrouble.AWAY,
    Fault.BAD: SpoolTrouble.BAD,
}

_SQLITE = {
    5: Fault.AGAIN,  # SQLITE_BUSY
    6: Fault.AGAIN,  # SQLITE_LOCKED
    7: Fault.AWAY,  # SQLITE_NOMEM
    8: Fault.BAD,  # SQLITE_READONLY: the file system went read-only
    10: Fault.BAD,  # SQLITE_IOERR
    11: Fault.BAD,  # SQLITE_CORRUPT
    13: Fault.FULL,  # SQLITE_FULL
    14: Fault.AWAY,  # SQLITE_CANTOPEN: no file descriptor left, say
    26: Fault.BAD,  # SQLITE_NOTADB
}
_LOST_SQLITE = (11, 26)
"""Of these no other try helps."""

_SQLSTATES = {
    "53100": Fault.FULL,  # disk_full
    "25006": Fault.AWAY,  # read_only_sql_transaction: a standby
    "55P03": Fault.AGAIN,  # lock_not_available
}
_SQLSTATE_CLASSES = {
    "08": Fault.AWAY,  # connection exception
    "40": Fault.AGAIN,  # serialization failure, deadlock
    "53": Fault.AWAY,  # insufficient resources
    "57": Fault.AWAY,  # operator intervention: shutdown, starting up
    "58": Fault.AWAY,  # system error outside of PostgreSQL
    "28": Fault.AWAY,  # login refused: the administrator is changing it
    "3D": Fault.AWAY,  # no such database: it is being restored
    "XX": Fault.AWAY,  # internal error
}


def fault_of(error: BaseException) -> Fault:
    """What this error of a driver, of SQLAlchemy or of our own code means."""
    cause = _cause(error)
    if isinstance(cause, sqlite.Error):
        return _SQLITE.get(_sqlite_code(cause), Fault.WORK)
    if type(cause).__module__.partition(".")[0] == "psycopg":
        return _of_postgresql(cause)
    return Fault.WORK


def _cause(error: BaseException) -> BaseException | None:
    return error.orig if isinstance(error, DBAPIError) else error


def _sqlite_code(cause: BaseException | None) -> int:
    """0: it is no error of SQLite."""
    code: int = getattr(cause, "sqlite_errorcode", 0)
    return code & 0xFF


def _of_postgresql(cause: BaseException | None) -> Fault:
    # Whoever uses SQLite does not load it.
    import psycopg

    if not isinstance(cause, psycopg.Error):
        return Fault.WORK
    state = cause.sqlstate
    if state is None:
        return Fault.AWAY if isinstance(cause, psycopg.OperationalError) else Fault.WORK
    return _SQLSTATES.get(state) or _SQLSTATE_CLASSES.get(state[:2], Fault.WORK)


def unavailable(error: BaseException) -> SpoolUnavailable | None:
    """The error that callers of the store get for it; None when it is about the work itself."""
    trouble = TROUBLES.get(fault_of(error))
    if trouble is None:
        return None
    is_lost = _sqlite_code(_cause(error)) in _LOST_SQLITE
    return SpoolUnavailable(trouble, str(error).partition("\n")[0], is_lost=is_lost)
