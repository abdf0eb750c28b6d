"""Where the content of a message is: in rows of the table, or on SQLite in a file of its own when
it is larger than a chunk (store.content_files)."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, select

from pillarbox.store.content_files import ContentFiles
from pillarbox.store.schema import content, message


def read_chunk(connection: Connection, queue_id: int, number: int) -> bytes | None:
    """One chunk of content; None if it is gone. Raises SpoolUnavailable."""
    files = files_of(connection)
    octets = None if files is None else files.read(queue_id, number)
    if octets is not None:
        return octets
    query = select(content.c.octets).where(
        content.c.message_id == queue_id, content.c.number == number
    )
    row: bytes | None = connection.scalar(query)
    return row


def files_of(connection: Connection) -> ContentFiles | None:
    """The files beside SQLite's database; None with PostgreSQL."""
    name = connection.engine.url.database if connection.dialect.name == "sqlite" else None
    return None if name is None else ContentFiles(Path(name))


def wanted(connection: Connection, queue_ids: Sequence[int]) -> dict[int, bool]:
    """Whether the content of each message is needed any more; messages that are not there are not
    in the answer."""
    columns = message.c
    query = select(columns.id, columns.open_recipients, columns.content_until)
    found = connection.execute(query.where(columns.id.in_(queue_ids)))
    return {queue_id: bool(count) or until is not None for queue_id, count, until in found}
