"""Engines for SQLite and PostgreSQL, set up so that a commit is durable.

Both run in autocommit mode: transactions are begun and ended by `transaction` and by the writer,
in plain sight. SQLite comes from pysqlite3, which carries its own, newer library.
"""

import operator
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from pillarbox.errors import ConfigError, Problem
from pillarbox.files import sync_folder
from pillarbox.store.faults import Fault, fault_of

READERS = 4
"""Threads, and so connections, that read at the same time."""

PAGE_OCTETS = 4096
"""Of a new database file: a commit writes whole pages, and most of its rows are small."""

_CACHED_STATEMENTS = 512
"""The writer has one for each number of rows that go together (statements.MAX_GROUP)."""

BUSY_SECONDS = 10
"""How long a writer waits for another process (the command line, a second worker)."""

_LOOK_SECONDS = 0.001
"""How often the command line looks whether it may write."""

WAL_LIMIT_OCTETS = 64 * 1024 * 1024
"""A write-ahead log that a long reader made grow is cut back to this."""

FIRST_SAFE_SQLITE = (3, 51, 3)
"""Before it, two connections that write and checkpoint at once can damage the file: the WAL-reset
bug of 3.7.0 to 3.51.2."""

_CONNECT_SECONDS = 5
_POSTGRESQL_CONNECT: dict[str, str | int] = {
    "application_name": "pillarbox",
    "connect_timeout": _CONNECT_SECONDS,
    # A machine that vanished is noticed within half a minute.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}
# Of a value of any other type than these and plain numbers and texts the driver asks whether it
# adapts itself to SQL, in vain: three times as long as the rest of what it does with a value.
sqlite.register_adapter(type(None), {}.get)
sqlite.register_adapter(bool, operator.index)
sqlite.register_adapter(bytes, bytes)

_WEAKER_COMMITS = ("off", "local", "remote_write")


@dataclass(frozen=True, slots=True)
class Engines:
    """`writer` opens a connection each time; `reader` keeps a few. `file` is SQLite's database,
    None with PostgreSQL."""

    writer: Engine
    reader: Engine
    file: Path | None

    def dispose(self) -> None:
        """Close all connections that nobody uses."""
        self.writer.dispose()
        self.reader.dispose()


def open_engines(url: str) -> Engines:
    """Engines for `sqlite:///path` or `postgresql+psycopg://…`. Raises ConfigError."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise _problem("is not a database URL") from error
    if parsed.get_backend_name() == "sqlite":
        return _sqlite_engines(parsed)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        return _postgresql_engines(parsed)
    raise _problem(f"{parsed.drivername} is not supported")


def _problem(text: str) -> ConfigError:
    hint = "write sqlite:///PATH or postgresql+psycopg://USER@HOST/DATABASE"
    return ConfigError([Problem("database_url", text, hint)])


def _postgresql_engines(url: URL) -> Engines:
    arguments: dict[str, Any] = {
        "connect_args": {k: v for k, v in _POSTGRESQL_CONNECT.items() if k not in url.query},
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        # Errors end in the log; sealed secrets, verifiers of passwords and content are parameters.
        "hide_parameters": True,
        "paramstyle": "format",
    }
    writer = create_engine(url, poolclass=NullPool, **arguments)
    event.listen(writer, "connect", _set_up_postgresql_writer)
    reader = create_engine(
        url, poolclass=QueuePool, pool_size=READERS, max_overflow=0, pool_pre_ping=True, **arguments
    )
    return Engines(writer, reader, None)


def _set_up_postgresql_writer(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SHOW synchronous_commit")
    if cursor.fetchall()[0][0] in _WEAKER_COMMITS:
        cursor.execute("SET synchronous_commit = on")
    cursor.execute("SET default_transaction_isolation = 'read committed'")
    cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
    cursor.close()


def _sqlite_engines(url: URL) -> Engines:
    if sqlite.sqlite_version_info < FIRST_SAFE_SQLITE:
        needed = ".".join(map(str, FIRST_SAFE_SQLITE))
        raise ConfigError(
            [
                Problem(
                    "database_url",
                    f"SQLite {sqlite.sqlite_version} can damage a database under load",
                    f"install a pysqlite3 with SQLite {needed} or newer, or use PostgreSQL",
                )
            ]
        )
    if not url.database or url.database == ":memory:":
        raise _problem("SQLite needs the path of a file")
    # Log, locks and content lie beside the file, also where a link leads to it.
    file = Path(url.database).resolve()
    url = url.set(database=str(file))
    create_file(file)
    arguments: dict[str, Any] = {
        "module": sqlite,
        "connect_args": {
            "timeout": BUSY_SECONDS,
            "check_same_thread": False,
            "cached_statements": _CACHED_STATEMENTS,
        },
        "isolation_level": "AUTOCOMMIT",
        "skip_autocommit_rollback": True,
        # Errors end in the log; sealed secrets, verifiers of passwords and content are parameters.
        "hide_parameters": True,
    }
    writer = create_engine(url, poolclass=NullPool, **arguments)
    event.listen(writer, "connect", _set_up_sqlite_writer)
    reader = create_engine(url, poolclass=QueuePool, pool_size=READERS, max_overflow=0, **arguments)
    event.listen(reader, "connect", _set_up_sqlite_reader)
    return Engines(writer, reader, file)


def create_file(file: Path) -> None:
    """Make an empty database file that only its owner can read, and make its name durable.

    SQLite gives its -wal and -shm files the same mode, and syncs their names itself.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as error:
        hint = f"make the folder {file.parent} and let this user write to it"
        raise ConfigError([Problem("database_url", f"{file}: {error.strerror}", hint)]) from error
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    sync_folder(file.parent)


def _run_between_others(execute: Callable[[str], object], statement: str) -> None:
    """Run what takes SQLite's lock in a short moment in which a busy service does not have it.

    SQLite itself looks every 100 ms after a while, and may find the lock taken each time; and for
    some locks it does not look twice, whatever the busy timeout is.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                execute(statement)
            except (DBAPIError, sqlite.Error) as error:
                if fault_of(error) is not Fault.AGAIN or time.monotonic() > deadline:
                    raise
                time.sleep(_LOOK_SECONDS)
            else:
                return
    finally:
        execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def _set_up_sqlite_writer(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA page_size = {PAGE_OCTETS}")
    # Processes that open a new file at the same time are in each other's way here.
    _run_between_others(cursor.execute, "PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    # The writer makes the checkpoints: SQLite's own hide a failed sync of the database file.
    cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.execute("PRAGMA cache_size = -32768")
    cursor.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT_OCTETS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _set_up_sqlite_reader(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA wal_autocheckpoint = 0")
    cursor.execute("PRAGMA query_only = ON")
    cursor.close()


def begin_statement(connection: Connection) -> str:
    """How a transaction that writes begins: SQLite takes its lock at once, so that it can not
    fail half-way because another process was faster."""
    return "BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN"


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """One transaction on a connection in autocommit mode."""
    if connection.dialect.name == "sqlite":
        _run_between_others(connection.exec_driver_sql, begin_statement(connection))
    else:
        connection.exec_driver_sql("BEGIN")
    try:
        yield connection
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        if not connection.invalidated:
            connection.connection.rollback()
        raise
