"""Envelope, recipients and what becomes of them (RFC 5321 2.3.1, RFC 3461, RFC 6531).

Times are `Timestamp`: milliseconds since 1970 in UTC.
"""

from enum import IntFlag, StrEnum
from typing import TypeAlias

from pillarbox.mail.address import Mailbox
from pillarbox.mail.reply import Reply
from pillarbox.values import quick

Timestamp: TypeAlias = int
"""Milliseconds since 1970-01-01 in UTC."""


class Body(StrEnum):
    """The BODY parameter of MAIL (RFC 6152, RFC 3030)."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT = "8BITMIME"
    BINARY = "BINARYMIME"


class Ret(StrEnum):
    """The RET parameter of MAIL (RFC 3461 4.3): what a failure DSN gives back."""

    FULL = "FULL"
    HEADERS = "HDRS"


class TlsWish(StrEnum):
    """What the sender wants of TLS on the way of a message (RFC 8689)."""

    NONE = ""
    """Nothing: each domain says for itself what it demands."""
    REQUIRED = "required"
    """MAIL with REQUIRETLS: only by TLS with hosts that are verified and pass that on."""
    OPTIONAL = "optional"
    """The field "TLS-Required: No": rather in the clear than not at all."""


class Notify(IntFlag):
    """The NOTIFY parameter of RCPT (RFC 3461 4.1)."""

    DEFAULT = 0
    """Not given: failures are reported, and delays."""
    SUCCESS = 1
    FAILURE = 2
    DELAY = 4
    NEVER = 8


class RecipientState(StrEnum):
    """Where a recipient of a message stands."""

    QUEUED = "queued"
    """Accepted, not tried yet."""
    DEFERRED = "deferred"
    """Tried, to be tried again."""
    HELD = "held"
    """Kept for a person to decide; not tried."""
    DELIVERED = "delivered"
    CAPTURED = "captured"
    FAILED = "failed"
    """Refused for good by the next hop or by a rule; a DSN was made where one is due."""
    EXPIRED = "expired"
    """Given up after the tenant's limit; a DSN was made where one is due."""

    is_final: bool
    """Whether nothing more will be tried."""

    def __init__(self, value: str) -> None:
        self.is_final = value in {"delivered", "captured", "failed", "expired"}


@quick(frozen=True, slots=True)
class Envelope:
    """The envelope of one mail transaction without its recipients.

    `reverse_path` is None for the null reverse-path `<>`. `envid` is kept as it was sent (xtext,
    RFC 3461 4.4), "" when absent. `tls_wish` is OPTIONAL by a field of the header, not by MAIL.
    """

    reverse_path: Mailbox | None
    body: Body = Body.SEVEN_BIT
    smtputf8: bool = False
    ret: Ret | None = None
    envid: str = ""
    tls_wish: TlsWish = TlsWish.NONE


@quick(frozen=True, slots=True)
class Recipient:
    """One forward-path of an envelope. `number` counts from 0 inside the message. `orcpt` is kept
    as it was sent ("rfc822;user+40example.org", RFC 3461 4.2), "" when absent."""

    number: int
    forward_path: Mailbox
    notify: Notify = Notify.DEFAULT
    orcpt: str = ""


@quick(frozen=True, slots=True)
class RecipientOutcome:
    """What one attempt did to one recipient.

    `state` is DELIVERED, CAPTURED, DEFERRED or FAILED (EXPIRED is decided by outcome.settle).
    `reply` is what the next hop said, or a reply that stands for a failure on our side (a
    connection that failed, say). `remote_host` is the name of the host that answered, "" if none.
    `relayed_dsn`: the next hop took over the DSN duty (it offers DSN, RFC 3461 section 5.2.2).
    """

    number: int
    state: RecipientState
    reply: Reply
    remote_host: str = ""
    tls: str = ""
    relayed_dsn: bool = False
