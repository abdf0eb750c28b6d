"""Between the values of mail.spooled and the rows of the tables."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import RowMapping

from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, RecipientState, Ret, TlsWish
from pillarbox.mail.reply import Reply, split_enhanced
from pillarbox.mail.spooled import CHUNK_OCTETS, SpooledMessage, SpooledRecipient
from pillarbox.store.statements import Row

MAX_TEXT = 2000
"""Characters of a reply or header field that are kept; what other hosts say has no bound."""


STATES = {state: state.value for state in RecipientState}
_BODIES = {body: body.value for body in Body}
"""An enumeration takes two calls to tell the value of a member."""


def clean(text: str) -> str:
    """Text from outside as every database takes it: no control characters, no lone surrogates
    (PostgreSQL refuses NUL), and not too long."""
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT]
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else " " for character in text)


clean_name = lru_cache(1000)(clean)
"""The same for names of hosts and ciphers, which come again and again."""


def message_row(message: SpooledMessage) -> Row:
    """The row of `message` for INSERT_MESSAGE. All its recipients are open."""
    envelope = message.envelope
    path = envelope.reverse_path
    ret = envelope.ret
    return (
        message.queue_id,
        message.tenant_id,
        message.account_id,
        message.credential_id,
        message.session_id,
        message.received_at,
        "" if path is None else path.address,
        _BODIES[envelope.body],
        envelope.smtputf8,
        None if ret is None else ret.value,
        envelope.envid and clean(envelope.envid),
        clean(message.header_id),
        message.size_octets,
        message.prefix,
        message.chunks,
        len(message.recipients),
        None,
        None,
        envelope.tls_wish.value,
    )


def recipient_rows(message: SpooledMessage) -> list[Row]:
    """The rows of all recipients for INSERT_RECIPIENT."""
    queue_id = message.queue_id
    rows: list[Row] = []
    for spooled in message.recipients:
        recipient = spooled.recipient
        reply = spooled.last_reply
        rows.append(
            (
                queue_id,
                recipient.number,
                recipient.forward_path.address,
                int(recipient.notify),
                recipient.orcpt and clean(recipient.orcpt),
                STATES[spooled.state],
                spooled.lane_id,
                spooled.attempts,
                spooled.next_attempt_at,
                spooled.delay_notified,
                "" if reply is None else clean(str(reply)),
            )
        )
    return rows


def content_rows(message: SpooledMessage) -> list[Row]:
    """The rows of content that is in memory for INSERT_CONTENT."""
    content = message.content
    if not content:
        return []
    if len(content) <= CHUNK_OCTETS:
        return [(message.queue_id, 0, content)]
    starts = range(0, len(content), CHUNK_OCTETS)
    pieces = [content[start : start + CHUNK_OCTETS] for start in starts]
    return [(message.queue_id, number, piece) for number, piece in enumerate(pieces)]


def reply_of(text: str) -> Reply | None:
    """The reply that stands in a column; None for ""."""
    if not text:
        return None
    enhanced, rest = split_enhanced(text[4:])
    return Reply(int(text[:3]), enhanced, (rest,))


def mailbox_of(address: str) -> Mailbox:
    """The mailbox that a column holds; it was valid when it was written."""
    local_part, _, domain = address.rpartition("@")
    return Mailbox(local_part, domain)


def recipient_of(row: RowMapping | Mapping[str, Any]) -> SpooledRecipient:
    """A row of `recipient` as a value."""
    return SpooledRecipient(
        recipient=Recipient(
            number=row["number"],
            forward_path=mailbox_of(row["address"]),
            notify=Notify(row["notify"]),
            orcpt=row["orcpt"],
        ),
        lane_id=row["lane_id"],
        next_attempt_at=row["next_attempt_at"],
        state=RecipientState(row["state"]),
        attempts=row["attempts"],
        delay_notified=row["delay_notified"],
        last_reply=reply_of(row["last_reply"]),
        must_bounce=row["must_bounce"],
    )


def message_of(
    row: RowMapping | Mapping[str, Any], recipients: Iterable[SpooledRecipient]
) -> SpooledMessage:
    """A row of `message` with some of its recipients as a value, without content."""
    path = row["reverse_path"]
    return SpooledMessage(
        queue_id=row["id"],
        tenant_id=row["tenant_id"],
        account_id=row["account_id"],
        credential_id=row["credential_id"],
        session_id=row["session_id"],
        received_at=row["received_at"],
        envelope=Envelope(
            reverse_path=mailbox_of(path) if path else None,
            body=Body(row["body"]),
            smtputf8=row["smtputf8"],
            ret=Ret(row["ret"]) if row["ret"] else None,
            envid=row["envid"],
            tls_wish=TlsWish(row["tls_wish"]),
        ),
        prefix=row["prefix"],
        size_octets=row["size_octets"],
        chunks=row["chunks"],
        content=None,
        recipients=list(recipients),
        header_id=row["header_id"],
    )
