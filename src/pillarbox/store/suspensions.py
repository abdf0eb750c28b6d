"""Lanes that are suspended: their next hop takes nothing before somebody changes something.

The owner of the lane writes it, so that people can read why mail waits; nothing is decided by it
but that the next owner begins with a single attempt.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.store.database import Database
from pillarbox.store.schema import attempt, recipient, suspension
from pillarbox.store.upsert import insert_or_update

_MOST_UNREACHED = 1000
"""A hop that can not be reached is only probed, so few are put off in two days."""


@dataclass(frozen=True, slots=True)
class Suspension:
    """Since when a next hop takes nothing, by which reply, and what helps. `explanation` is the id
    in explain.replies, `remedy` the class."""

    since_at: Timestamp
    reply: str
    explanation: str
    remedy: str
    cause: str
    fix: str


class Suspensions:
    """Suspensions by the id of the lane. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, lane_id: int) -> Suspension | None:
        """What was last written about a lane."""
        return await self._database.read(lambda c: load(c, lane_id))

    async def suspend(self, lane_id: int, hop: str, found: Suspension) -> None:
        """Write it down; what was written before is replaced."""
        await self._database.write(lambda c: suspend(c, lane_id, hop, found))

    async def resume(self, lane_id: int, *, now: Timestamp) -> None:
        """The next hop takes mail again: what was put off in the lane is tried now."""
        await self._database.write(lambda c: resume(c, lane_id, now=now))

    async def unreached(self, lane_id: int, *, now: Timestamp) -> frozenset[int]:
        """Messages that wait in the lane since the next hop could not be reached: no host said
        anything at their last attempt, and our code is one of the network (RFC 3463 3.5)."""
        return await self._database.read(lambda c: unreached(c, lane_id, now=now))

    async def wake(self, lane_id: int, queue_ids: Collection[int], *, now: Timestamp) -> None:
        """What was put off of these messages in the lane is tried now."""
        of_these = recipient.c.message_id.in_(queue_ids)
        await self._database.write(lambda c: _wake(c, lane_id, now, of_these))


_COLUMNS = [suspension.c[each.name] for each in fields(Suspension)]


def load(connection: Connection, lane_id: int) -> Suspension | None:
    """See Suspensions.load."""
    query = select(*_COLUMNS).where(suspension.c.lane_id == lane_id)
    row = connection.execute(query).first()
    return None if row is None else Suspension(*row)


def suspend(connection: Connection, lane_id: int, hop: str, found: Suspension) -> None:
    """See Suspensions.suspend."""
    values = asdict(found)
    connection.execute(
        insert_or_update(connection, suspension)
        .values(lane_id=lane_id, hop=hop, **values)
        .on_conflict_do_update(index_elements=["lane_id"], set_=values)
    )


def resume(connection: Connection, lane_id: int, *, now: Timestamp) -> None:
    """See Suspensions.resume."""
    connection.execute(delete(suspension).where(suspension.c.lane_id == lane_id))
    _wake(connection, lane_id, now)


def _wake(
    connection: Connection, lane_id: int, now: Timestamp, *narrower: ColumnElement[bool]
) -> None:
    connection.execute(
        update(recipient)
        .where(
            recipient.c.lane_id == lane_id,
            recipient.c.next_attempt_at > now,
            recipient.c.state == RecipientState.DEFERRED.value,
            *narrower,
        )
        .values(next_attempt_at=now)
    )


def unreached(connection: Connection, lane_id: int, *, now: Timestamp) -> frozenset[int]:
    """See Suspensions.unreached."""
    is_last = and_(
        attempt.c.message_id == recipient.c.message_id,
        attempt.c.recipient_number == recipient.c.number,
        attempt.c.number == recipient.c.attempts,
    )
    query = (
        select(recipient.c.message_id)
        .join(attempt, is_last)
        .where(
            recipient.c.lane_id == lane_id,
            recipient.c.next_attempt_at > now,
            recipient.c.state == RecipientState.DEFERRED.value,
            recipient.c.last_reply.like("451 4.4.%"),
            attempt.c.remote_host == "",
        )
        .limit(_MOST_UNREACHED)
    )
    return frozenset(connection.scalars(query))


def list_suspensions(connection: Connection) -> dict[str, Suspension]:
    """All of them by the name of the hop; of several lanes of a hop the first that was."""
    query = select(suspension.c.hop, *_COLUMNS).order_by(suspension.c.since_at)
    found: dict[str, Suspension] = {}
    for hop, *values in connection.execute(query):
        found.setdefault(hop, Suspension(*values))
    return found
