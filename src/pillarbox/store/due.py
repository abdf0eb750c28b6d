"""What of the spool is to be tried: the queries behind store.spool."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select, update

from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import EPOCH
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.store.lanes import LaneRecord, insert_lane
from pillarbox.store.rows import message_of, recipient_of
from pillarbox.store.schema import message, recipient


def first_id(moment: Timestamp) -> int:
    """The lowest queue id that can be made at this moment."""
    return max(moment - EPOCH, 0) << 22


def load_due(
    connection: Connection,
    lane_id: int,
    *,
    now: Timestamp,
    limit: int,
    exclude: frozenset[int] = frozenset(),
) -> list[SpooledMessage]:
    """See Spool.load_due. The first query reads the due index only."""
    is_due = (recipient.c.lane_id == lane_id, recipient.c.next_attempt_at <= now)
    query = (
        select(recipient.c.message_id)
        .where(*is_due)
        .order_by(recipient.c.next_attempt_at, recipient.c.message_id)
    )
    wanted: list[int] = []
    rows = limit + len(exclude)
    while len(wanted) < limit:
        found = connection.scalars(query.limit(rows)).all()
        wanted = [one for one in dict.fromkeys(found) if one not in exclude][:limit]
        if len(found) < rows:
            break
        # Messages with many recipients took the room.
        rows *= 4
    return _load(connection, wanted, select(recipient).where(*is_due))


def next_due(connection: Connection, lane_id: int) -> Timestamp | None:
    """See Spool.next_due."""
    query = (
        select(recipient.c.next_attempt_at)
        .where(recipient.c.lane_id == lane_id, recipient.c.next_attempt_at.is_not(None))
        .order_by(recipient.c.next_attempt_at)
        .limit(1)
    )
    moment: Timestamp | None = connection.scalar(query)
    return moment


def older_than(
    connection: Connection,
    lane_id: int,
    *,
    received_before: Timestamp,
    limit: int,
    unnotified: bool = False,
    after: int = 0,
) -> list[SpooledMessage]:
    """See Spool.older_than. The id of a message tells when it came."""
    waits = [
        recipient.c.lane_id == lane_id,
        recipient.c.next_attempt_at.is_not(None),
        recipient.c.message_id > after,
        recipient.c.message_id < first_id(received_before),
    ]
    if unnotified:
        waits.append(recipient.c.delay_notified.is_(False))
    query = (
        select(recipient.c.message_id)
        .where(*waits)
        .distinct()
        .order_by(recipient.c.message_id)
        .limit(limit)
    )
    queue_ids = list(connection.scalars(query))
    return _load(connection, queue_ids, select(recipient).where(*waits))


def _load(
    connection: Connection, queue_ids: Sequence[int], recipients: Select[*tuple[Any, ...]]
) -> list[SpooledMessage]:
    """These messages in this order, each with what `recipients` finds of it."""
    if not queue_ids:
        return []
    found: dict[int, list[SpooledRecipient]] = {}
    query = recipients.where(recipient.c.message_id.in_(queue_ids)).order_by(
        recipient.c.message_id, recipient.c.number
    )
    for row in connection.execute(query).mappings():
        found.setdefault(row["message_id"], []).append(recipient_of(row))
    messages = {
        row["id"]: message_of(row, found[row["id"]])
        for row in connection.execute(select(message).where(message.c.id.in_(queue_ids))).mappings()
        if row["id"] in found
    }
    return [messages[queue_id] for queue_id in queue_ids if queue_id in messages]


def move(
    connection: Connection, queue_id: int, numbers: Sequence[int], *, lane: LaneRecord
) -> None:
    """See Spool.move."""
    insert_lane(connection, lane.lane_id, lane.hop, lane.number)
    connection.execute(
        update(recipient)
        .where(
            recipient.c.message_id == queue_id,
            recipient.c.number.in_(numbers),
            recipient.c.finished_at.is_(None),
        )
        .values(lane_id=lane.lane_id)
    )
