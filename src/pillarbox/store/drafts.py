"""Drafts of large messages in mailboxes of Microsoft 365, so that none is sent twice or left there.

A draft is written down when it was made, before anything is added to it, and again before it is
sent; it is known until its message is finished (store.upkeep). So whoever tries the message again,
after a lost answer or a crash, can look what became of it.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, insert, select, update

from pillarbox.store.database import Database
from pillarbox.store.schema import draft


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft. `recipients` are the numbers of those whom it names; `is_complete`: it may have
    been sent."""

    queue_id: int
    draft_id: str
    mailbox: str
    recipients: frozenset[int]
    is_complete: bool = False


class Drafts:
    """All drafts. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, queue_id: int, mailbox: str) -> list[Draft]:
        """Those of a message in a mailbox."""
        return await self._database.read(lambda c: drafts_of(c, queue_id, mailbox))

    async def add(self, made: Draft) -> None:
        """It was made."""
        await self._database.write(lambda c: add(c, made))

    async def complete(self, made: Draft) -> None:
        """It is about to be sent."""
        await self._database.write(
            lambda c: c.execute(update(draft).where(_is(made)).values(is_complete=True))
        )

    async def forget(self, made: Draft) -> None:
        """It is there no more, and was not sent."""
        await self._database.write(lambda c: c.execute(delete(draft).where(_is(made))))


def _is(made: Draft) -> ColumnElement[bool]:
    return and_(draft.c.message_id == made.queue_id, draft.c.id == made.draft_id)


def drafts_of(connection: Connection, queue_id: int, mailbox: str) -> list[Draft]:
    """See Drafts.of."""
    query = select(draft).where(draft.c.message_id == queue_id, draft.c.mailbox == mailbox)
    return [
        Draft(
            row.message_id,
            row.id,
            row.mailbox,
            frozenset(map(int, row.recipients.split())),
            row.is_complete,
        )
        for row in connection.execute(query)
    ]


def add(connection: Connection, made: Draft) -> None:
    """See Drafts.add."""
    values = {
        "message_id": made.queue_id,
        "id": made.draft_id,
        "mailbox": made.mailbox,
        "recipients": " ".join(map(str, sorted(made.recipients))),
        "is_complete": made.is_complete,
    }
    connection.execute(insert(draft).values(**values))
