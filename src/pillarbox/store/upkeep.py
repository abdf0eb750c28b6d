"""What nobody needs any more is removed, a little at a time, so no other work waits for it."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Select, delete, select, update

from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import INSTANCES, time_of
from pillarbox.store.clock import database_now
from pillarbox.store.content import wanted
from pillarbox.store.doubt import remove_messages
from pillarbox.store.due import first_id
from pillarbox.store.hop_orders import drop_orders
from pillarbox.store.lanes import drop_lanes
from pillarbox.store.mta_sts import drop_policies
from pillarbox.store.schema import content, draft, message, session, upload
from pillarbox.store.schema import instance as instances
from pillarbox.store.schema_directory import suppression
from pillarbox.store.tls_results import drop_tls_results

STEP_ROWS = 200
"""Messages or sessions in one transaction."""

DAY_MS = 86_400_000
FORGOTTEN_MS = 90 * DAY_MS
UPLOAD_MS = DAY_MS
"""No message takes longer to come in."""

_SEQUENCE_BITS = 12


def trace_limit(now: Timestamp, trace_days: int) -> Timestamp:
    """What ended before this moment goes."""
    return now - trace_days * DAY_MS


def drop_content(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001 - the steps are called alike
    """Content that a tenant kept, or that was captured, for a time that is over."""
    is_over = (message.c.content_until <= now, message.c.finished_at.is_not(None))
    ids = _some(connection, select(message.c.id).where(*is_over))
    if ids:
        connection.execute(delete(content).where(content.c.message_id.in_(ids)))
        connection.execute(update(message).where(message.c.id.in_(ids)).values(content_until=None))
    return len(ids)


def drop_messages(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001
    """Finished messages that are past the time of the trace, unless their content is kept."""
    is_over = (
        message.c.id < first_id(before),
        message.c.finished_at < before,
        message.c.content_until.is_(None),
    )
    ids = _some(connection, select(message.c.id).where(*is_over))
    if ids:
        remove_messages(connection, ids)
    return len(ids)


def drop_drafts(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001
    """What is known of drafts of finished messages: they will not be tried again."""
    is_over = draft.c.message_id == message.c.id, message.c.finished_at.is_not(None)
    ids = _some(connection, select(draft.c.message_id).where(*is_over))
    if ids:
        connection.execute(delete(draft).where(draft.c.message_id.in_(ids)))
    return len(ids)


def drop_sessions(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001
    """Failed sessions that are past the time of the trace."""
    ids = _some(connection, select(session.c.id).where(session.c.started_at < before))
    if ids:
        connection.execute(delete(session).where(session.c.id.in_(ids)))
    return len(ids)


def drop_suppressions(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001
    """Suppressed addresses that were free again for so long that it is forgotten how often they
    came back."""
    columns = suppression.c
    is_over = columns.expires_at < now - FORGOTTEN_MS
    query = select(columns.tenant_id, columns.address_key).where(is_over).limit(STEP_ROWS)
    keys = connection.execute(query).all()
    for tenant_id, key in keys:
        this = (columns.tenant_id == tenant_id, columns.address_key == key, is_over)
        connection.execute(delete(suppression).where(*this))
    return len(keys)


STEPS = (
    *(drop_content, drop_messages, drop_drafts, drop_sessions, drop_suppressions),
    *(drop_policies, drop_tls_results, drop_orders, drop_lanes),
)


def _some(connection: Connection, query: Select[int]) -> Sequence[int]:
    return connection.scalars(query.limit(STEP_ROWS)).all()


def left_content(
    connection: Connection,
    queue_ids: Sequence[int],
    *,
    instance: int,
    since: Timestamp,
    now: Timestamp,
) -> list[int]:
    """Those of the messages whose content, which is there, nobody needs: they are finished, or will
    not come (see Spool.collect_orphans)."""
    is_lost = _lost(connection, instance=instance, since=since, now=now)
    known = wanted(connection, queue_ids)
    return [
        queue_id
        for queue_id in queue_ids
        if not known.get(queue_id, not is_lost(queue_id, time_of(queue_id)))
    ]


def _lost(
    connection: Connection, *, instance: int, since: Timestamp, now: Timestamp
) -> Callable[[int, Timestamp], bool]:
    """A rule that tells of a message that began to come in at a moment whether it will not come any
    more."""
    is_alive = instances.c.lease_until >= database_now(connection)
    alive = set(connection.scalars(select(instances.c.number).where(is_alive)))

    def is_lost(queue_id: int, started_at: Timestamp) -> bool:
        number = queue_id >> _SEQUENCE_BITS & INSTANCES - 1
        is_our_past = number == instance and started_at < since
        return number not in alive or is_our_past or started_at < now - UPLOAD_MS

    return is_lost


def collect_orphans(
    connection: Connection, *, instance: int, since: Timestamp, now: Timestamp
) -> int:
    """See Spool.collect_orphans."""
    is_lost = _lost(connection, instance=instance, since=since, now=now)
    uploads = connection.execute(select(upload)).all()
    orphans = [queue_id for queue_id, started_at in uploads if is_lost(queue_id, started_at)]
    if orphans:
        connection.execute(delete(content).where(content.c.message_id.in_(orphans)))
        connection.execute(delete(upload).where(upload.c.message_id.in_(orphans)))
    return len(orphans)
