"""Lanes and who owns them. A lane is leased to one process; the lease is renewed by heartbeat and
can be taken over when it has ended. Owners are named by a token that a process makes for itself.

`lease_until` of a lane that was given back says when it was. Rows of lanes that nobody has owned
for long go; a process that puts mail into one of these makes it again. It remembers a row
for an hour (app.upkeep), and on PostgreSQL who makes rows waits for who removes some.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    delete,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from pillarbox.mail.envelope import Timestamp
from pillarbox.route import lane_id as id_of_lane
from pillarbox.store.clock import database_now
from pillarbox.store.database import Database
from pillarbox.store.schema import lane, recipient, suspension
from pillarbox.store.statements import ROWS_LOCK
from pillarbox.store.upsert import insert_or_update

UNUSED_MS = 30 * 86_400_000
"""So long a lane is kept that nobody has owned."""

DROPPED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class LaneRecord:
    """A lane of a hop."""

    lane_id: int
    hop: str
    number: int


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """How much of the windows of a lane's next hop is used (delivery.usage), "" if nothing, and
    when that was, as the writer's machine counts since its start."""

    lane_id: int
    text: str = ""
    boot: str = ""
    uptime_ms: int = 0


@dataclass(frozen=True, slots=True)
class SavedUsage:
    """The same with its age by the clock of the database."""

    record: UsageRecord
    age_ms: int = 0


class Lanes:
    """Claims, renews and gives back lanes. All methods raise SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, hop: str, number: int = 0, *, owner: str, lease_ms: int) -> bool:
        """Take a lane that is free, whose lease has ended, or that is ours; whether it is ours
        now. Makes the lane's row if there is none."""
        return await self._database.write(
            lambda c: claim(c, hop, number, owner=owner, lease_ms=lease_ms)
        )

    async def renew(self, *, owner: str, lease_ms: int) -> frozenset[int]:
        """Renew every lease of an owner; the ids of the lanes that are still its own. A lease
        that has ended but that nobody took counts."""
        return await self._database.write(lambda c: renew(c, owner=owner, lease_ms=lease_ms))

    async def release(self, lane_id: int, *, owner: str) -> None:
        """Give one lane back."""
        await self._database.write(lambda c: release(c, owner, lane_id=lane_id))

    async def release_owner(self, owner: str) -> None:
        """Give back all lanes of an owner, also of a process that is known to be dead."""
        await self._database.write(lambda c: release(c, owner))

    async def waiting(self, *, now: Timestamp, limit: int = 100) -> list[LaneRecord]:
        """Lanes without a living owner that have mail to be tried now."""
        return await self._database.read(lambda c: waiting(c, now=now, limit=limit))

    async def due(self, *, owner: str, now: Timestamp) -> list[int]:
        """The ids of an owner's lanes that have mail to be tried now, in its memory or not."""
        return await self._database.read(lambda c: due(c, owner, now=now))

    async def bring_forward(self, *, owner: str, now: Timestamp, by_ms: int) -> None:
        """Have what is put off beyond `now` tried so much sooner, but not before `now`, in lanes
        of this owner and in those without one."""
        await self._database.write(lambda c: bring_forward(c, owner=owner, now=now, by_ms=by_ms))

    async def usage(self, lane_id: int) -> SavedUsage:
        """What was last written about the use of the windows of a lane's next hop."""
        return await self._database.read(lambda c: usage(c, lane_id))

    async def save_usage(self, records: Sequence[UsageRecord], *, owner: str) -> frozenset[int]:
        """Write it; the ids of the lanes that are this owner's, of others nothing is written."""
        return await self._database.write(lambda c: save_usage(c, records, owner=owner))


def insert_lane(connection: Connection, lane_id: int, hop: str, number: int = 0) -> None:
    """Make the row of a lane if there is none."""
    if connection.dialect.name != "sqlite":
        connection.execute(select(func.pg_advisory_xact_lock_shared(ROWS_LOCK)))
    row = {"id": lane_id, "hop": hop, "number": number, "owner": ""}
    values = row | {"lease_until": database_now(connection)}
    connection.execute(insert_or_update(connection, lane).values(values).on_conflict_do_nothing())


