"""What the database says of its own state."""

from sqlalchemy import Connection, text

MAX_PROBLEMS = 5


def damage(connection: Connection) -> tuple[str, ...]:
    """What SQLite finds wrong in its file; nothing where all is well. It reads the whole file.
    PostgreSQL has no such question."""
    if connection.dialect.name != "sqlite":
        return ()
    rows = connection.execute(text(f"PRAGMA quick_check({MAX_PROBLEMS})"))
    return tuple(str(row[0]) for row in rows if row[0] != "ok")
