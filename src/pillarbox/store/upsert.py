"""INSERT … ON CONFLICT, which SQLite and PostgreSQL both have and SQLAlchemy spells twice."""

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_or_update(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT into the table that knows `on_conflict_do_nothing` and `_do_update`."""
    maker = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return maker(table)
