"""The time by which leases are measured: the database's, so all machines mean the same."""

from sqlalchemy import BigInteger, ColumnElement, Connection, Dialect, literal_column


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
