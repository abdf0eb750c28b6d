"""The time by which leases are measured: the database's, so all machines mean the same."""

from sqlalchemy import BigInteger, ColumnElement, Connection, Dialect, literal_column, select

from pillarbox.mail.envelope import Timestamp


def database_now(connection: Connection) -> ColumnElement[int]:
    """Milliseconds since 1970 in UTC, as an expression."""
    return now_of(connection.dialect)


def now_of(dialect: Dialect) -> ColumnElement[int]:
    """The same for a kind of database."""
    if dialect.name == "sqlite":
        text = "CAST(unixepoch('subsec') * 1000 AS INTEGER)"
    else:
        text = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    return literal_column(text, BigInteger)


def read_clock(connection: Connection) -> Timestamp:
    """The same as a number."""
    return int(connection.execute(select(database_now(connection))).scalar_one())
