"""Addresses that a tenant does not send to: they came back as unknown, complained, or somebody
said so.

Each process has them in memory, so a recipient costs no query; it reads what has changed once a
second. Nothing is deleted before it has been over for long: who reads has to see the change, and
what comes back again is suppressed for longer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select, update

from pillarbox.errors import DirectoryError
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.clock import database_now
from pillarbox.store.database import Database
from pillarbox.store.schema_directory import suppression, tenant
from pillarbox.store.upsert import insert_or_update

DAY_MS = 86_400_000

KEPT = 100_000
"""Addresses in memory, the newest ones: some 20 MiB."""

_OVERLAP_MS = 60_000
"""A transaction that began so long ago may become visible now."""

_NEVER = 1 << 62
_MOST_REASON = 500


@dataclass(frozen=True, slots=True)
class Bounced:
    """A recipient that nobody has, or that complained. `most_days` is what its tenant allows."""

    tenant_id: int
    address_key: str
    reason: str
    most_days: int


@dataclass(frozen=True, slots=True)
class Suppression:
    """A suppressed address as administrators see it. `expires_at` None: never."""

    tenant: str
    address: str
    origin: str
    reason: str
    created_at: Timestamp
    expires_at: Timestamp | None


class Suppressions:
    """Those of all tenants, in the memory of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.by_tenant: dict[int, dict[str, Timestamp]] = {}
        """Until when, by the key of the address; only of tenants that have any."""
        self._count = 0
        self._seen: Timestamp = 0

    def holds(self, tenant_id: int, mailbox: Mailbox, now: Timestamp) -> bool:
        """Whether the tenant does not send to this address now."""
        known = self.by_tenant.get(tenant_id)
        return known is not None and known.get(mailbox.key, 0) > now

    async def refresh(self, now: Timestamp) -> None:
        """Read what was changed, by any process. To be called about once a second. Raises
        SpoolUnavailable; what is in memory stays in use."""
        since = self._seen - _OVERLAP_MS
        rows = await self._database.read(lambda c: changed_since(c, since))
        for tenant_id, key, expires_at, changed_at in rows:
            self._seen = max(self._seen, changed_at)
            self._take(tenant_id, key, _NEVER if expires_at is None else expires_at, now)

    def _take(self, tenant_id: int, key: str, expires_at: Timestamp, now: Timestamp) -> None:
        known = self.by_tenant.setdefault(tenant_id, {})
        self._count -= known.pop(key, None) is not None
        if expires_at > now:
            if self._count >= KEPT and known:
                del known[next(iter(known))]
                self._count -= 1
            known[key] = expires_at
            self._count += 1
        elif not known:
            del self.by_tenant[tenant_id]


def changed_since(
    connection: Connection, since: Timestamp
) -> list[tuple[int, str, Timestamp | None, Timestamp]]:
    """What was changed from this moment on, the newest, in the order of time: tenant, address,
    until when, and when it was changed."""
    columns = suppression.c
    query = (
        select(columns.tenant_id, columns.address_key, columns.expires_at, columns.changed_at)
        .where(columns.changed_at >= since)
        .order_by(columns.changed_at.desc())
        .limit(KEPT)
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query).all()[::-1]]


def suppress_bounced(
    connection: Connection, bounced: Sequence[Bounced], *, now: Timestamp
) -> list[Bounced]:
    """Suppress what came back: for a day at the first time, for twice as long each further time.
    One that is suppressed already stays as it is; the others are returned. Tenants may be gone."""
    new = []
    for one, row in _of_known_tenants(connection, bounced):
        if row is not None and (row.expires_at is None or row.expires_at > now):
            continue
        bounces = (row.bounces if row is not None else 0) + 1
        days = min(one.most_days, 1 << min(bounces - 1, 30))
        values = {"origin": "bounce", "reason": one.reason, "bounces": bounces}
        _put(connection, one.tenant_id, one.address_key, now, now + days * DAY_MS, values)
        new.append(one)
    return new


