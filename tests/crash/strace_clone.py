"""What the product's own code finds in a folder after a power cut."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, select
from tests.crash.content_folder import collect_left, content_files, left_files

from pillarbox.mail.envelope import RecipientState
from pillarbox.store import schema
from pillarbox.store.content import read_chunk
from pillarbox.store.database import Database


@dataclass(frozen=True, slots=True)
class Found:
    """A message in the store; `octets` None: it is final, and its content is gone."""

    recipients: tuple[str, ...]
    states: tuple[RecipientState, ...]
    octets: bytes | None

    @property
    def is_final(self) -> bool:
        """Whether nothing more is to be done."""
        return all(state.is_final for state in self.states)


async def open_clone(file: Path) -> dict[str, Found]:
    """Open the database as a worker does at its start, and let it clear up; the messages by their
    markers. Fails unless SQLite finds the file in order, and no file of content is left over."""
    database = Database.open(f"sqlite:///{file}", reserve_octets=0)
    try:
        database.migrate()
        await collect_left(database)
        found = await database.write(read_all)
        left = await database.read(lambda c: left_files(c, content_files(file)))
        assert not left, f"files are left that nobody needs: {left[:3]}"
        return found
    finally:
        await database.close()


def read_all(connection: Connection) -> dict[str, Found]:
    """All messages in the store."""
    assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
    found: dict[str, Found] = {}
    recipient = schema.recipient
    for queue_id, chunks in connection.execute(
        select(schema.message.c.id, schema.message.c.chunks)
    ).all():
        rows = connection.execute(
            select(recipient.c.address, recipient.c.state)
            .where(recipient.c.message_id == queue_id)
            .order_by(recipient.c.number)
        ).all()
        read = [read_chunk(connection, queue_id, number) for number in range(chunks)]
        pieces = [piece for piece in read if piece is not None]
        addresses = tuple(row[0] for row in rows)
        octets = b"".join(pieces) if len(pieces) == chunks else None
        states = tuple(RecipientState(row[1]) for row in rows)
        marker = addresses[0].partition("@")[0].partition(".")[2] if addresses else ""
        found[marker] = Found(addresses, states, octets)
    return found
