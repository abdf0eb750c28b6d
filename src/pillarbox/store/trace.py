"""What became of messages: by queue id, by Message-ID, or by an address within a span of time.

Message-ID and addresses have no index, since every message would pay for it; ids are in order of
time, so a look-up reads the span that was asked for and nothing else.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, exists, func, or_, select

from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.store.due import first_id
from pillarbox.store.returns import NOBODY
from pillarbox.store.schema import attempt, lane, message, recipient, returned
from pillarbox.store.schema_directory import account, tenant

FOUND = 100
"""Messages that one look-up gives at most."""


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until before `until`."""

    since: Timestamp
    until: Timestamp


@dataclass(frozen=True, slots=True)
class AttemptTrace:
    """One attempt at one recipient; `number` counts from 1."""

    number: int
    started_at: Timestamp
    duration_ms: int
    state: RecipientState
    reply: str
    remote_host: str
    tls: str


@dataclass(frozen=True, slots=True)
class ReturnTrace:
    """What came back later. `kind` is of mail.returned; `reply` says what a failure or delay was,
    or the type of a complaint; `report_id` is the message by which the sender was told, None: he
    was not."""

    kind: str
    received_at: Timestamp
    reply: str
    remote_host: str
    session_id: int
    report_id: int | None


@dataclass(frozen=True, slots=True)
class RecipientTrace:
    """A recipient and all that was tried. `hop` is the name of the next hop (route.hop_key)."""

    number: int
    address: str
    state: RecipientState
    hop: str
    next_attempt_at: Timestamp | None
    finished_at: Timestamp | None
    last_reply: str
    attempts: tuple[AttemptTrace, ...]
    returned: tuple[ReturnTrace, ...] = ()


@dataclass(frozen=True, slots=True)
class MessageTrace:
    """A message and what became of it. `tenant` and `account` are "" if they were removed;
    `reverse_path` is "" for the null reverse-path. `returned`: what came back about nobody knows
    which recipient."""

    queue_id: int
    tenant: str
    account: str
    session_id: int | None
    received_at: Timestamp
    reverse_path: str
    header_id: str
    size_octets: int
    finished_at: Timestamp | None
    content_until: Timestamp | None
    recipients: tuple[RecipientTrace, ...]
    returned: tuple[ReturnTrace, ...] = ()


def trace_message(connection: Connection, queue_id: int) -> MessageTrace | None:
    """The message with this queue id; None if there is none, or it was pruned."""
    found = _load(connection, [queue_id])
    return found[0] if found else None


def trace_header_id(
    connection: Connection, header_id: str, *, span: Span, limit: int = FOUND
) -> list[MessageTrace]:
    """Messages with this Message-ID (angle brackets or not), newest first."""
    text = header_id.strip().strip("<>")
    is_it = message.c.header_id.in_((text, f"<{text}>"))
    return _load(connection, _find(connection, is_it, span, limit))


def trace_address(
    connection: Connection, address: str, *, span: Span, limit: int = FOUND
) -> list[MessageTrace]:
    """Messages from or to this address, or from or to a domain ("@example.org"), newest first."""
    text = address.strip().lower()
    has_recipient = exists().where(
        recipient.c.message_id == message.c.id, _is_like(recipient.c.address, text)
    )
    is_it = or_(_is_like(message.c.reverse_path, text), has_recipient)
    return _load(connection, _find(connection, is_it, span, limit))


def _is_like(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    lowered = func.lower(column)
    return lowered.endswith(text, autoescape=True) if text.startswith("@") else lowered == text


def _find(
    connection: Connection, condition: ColumnElement[bool], span: Span, limit: int
) -> Sequence[int]:
    query = (
        select(message.c.id)
        .where(message.c.id >= first_id(span.since), message.c.id < first_id(span.until))
        .where(condition)
        .order_by(message.c.id.desc())
        .limit(limit)
    )
    return connection.scalars(query).all()


def _load(connection: Connection, queue_ids: Sequence[int]) -> list[MessageTrace]:
    """These messages, newest first."""
    attempts: dict[tuple[int, int], list[AttemptTrace]] = {}
    tried = select(attempt).where(attempt.c.message_id.in_(queue_ids)).order_by(attempt.c.number)
    for queue_id, number, *rest in connection.execute(tried):
        count, started_at, duration_ms, state, *words = rest
        one = AttemptTrace(count, started_at, duration_ms, RecipientState(state), *words)
        attempts.setdefault((queue_id, number), []).append(one)
    came_back = _returned(connection, queue_ids)
    recipients: dict[int, list[RecipientTrace]] = {}
    query = (
        select(recipient, lane.c.hop)
        .join(lane, lane.c.id == recipient.c.lane_id, isouter=True)
        .where(recipient.c.message_id.in_(queue_ids))
        .order_by(recipient.c.number)
    )
    for row in connection.execute(query):
        found = RecipientTrace(
            number=row.number,
            address=row.address,
            state=RecipientState(row.state),
            hop=row.hop or "",
            next_attempt_at=row.next_attempt_at,
            finished_at=row.finished_at,
            last_reply=row.last_reply,
            attempts=tuple(attempts.get((row.message_id, row.number), ())),
            returned=tuple(came_back.get((row.message_id, row.number), ())),
        )
        recipients.setdefault(row.message_id, []).append(found)
    return _messages(connection, queue_ids, recipients, came_back)


def _returned(
    connection: Connection, queue_ids: Sequence[int]
) -> dict[tuple[int, int], list[ReturnTrace]]:
    """What came back, by message and number of the recipient."""
    found: dict[tuple[int, int], list[ReturnTrace]] = {}
    query = select(returned).where(returned.c.message_id.in_(queue_ids))
    for row in connection.execute(query.order_by(returned.c.received_at)):
        one = ReturnTrace(
            row.kind, row.received_at, row.reply, row.remote_host, row.session_id, row.report_id
        )
        found.setdefault((row.message_id, row.recipient_number), []).append(one)
    return found


def _messages(
    connection: Connection,
    queue_ids: Sequence[int],
    recipients: dict[int, list[RecipientTrace]],
    came_back: dict[tuple[int, int], list[ReturnTrace]],
) -> list[MessageTrace]:
    query = (
        select(message, tenant.c.name, account.c.address)
        .join(tenant, tenant.c.id == message.c.tenant_id, isouter=True)
        .join(account, account.c.id == message.c.account_id, isouter=True)
        .where(message.c.id.in_(queue_ids))
        .order_by(message.c.id.desc())
    )
    return [
        MessageTrace(
            queue_id=row.id,
            tenant=row.name or "",
            account=row.address or "",
            session_id=row.session_id,
            received_at=row.received_at,
            reverse_path=row.reverse_path,
            header_id=row.header_id,
            size_octets=row.size_octets,
            finished_at=row.finished_at,
            content_until=row.content_until,
            recipients=tuple(recipients.get(row.id, ())),
            returned=tuple(came_back.get((row.id, NOBODY), ())),
        )
        for row in connection.execute(query)
    ]
