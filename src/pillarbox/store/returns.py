"""What came back about messages, and what follows from it, in one transaction.

Of each kind the first one about a recipient counts, so a server that sends its report twice, or
one that did not read our 250, changes nothing by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Table, insert, select

from pillarbox.errors import PillarboxError
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.return_path import ReturnTag
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.store.content import read_chunk
from pillarbox.store.database import Database
from pillarbox.store.lanes import insert_lane
from pillarbox.store.rows import clean, content_rows, message_of, message_row, recipient_of
from pillarbox.store.rows import recipient_rows as rows_of_recipients
from pillarbox.store.schema import content, message, recipient, returned
from pillarbox.store.spool import Spool
from pillarbox.store.statements import Row
from pillarbox.store.suppressions import Bounced, suppress_bounced, suppress_complaints
from pillarbox.store.upsert import insert_or_update

NOBODY = -1
"""The number where it can not be told which recipient a report is about."""


class ReturnedMeanwhile(PillarboxError):
    """The same came back at the same time, in another session: look again."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message that was sent from here, with those of its recipients whom a return address can
    mean. `known`: number and kind of what came back before."""

    message: SpooledMessage
    candidates: tuple[SpooledRecipient, ...]
    known: frozenset[tuple[int, str]]


@dataclass(frozen=True, slots=True)
class ReturnRecord:
    """What came back about one recipient; `number` is NOBODY where nobody knows."""

    number: int
    kind: str
    reply: str
    remote_host: str


@dataclass(frozen=True, slots=True)
class TakenReturn:
    """All that follows from one message that came back. `told` is what the sender gets."""

    queue_id: int
    session_id: int
    received_at: Timestamp
    records: tuple[ReturnRecord, ...]
    told: SpooledMessage | None = None
    bounced: tuple[Bounced, ...] = ()
    complained: tuple[Bounced, ...] = ()


class Returns:
    """What has come back, over the database of a process."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool

    async def find(self, tag: ReturnTag) -> Sent | None:
        """Whom an address means; None where nothing is known of the message any more. Raises
        SpoolUnavailable."""
        return await self._database.read(lambda c: find_sent(c, tag))

    async def record(self, taken: TakenReturn) -> list[Bounced]:
        """Make it durable; whom the tenant does not send to from now on. Raises SpoolUnavailable,
        and ReturnedMeanwhile."""
        self._database.check_room()
        told = taken.told
        lanes = [] if told is None else self._spool.new_lanes(told)
        return await self._database.write(lambda c: record_return(c, taken, lanes))

    async def beginning(self, sent: SpooledMessage) -> bytes:
        """The beginning of the message as it was received, b"" where it is not kept. Raises
        SpoolUnavailable."""
        found = await self._database.read(lambda c: read_chunk(c, sent.queue_id, 0))
        return found or b""


def find_sent(connection: Connection, tag: ReturnTag) -> Sent | None:
    """The message of an address, as far as the address speaks of it."""
    row = connection.execute(select(message).where(message.c.id == tag.queue_id)).mappings().first()
    if row is None or not row["reverse_path"]:
        return None
    query = select(recipient).where(recipient.c.message_id == tag.queue_id)
    everyone = [recipient_of(r) for r in connection.execute(query).mappings()]
    named = next((one for one in everyone if one.recipient.number == tag.number), None)
    if named is None:
        return None
    # Who went with it in one transaction stands in the same lane.
    candidates = [one for one in everyone if one.lane_id == named.lane_id]
    before = select(returned.c.recipient_number, returned.c.kind)
    known = connection.execute(before.where(returned.c.message_id == tag.queue_id))
    return Sent(
        message_of(row, ()),
        tuple(candidates) if tag.is_shared else (named,),
        frozenset((number, kind) for number, kind in known),
    )


def record_return(
    connection: Connection, taken: TakenReturn, lanes: Sequence[Row]
) -> list[Bounced]:
    """Write down what came back, suppress whom it says is not there (those are returned), and put
    what the sender is told into the queue. Raises ReturnedMeanwhile."""
    told = taken.told
    now = taken.received_at
    for one in taken.records:
        row = {
            "message_id": taken.queue_id,
            "recipient_number": one.number,
            "kind": one.kind,
            "received_at": now,
            "session_id": taken.session_id,
            "reply": clean(one.reply),
            "remote_host": clean(one.remote_host),
            "report_id": None if told is None else told.queue_id,
        }
        statement = insert_or_update(connection, returned).values(row).on_conflict_do_nothing()
        if connection.execute(statement.returning(returned.c.kind)).first() is None:
            raise ReturnedMeanwhile
    suppressed = suppress_bounced(connection, taken.bounced, now=now)
    suppressed += suppress_complaints(connection, taken.complained, now=now)
    if told is not None:
        _put(connection, told, lanes)
    return suppressed


def _put(connection: Connection, told: SpooledMessage, lanes: Sequence[Row]) -> None:
    """As the spool does for messages that clients send."""
    for lane_id, hop, number in lanes:
        insert_lane(connection, lane_id, hop, number)
    chunks = content_rows(told)
    told.chunks = len(chunks)
    for table, rows in (
        (content, chunks),
        (message, [message_row(told)]),
        (recipient, rows_of_recipients(told)),
    ):
        for values in rows:
            connection.execute(insert(table).values(_named(table, values)))


def _named(table: Table, row: Row) -> dict[str, object]:
    """The first columns of a table with the values of a row."""
    return dict(zip((column.name for column in table.columns), row, strict=False))
