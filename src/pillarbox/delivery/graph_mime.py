"""What Graph is given of a message: MIME in base64, with a header that names the recipients."""

import base64
from collections.abc import Sequence

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.header_recipients import Misfit, address_by_header
from pillarbox.mail.spooled import SpooledRecipient

MAX_OCTETS = 3_000_000
"""Of one message: 4,000,000 octets of base64, which is less than each reading of Graph's 4 MB."""

BY_SMTP_ALONE = Failure(FailureKind.REQUIRETLS_BY_GRAPH)
TOO_LARGE = Failure(FailureKind.SIZE_NOT_TAKEN, str(MAX_OCTETS))
_END_OF_HEAD = b"\r\n\r\n"


def split(octets: bytes) -> tuple[bytes, bytes]:
    """The header block, which ends with its last line, and what is behind the empty line."""
    head, end, body = octets.partition(_END_OF_HEAD)
    return (head + b"\r\n" if end or not head.endswith(b"\r\n") else head), body


def to_mime(head: bytes, body: bytes, recipients: Sequence[SpooledRecipient]) -> bytes | Failure:
    """The message as Graph is to have it; a failure where it can not go so."""
    addressed = address_by_header(head, [each.recipient.forward_path for each in recipients])
    if isinstance(addressed, Misfit):
        return Failure(FailureKind.HEADER_NOT_TAKEN, addressed.why)
    mime = b"".join((addressed, b"\r\n", body))
    return TOO_LARGE if len(mime) > MAX_OCTETS else base64.b64encode(mime)