def drop_lanes(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:
    """Lanes that nobody has owned for long and that no mail waits in. Those of next hops with
    windows stay, since these may be long; and as long as the trace may name them."""
    if connection.dialect.name != "sqlite":
        # Who has put mail in a lane that it found has committed then, so that it is seen.
        connection.execute(select(func.pg_advisory_xact_lock(ROWS_LOCK)))
    limit = database_now(connection) - max(UNUSED_MS, now - before)
    is_over = and_(
        lane.c.lease_until < limit,
        lane.c.usage == "",
        ~exists().where(recipient.c.lane_id == lane.c.id, recipient.c.next_attempt_at.is_not(None)),
        # As a literal, so that the index of what is held serves.
        ~exists().where(recipient.c.lane_id == lane.c.id, recipient.c.state == text("'held'")),
        ~exists().where(suspension.c.lane_id == lane.c.id),
    )
    some = select(lane.c.id).where(is_over).limit(DROPPED_AT_ONCE)
    return connection.execute(delete(lane).where(lane.c.id.in_(some), is_over)).rowcount


def claim(connection: Connection, hop: str, number: int, *, owner: str, lease_ms: int) -> bool:
    """See Lanes.claim."""
    lane_id = id_of_lane(hop, number)
    insert_lane(connection, lane_id, hop, number)
    now = database_now(connection)
    result = connection.execute(
        update(lane)
        .where(lane.c.id == lane_id, or_(lane.c.owner == owner, _is_free(now)))
        .values(owner=owner, lease_until=now + lease_ms)
    )
    return result.rowcount == 1


def _is_free(now: ColumnElement[int]) -> ColumnElement[bool]:
    return or_(lane.c.owner == "", lane.c.lease_until < now)


def renew(connection: Connection, *, owner: str, lease_ms: int) -> frozenset[int]:
    """See Lanes.renew."""
    now = database_now(connection)
    result = connection.execute(
        update(lane)
        .where(lane.c.owner == owner)
        .values(lease_until=now + lease_ms)
        .returning(lane.c.id)
    )
    return frozenset(result.scalars())


def release(connection: Connection, owner: str, *, lane_id: int | None = None) -> None:
    """See Lanes.release and Lanes.release_owner."""
    values = {"owner": "", "lease_until": database_now(connection)}
    statement = update(lane).where(lane.c.owner == owner).values(values)
    if lane_id is not None:
        statement = statement.where(lane.c.id == lane_id)
    connection.execute(statement)


def list_hops(connection: Connection) -> list[str]:
    """The names of all next hops that have a lane."""
    return list(connection.scalars(select(lane.c.hop).distinct()))


def waiting(connection: Connection, *, now: Timestamp, limit: int) -> list[LaneRecord]:
    """See Lanes.waiting."""
    query = (
        select(lane.c.id, lane.c.hop, lane.c.number)
        .where(_is_free(database_now(connection)), _has_mail(now))
        .order_by(lane.c.id)
        .limit(limit)
    )
    return [LaneRecord(*row) for row in connection.execute(query)]


def due(connection: Connection, owner: str, *, now: Timestamp) -> list[int]:
    """See Lanes.due."""
    query = select(lane.c.id).where(lane.c.owner == owner, _has_mail(now))
    return list(connection.scalars(query))


def _has_mail(now: Timestamp) -> ColumnElement[bool]:
    return exists().where(recipient.c.lane_id == lane.c.id, recipient.c.next_attempt_at <= now)


def bring_forward(connection: Connection, *, owner: str, now: Timestamp, by_ms: int) -> None:
    """See Lanes.bring_forward."""
    sooner = recipient.c.next_attempt_at - by_ms
    lanes = select(lane.c.id).where(or_(lane.c.owner == owner, _is_free(database_now(connection))))
    connection.execute(
        update(recipient)
        .where(recipient.c.next_attempt_at > now, recipient.c.lane_id.in_(lanes))
        .values(next_attempt_at=case((sooner > now, sooner), else_=now))
    )


def usage(connection: Connection, lane_id: int) -> SavedUsage:
    """See Lanes.usage."""
    return usages(connection, [lane_id]).get(lane_id, SavedUsage(UsageRecord(lane_id)))


def usages(connection: Connection, lane_ids: Sequence[int]) -> dict[int, SavedUsage]:
    """What is known of the use of several lanes, by their ids."""
    table = lane.c
    columns = (table.id, table.usage, table.usage_boot, table.usage_uptime)
    query = select(*columns, database_now(connection) - table.usage_at)
    rows = connection.execute(query.where(table.id.in_(lane_ids)))
    return {row[0]: SavedUsage(UsageRecord(*row[:4]), row[4]) for row in rows}


def save_usage(
    connection: Connection, records: Sequence[UsageRecord], *, owner: str
) -> frozenset[int]:
    """See Lanes.save_usage. In the order of their ids: two processes that hold rows of each other
    would wait for ever."""
    now = database_now(connection)
    saved = set()
    for record in sorted(records, key=lambda each: each.lane_id):
        result = connection.execute(
            update(lane)
            .where(lane.c.id == record.lane_id, lane.c.owner == owner)
            .values(
                usage=record.text,
                usage_boot=record.boot,
                usage_uptime=record.uptime_ms,
                usage_at=now,
            )
        )
        if result.rowcount == 1:
            saved.add(record.lane_id)
    return frozenset(saved)