def suppress_complaints(
    connection: Connection, complained: Sequence[Bounced], *, now: Timestamp
) -> list[Bounced]:
    """Send nothing more to those who do not want it, until an administrator says otherwise. Who is
    suppressed for ever already stays as he is; the others are returned. Tenants may be gone."""
    new = []
    for one, row in _of_known_tenants(connection, complained):
        if row is not None and row.expires_at is None:
            continue
        values = {"origin": "complaint", "reason": one.reason, "bounces": 0}
        _put(connection, one.tenant_id, one.address_key, now, None, values)
        new.append(one)
    return new


def _of_known_tenants(
    connection: Connection, bounced: Sequence[Bounced]
) -> "Iterator[tuple[Bounced, Row[Any] | None]]":
    """Each with the row that it has. Nobody removes a tenant before this is done (SQLite writes one
    change at a time anyway)."""
    if not bounced:
        return
    wanted = {one.tenant_id for one in bounced}
    query = select(tenant.c.id).where(tenant.c.id.in_(wanted)).with_for_update(read=True)
    there = set(connection.scalars(query))
    for one in bounced:
        if one.tenant_id in there:
            is_it = (
                suppression.c.tenant_id == one.tenant_id,
                suppression.c.address_key == one.address_key,
            )
            yield one, connection.execute(select(suppression).where(*is_it)).first()


def add_suppression(
    connection: Connection,
    tenant_id: int,
    mailbox: Mailbox,
    reason: str,
    *,
    now: Timestamp,
    expires_at: Timestamp | None,
) -> None:
    """Suppress an address because an administrator says so; what was said before is replaced."""
    if expires_at is not None and expires_at <= now:
        raise DirectoryError("that time is over already")
    values = {"origin": "administrator", "reason": reason, "bounces": 0}
    _put(connection, tenant_id, mailbox.key, now, expires_at, values)


def remove_suppression(
    connection: Connection, tenant_id: int, mailbox: Mailbox, *, now: Timestamp
) -> bool:
    """Send to an address again, and forget how often it came back; whether it was suppressed."""
    statement = (
        update(suppression)
        .where(
            suppression.c.tenant_id == tenant_id,
            suppression.c.address_key == mailbox.key,
            _is_in_force(now),
        )
        .values(expires_at=now, bounces=0, changed_at=database_now(connection))
    )
    return connection.execute(statement).rowcount > 0


def list_suppressions(
    connection: Connection, tenant_id: int | None = None, *, now: Timestamp
) -> list[Suppression]:
    """What is suppressed now, of all tenants or of one, by tenant and address."""
    query = (
        select(suppression, tenant.c.name.label("tenant_name"))
        .join(tenant, tenant.c.id == suppression.c.tenant_id)
        .where(_is_in_force(now))
        .order_by(tenant.c.name, suppression.c.address_key)
    )
    if tenant_id is not None:
        query = query.where(suppression.c.tenant_id == tenant_id)
    return [
        Suppression(
            row.tenant_name,
            row.address_key,
            row.origin,
            row.reason,
            row.created_at,
            row.expires_at,
        )
        for row in connection.execute(query)
    ]


def _is_in_force(now: Timestamp) -> ColumnElement[bool]:
    return suppression.c.expires_at.is_(None) | (suppression.c.expires_at > now)


def _put(
    connection: Connection,
    tenant_id: int,
    address_key: str,
    now: Timestamp,
    expires_at: Timestamp | None,
    values: dict[str, object],
) -> None:
    changing = {
        **values,
        "reason": str(values["reason"])[:_MOST_REASON],
        "created_at": now,
        "expires_at": expires_at,
        "changed_at": database_now(connection),
    }
    connection.execute(
        insert_or_update(connection, suppression)
        .values(tenant_id=tenant_id, address_key=address_key, **changing)
        .on_conflict_do_update(index_elements=["tenant_id", "address_key"], set_=changing)
    )
