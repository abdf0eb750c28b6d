"""The files of large content beside SQLite's database: which there are, and which should be."""

import time
from pathlib import Path

from sqlalchemy import Connection, or_, select

from pillarbox.mail.identifier import format_id
from pillarbox.store.content import read_chunk
from pillarbox.store.database import Database
from pillarbox.store.schema import message
from pillarbox.store.spool import Spool
from pillarbox.store.upkeep import UPLOAD_MS

CONTENT_FOLDER = "pillarbox.sqlite3-content"


def content_files(database: Path) -> set[str]:
    """The names of the files, which are queue ids."""
    folder = database.with_name(f"{database.name}-content")
    return {file.name for file in folder.iterdir()} if folder.exists() else set()


async def collect_left(database: Database) -> None:
    """Remove what a worker removes as soon as the numbers of the dead are free and all that came in
    at their time has come."""
    later = int(time.time() * 1000) + 2 * UPLOAD_MS
    await Spool(database).collect_orphans(instance=0, since=0, now=later)


async def content_damage(file: Path) -> list[str]:
    """Files that stay though nobody needs them, and messages without their content; only while the
    service does not run."""
    database = Database.open(f"sqlite:///{file}", reserve_octets=0)
    try:
        await collect_left(database)
        return await database.read(lambda c: _damage(c, content_files(file)))
    finally:
        await database.close()


def left_files(connection: Connection, files: set[str]) -> list[str]:
    """Those of the files whose content nobody needs."""
    return sorted(files - {format_id(queue_id) for queue_id in _chunks_needed(connection)})


def _damage(connection: Connection, files: set[str]) -> list[str]:
    said = [f"the content of {name} was left" for name in left_files(connection, files)]
    for queue_id, chunks in _chunks_needed(connection).items():
        if any(read_chunk(connection, queue_id, number) is None for number in range(chunks)):
            said.append(f"{format_id(queue_id)} has lost its content")
    return said


def _chunks_needed(connection: Connection) -> dict[int, int]:
    """The messages whose content is to be there, and in how many chunks."""
    columns = message.c
    is_needed = or_(columns.open_recipients > 0, columns.content_until.is_not(None))
    found = connection.execute(select(columns.id, columns.chunks).where(is_needed))
    return {row.id: row.chunks for row in found}
