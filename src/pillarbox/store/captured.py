"""Captured mail: what was kept for people to look at instead of being delivered."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, exists, select

from pillarbox.errors import DirectoryError
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.store.content import read_chunk
from pillarbox.store.schema import message, recipient
from pillarbox.store.schema_directory import tenant

_IS_CAPTURED = exists().where(
    recipient.c.message_id == message.c.id, recipient.c.state == RecipientState.CAPTURED.value
)


@dataclass(frozen=True, slots=True)
class CapturedMessage:
    """A message with the recipients for whom it was captured. `content_until`: when it goes."""

    queue_id: int
    tenant: str
    received_at: Timestamp
    reverse_path: str
    recipients: tuple[str, ...]
    header_id: str
    size_octets: int
    content_until: Timestamp | None


def list_captured(
    connection: Connection,
    *,
    limit: int,
    tenant_name: str | None = None,
    before: int | None = None,
) -> list[CapturedMessage]:
    """Captured messages whose content is there, newest first. `before`: older than this queue id,
    to go on where a list ended."""
    query = select(message.c.id).where(message.c.content_until.is_not(None), _IS_CAPTURED)
    if tenant_name is not None:
        owner = select(tenant.c.id).where(tenant.c.name == tenant_name).scalar_subquery()
        query = query.where(message.c.tenant_id == owner)
    if before is not None:
        query = query.where(message.c.id < before)
    ids = connection.scalars(query.order_by(message.c.id.desc()).limit(limit)).all()
    return _load(connection, ids)


def show_captured(connection: Connection, queue_id: int) -> CapturedMessage:
    """One captured message. Raises DirectoryError."""
    query = select(message.c.id).where(
        message.c.id == queue_id, message.c.content_until.is_not(None), _IS_CAPTURED
    )
    found = _load(connection, connection.scalars(query).all())
    if not found:
        raise DirectoryError(
            "there is no captured message with this id, or its content is gone "
            "(`pillarbox capture list` shows all)"
        )
    return found[0]


def read_content(connection: Connection, queue_id: int) -> Iterator[bytes]:
    """The whole content of a message, piece by piece: what Pillarbox added, then what it got."""
    facts = connection.execute(
        select(message.c.prefix, message.c.chunks).where(message.c.id == queue_id)
    ).first()
    if facts is None:
        return
    yield facts.prefix
    for number in range(facts.chunks):
        octets = read_chunk(connection, queue_id, number)
        if octets is None:
            return
        yield octets


def _load(connection: Connection, ids: Sequence[int]) -> list[CapturedMessage]:
    recipients: dict[int, list[str]] = {}
    query = (
        select(recipient.c.message_id, recipient.c.address)
        .where(recipient.c.message_id.in_(ids))
        .where(recipient.c.state == RecipientState.CAPTURED.value)
        .order_by(recipient.c.number)
    )
    for queue_id, address in connection.execute(query):
        recipients.setdefault(queue_id, []).append(address)
    messages = (
        select(message, tenant.c.name)
        .join(tenant, tenant.c.id == message.c.tenant_id, isouter=True)
        .where(message.c.id.in_(ids))
        .order_by(message.c.id.desc())
    )
    return [
        CapturedMessage(
            queue_id=row.id,
            tenant=row.name or "",
            received_at=row.received_at,
            reverse_path=row.reverse_path,
            recipients=tuple(recipients.get(row.id, ())),
            header_id=row.header_id,
            size_octets=row.size_octets,
            content_until=row.content_until,
        )
        for row in connection.execute(messages)
    ]
