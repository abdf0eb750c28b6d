"""8-bit content as 7-bit content, by encoding the parts that need it (RFC 6152 section 3). Pure.

For what is given back in a report alone: a signature of the message does not survive it.
"""

import re
from binascii import b2a_base64

from pillarbox.mail.parts import MimeError, Part, PartScanner

_ENCODING_FIELD = re.compile(
    rb"^content-transfer-encoding[ \t]*:.*\r\n(?:[ \t].*\r\n)*", re.IGNORECASE | re.MULTILINE
)
_MIME_VERSION = re.compile(rb"^mime-version[ \t]*:", re.IGNORECASE | re.MULTILINE)
_NOT_ENCODED = frozenset({"", "7bit", "8bit"})
_COMPOSITE = ("message/", "multipart/")
"""RFC 2045 section 6.4: "it is EXPRESSLY FORBIDDEN to use any encodings other than" 7bit, 8bit and
binary with these."""

_LINE_OCTETS = 57
"""They make a line of 76 characters (RFC 2045 section 6.8)."""


def to_seven_bit(message: bytes) -> bytes | None:
    """A message with lines that end in CRLF; None where encoding its leaves is not enough."""
    scanner = PartScanner()
    try:
        scanner.feed(message)
        leaves = scanner.end()
    except MimeError:
        return None
    pieces, at = [], 0
    for leaf in leaves:
        if message[leaf.body_begin : leaf.end].isascii():
            continue
        if leaf.encoding not in _NOT_ENCODED or leaf.media_type.startswith(_COMPOSITE):
            return None
        pieces += [message[at : leaf.begin], _encoded(message, leaf)]
        at = leaf.end
    made = b"".join([*pieces, message[at:]])
    return made if made.isascii() else None


def base64_lines(octets: bytes) -> bytes:
    """In base64, each line with its CRLF."""
    places = range(0, len(octets), _LINE_OCTETS)
    lines = [b2a_base64(octets[at : at + _LINE_OCTETS], newline=False) for at in places]
    return b"\r\n".join([*lines, b""])


def _encoded(message: bytes, leaf: Part) -> bytes:
    # The header ends with an empty line, and so do its fields without it.
    head = _ENCODING_FIELD.sub(b"", message[leaf.begin : leaf.body_begin - 2])
    if leaf.container is None and _MIME_VERSION.search(head) is None:
        head += b"MIME-Version: 1.0\r\n"
    body = base64_lines(message[leaf.body_begin : leaf.end])
    return head + b"Content-Transfer-Encoding: base64\r\n\r\n" + body
