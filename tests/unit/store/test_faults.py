"""store.faults: what the errors of the drivers mean."""

import traceback

import psycopg
import pytest
from psycopg import errors
from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from tests.support.storing import open_database

from pillarbox.errors import SpoolTrouble
from pillarbox.store.faults import Fault, fault_of, unavailable


def _sqlite(code: int) -> sqlite.Error:
    error = sqlite.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (5, Fault.AGAIN),
        (5 | 2 << 8, Fault.AGAIN),
        (10, Fault.BAD),
        (10 | 4 << 8, Fault.BAD),
        (11, Fault.BAD),
        (13, Fault.FULL),
        (14, Fault.AWAY),
        (19 | 6 << 8, Fault.WORK),
        (1, Fault.WORK),
    ],
)
def test_codes_of_sqlite(code: int, fault: Fault) -> None:
    """Extended codes count as their first octet: a failed sync (1034) is a failed disk."""
    assert fault_of(_sqlite(code)) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (errors.DiskFull(), Fault.FULL),
        (errors.DeadlockDetected(), Fault.AGAIN),
        (errors.SerializationFailure(), Fault.AGAIN),
        (errors.LockNotAvailable(), Fault.AGAIN),
        (errors.AdminShutdown(), Fault.AWAY),
        (errors.CannotConnectNow(), Fault.AWAY),
        (errors.TooManyConnections(), Fault.AWAY),
        (errors.ReadOnlySqlTransaction(), Fault.AWAY),
        (errors.IoError(), Fault.AWAY),
        (errors.UniqueViolation(), Fault.WORK),
        (errors.NotNullViolation(), Fault.WORK),
        (errors.UndefinedTable(), Fault.WORK),
        (psycopg.OperationalError("connection refused"), Fault.AWAY),
        (psycopg.DataError("NUL"), Fault.WORK),
        (ValueError("ours"), Fault.WORK),
    ],
)
def test_states_of_postgresql(error: Exception, fault: Fault) -> None:
    """By SQLSTATE where there is one."""
    assert fault_of(error) is fault


def test_callers_are_told_in_one_line() -> None:
    """The trouble decides about the reply, the cause goes into the log."""
    told = unavailable(psycopg.OperationalError("connection refused\nis the server running?"))

    assert told is not None
    assert told.trouble is SpoolTrouble.AWAY
    assert told.cause == "connection refused"
    assert unavailable(ValueError("ours")) is None


@pytest.mark.parametrize(
    ("error", "is_lost"),
    [
        (_sqlite(11), True),
        (_sqlite(11 | 1 << 8), True),
        (_sqlite(26), True),
        (_sqlite(10), False),
        (_sqlite(14), False),
        (psycopg.OperationalError("connection refused"), False),
    ],
)
def test_a_file_that_is_no_database_is_lost(error: Exception, is_lost: bool) -> None:
    """Whoever starts a worker again and again for it would do so for ever."""
    told = unavailable(error)

    assert told is not None
    assert told.is_lost is is_lost


def test_what_a_statement_was_given_is_not_in_its_error(database_url: str) -> None:
    """Errors that nobody expected end in the log with their traceback; sealed secrets, verifiers of
    passwords and content are parameters."""
    database, verifier = open_database(database_url), "$argon2id$x"

    def fail(connection: Connection) -> None:
        connection.execute(text("INSERT INTO nowhere VALUES (:hash)"), {"hash": verifier})

    with pytest.raises(DBAPIError, match="nowhere") as caught:
        database.write_now(fail)
    database.close_now()

    assert "argon2id" not in "".join(traceback.format_exception(caught.value))
