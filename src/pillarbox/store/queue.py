"""The queue as people see and change it: list, count, hold, release, retry now, bounce.

Each change moves the generation of the queue, so the process that owns the lane drops what it has
in memory and loads it again. A bounce is only asked for here; the owner of the lane carries it
out, with the DSN that is due. An attempt that is already under way still counts: a message that
was held while it was being delivered is delivered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    exists,
    func,
    literal_column,
    select,
    tuple_,
    union_all,
    update,
)

from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.mail.identifier import time_of
from pillarbox.store.generation import Part, moved
from pillarbox.store.hop_orders import try_hop_now
from pillarbox.store.schema import lane, message, recipient
from pillarbox.store.schema_directory import tenant

CHANGED_AT_ONCE = 1_000
"""Recipients that one transaction changes. A change says how many it found: call it again until
that is 0."""

_HELD = RecipientState.HELD.value

_NULL_PATH = "<>"

_keys = (
    union_all(
        select(recipient.c.message_id, recipient.c.number).where(
            recipient.c.next_attempt_at.is_not(None)
        ),
        # Written out, since a parameter would hide from the database that the index fits.
        select(recipient.c.message_id, recipient.c.number).where(
            recipient.c.state == literal_column(f"'{_HELD}'")
        ),
    )
    .cte("open_recipient")
    .prefix_with("MATERIALIZED")
)
"""Recipients that are not final, by the two small indexes of them. Without MATERIALIZED the order
of a list would make the database read the whole trace."""

_IS_KEY = and_(recipient.c.message_id == _keys.c.message_id, recipient.c.number == _keys.c.number)


@dataclass(frozen=True, slots=True)
class Selection:
    """Which recipients of the queue: those that match everything that is given.

    `domain` is the recipient's, `hop` the name of the next hop (route.hop_key), `sender` "<>" for
    the null reverse-path.
    """

    queue_ids: Sequence[int] = ()
    states: Sequence[RecipientState] = ()
    hop: str = ""
    tenant: str = ""
    sender: str = ""
    domain: str = ""
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """One recipient that waits. `must_bounce`: it will be failed, not tried."""

    queue_id: int
    number: int
    tenant: str
    reverse_path: str
    address: str
    state: RecipientState
    hop: str
    attempts: int
    next_attempt_at: Timestamp | None
    last_reply: str
    received_at: Timestamp
    size_octets: int
    must_bounce: bool


@dataclass(frozen=True, slots=True)
class QueueCount:
    """How much waits for one next hop in one state. `due`: recipients to be tried by now, the next
    of all at `next_at`. `a_reply` is the last one to one of them."""

    hop: str
    state: RecipientState
    recipients: int
    due: int
    oldest_at: Timestamp
    next_at: Timestamp | None = None
    a_reply: str = ""


def list_queue(
    connection: Connection,
    selection: Selection,
    *,
    limit: int,
    after: tuple[int, int] | None = None,
) -> list[QueueEntry]:
    """What waits, oldest first. `after`: queue id and number of the last entry of the list that
    is to be continued."""
    columns = (
        *(recipient.c.message_id, recipient.c.number, tenant.c.name, message.c.reverse_path),
        *(
            recipient.c.address,
            recipient.c.state,
            lane.c.hop,
            recipient.c.attempts,
            recipient.c.next_attempt_at,
        ),
        *(
            recipient.c.last_reply,
            message.c.received_at,
            message.c.size_octets,
            recipient.c.must_bounce,
        ),
    )
    query = _matching(select(*columns), selection).order_by(
        recipient.c.message_id, recipient.c.number
    )
    if after is not None:
        query = query.where(tuple_(recipient.c.message_id, recipient.c.number) > tuple_(*after))
    entries = []
    for row in connection.execute(query.limit(limit)):
        values = list(row)
        values[2] = values[2] or ""
        values[5] = RecipientState(values[5])
        values[6] = values[6] or ""
        entries.append(QueueEntry(*values))
    return entries


def hops_for(connection: Connection, domain: str) -> set[str]:
    """The next hops that mail for recipients in a domain waits for."""
    found = connection.scalars(_matching(select(lane.c.hop), Selection(domain=domain)).distinct())
    return {hop for hop in found if hop}


def count_queue(connection: Connection, *, now: Timestamp) -> list[QueueCount]:
    """What waits, by next hop and state."""
    is_due = case((recipient.c.next_attempt_at <= now, 1), else_=0)
    query = (
        select(
            lane.c.hop,
            recipient.c.state,
            func.count(),
            func.sum(is_due),
            func.min(recipient.c.message_id),
            func.min(recipient.c.next_attempt_at),
            func.max(recipient.c.last_reply),
        )
        .select_from(_keys)
        .join(recipient, _IS_KEY)
        .join(lane, lane.c.id == recipient.c.lane_id, isouter=True)
        .group_by(lane.c.hop, recipient.c.state)
        .order_by(lane.c.hop, recipient.c.state)
    )
    return [
        QueueCount(hop or "", RecipientState(state), count, int(due), time_of(oldest), *rest)
        for hop, state, count, due, oldest, *rest in connection.execute(query)
    ]


def hold(connection: Connection, selection: Selection) -> int:
    """Keep recipients for a person to decide; how many were changed."""
    values = {"state": _HELD, "next_attempt_at": None}
    return _change(connection, selection, lambda c: c.state != _HELD, values)


def release(connection: Connection, selection: Selection, *, now: Timestamp) -> int:
    """Try held recipients again, at once; how many were changed."""
    values = {"state": _state_before(), "next_attempt_at": now}
    return _change(connection, selection, lambda c: c.state == _HELD, values)


def retry(connection: Connection, selection: Selection, *, now: Timestamp) -> int:
    """Try recipients now instead of later; how many were changed. All of a next hop are tried
    whatever back-off that has; of others each one that is closed is probed."""
    if selection == Selection(hop=selection.hop) and _is_lane_of(connection, selection.hop):
        try_hop_now(connection, selection.hop, now=now)
    changed = _change(
        connection, selection, lambda c: c.next_attempt_at > now, {"next_attempt_at": now}
    )
    if not changed and _is_due(connection, selection, now):
        # Behind a closed hop all of it may be: its owner is told without a change of it.
        moved(connection, Part.QUEUE)
    return changed


def _is_due(connection: Connection, selection: Selection, now: Timestamp) -> bool:
    query = _matching(select(recipient.c.message_id), selection)
    return connection.scalar(query.where(recipient.c.next_attempt_at <= now).limit(1)) is not None


def _is_lane_of(connection: Connection, hop: str) -> bool:
    return bool(connection.scalar(select(exists().where(lane.c.hop == hop))))


def bounce(connection: Connection, selection: Selection, *, now: Timestamp) -> int:
    """Fail recipients, with a DSN where one is due; how many were changed. The owner of the lane
    does it."""
    state = case((recipient.c.state == _HELD, _state_before()), else_=recipient.c.state)
    values = {"must_bounce": True, "state": state, "next_attempt_at": now}
    return _change(connection, selection, lambda c: c.must_bounce.is_(False), values)


def _state_before() -> ColumnElement[str]:
    """What a held recipient was: tried before or not."""
    return case(
        (recipient.c.attempts > 0, RecipientState.DEFERRED.value),
        else_=RecipientState.QUEUED.value,
    )


def _matching(query: Select[Any], selection: Selection) -> Select[Any]:
    """The query over open recipients, joined with all that can be asked for."""
    query = (
        query.select_from(_keys)
        .join(recipient, _IS_KEY)
        .join(message, message.c.id == recipient.c.message_id)
        .join(lane, lane.c.id == recipient.c.lane_id, isouter=True)
        .join(tenant, tenant.c.id == message.c.tenant_id, isouter=True)
    )
    if selection.queue_ids:
        query = query.where(recipient.c.message_id.in_(selection.queue_ids))
    if selection.states:
        query = query.where(recipient.c.state.in_([state.value for state in selection.states]))
    if selection.hop:
        query = query.where(lane.c.hop == selection.hop)
    if selection.tenant:
        query = query.where(tenant.c.name == selection.tenant)
    if selection.sender:
        sender = "" if selection.sender == _NULL_PATH else selection.sender.lower()
        query = query.where(func.lower(message.c.reverse_path) == sender)
    if selection.account_id is not None:
        query = query.where(message.c.account_id == selection.account_id)
    if selection.domain:
        domain = f"@{selection.domain.lower()}"
        query = query.where(func.lower(recipient.c.address).endswith(domain, autoescape=True))
    return query


def _change(
    connection: Connection,
    selection: Selection,
    wanted: Callable[[Any], ColumnElement[bool]],
    values: dict[str, Any],
) -> int:
    """Change some of the selected recipients for which that makes a difference."""
    found = _matching(select(recipient.c.message_id, recipient.c.number), selection)
    keys = connection.execute(
        found.where(wanted(recipient.c))
        .order_by(recipient.c.message_id, recipient.c.number)
        .limit(CHANGED_AT_ONCE)
    ).all()
    if not keys:
        return 0
    statement = (
        update(recipient)
        .where(tuple_(recipient.c.message_id, recipient.c.number).in_([tuple(k) for k in keys]))
        # Looked at again: an attempt may have ended in the meantime.
        .where(recipient.c.finished_at.is_(None), wanted(recipient.c))
        .values(values)
    )
    connection.execute(statement)
    moved(connection, Part.QUEUE)
    return len(keys)
