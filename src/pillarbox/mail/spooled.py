"""A message as the spool holds it: what reception puts, the scheduler queues and couriers send.

Content is `prefix` (the header fields that Pillarbox added) followed by the octets as received;
received octets are never rewritten.
"""

from dataclasses import dataclass

from pillarbox.mail.envelope import Envelope, Recipient, RecipientState, Timestamp
from pillarbox.mail.reply import Reply

CHUNK_OCTETS = 256 * 1024
"""Content is stored and read in pieces of at most this size: it bounds the memory of a stream."""

INLINE_OCTETS = 2 * 1024 * 1024
"""Content up to this size stays in memory until the message is committed with it, if there is
room: one commit then, and nothing to read back for the first attempt."""


@dataclass(slots=True)
class SpooledRecipient:
    """A recipient with what the queue knows of it.

    `lane_id` says in which lane of which hop it stands. `next_attempt_at` is None once the state
    is final, and while it is held. `last_reply` is what the last attempt was told. `must_bounce`:
    an administrator wants it failed, with a DSN where one is due, instead of tried.
    """

    recipient: Recipient
    lane_id: int
    next_attempt_at: Timestamp | None
    state: RecipientState = RecipientState.QUEUED
    attempts: int = 0
    delay_notified: bool = False
    last_reply: Reply | None = None
    must_bounce: bool = False


@dataclass(slots=True)
class SpooledMessage:
    """One accepted message and those of its recipients that are at hand.

    `content` is the received octets, or None when they must be read from the store in `chunks`
    pieces (spool.read_chunk). `size_octets` counts prefix and content. `account_id` and
    `credential_id` are None for a DSN of ours. `header_id` is the text of the Message-ID field,
    for the trace.
    """

    queue_id: int
    tenant_id: int
    account_id: int | None
    credential_id: int | None
    session_id: int | None
    received_at: Timestamp
    envelope: Envelope
    prefix: bytes
    size_octets: int
    chunks: int
    content: bytes | None
    recipients: list[SpooledRecipient]
    header_id: str = ""
