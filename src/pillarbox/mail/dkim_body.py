"""The body hash of a DKIM signature, made while the octets arrive (RFC 6376 3.4.4, 3.7). Pure.

Relaxed canonical form: blanks at the end of lines go, runs of blanks become one, empty lines at the
end go, and a body that has anything in it ends in CRLF. Memory is bounded whatever the body is:
of blanks and line ends only a count is kept until it is known what follows them.
"""

import re
from hashlib import sha256

from pillarbox.mail.message import find_header_end, is_open

_BLANKS = re.compile(rb"[ \t]+")
_LAST_BARE = re.compile(rb".*(?:(?<!\r)\n|\r(?!\n|\Z))", re.DOTALL)
"""Up to the last CR or LF that is no part of a CRLF; a CR at the end may still become one."""

_CRLF = b"\r\n"
_LINES_AT_ONCE = 16 * 1024


class BodyHash:
    """SHA-256 of a body in relaxed form. `take` all of it in blocks of any size, then `digest`."""

    __slots__ = ("_has_text", "_hash", "_held", "_lines")

    def __init__(self) -> None:
        self._hash = sha256()
        self._has_text = False
        # What came last and may vanish: so many line ends, then at most a blank and a CR.
        self._lines = 0
        self._held = b""

    def take(self, octets: bytes) -> None:
        """One more block."""
        data = self._held + octets if self._held else octets
        text = data.rstrip(b" \t\r\n")
        held = data[len(text) :]
        bare = _LAST_BARE.match(held)
        if bare is not None:
            text += bare.group()
            held = held[bare.end() :]
        if text:
            self._give_lines()
            self._hash.update(_relaxed(text))
            self._has_text = True
        held = _relaxed(held)
        lines = held.count(_CRLF)
        self._lines += lines
        self._held = held[2 * lines :]

    def digest(self) -> bytes:
        """The hash; to be asked once."""
        if self._held.endswith(b"\r"):
            self._give_lines()
            self._hash.update(self._held)
            self._has_text = True
        # RFC 6376 3.4.4: "If the body is non-empty but does not end with a CRLF, a CRLF is added."
        if self._has_text:
            self._hash.update(_CRLF)
        return self._hash.digest()

    def _give_lines(self) -> None:
        while self._lines:
            lines = min(self._lines, _LINES_AT_ONCE)
            self._hash.update(_CRLF * lines)
            self._lines -= lines


def _relaxed(octets: bytes) -> bytes:
    if b"  " in octets or b"\t" in octets:
        octets = _BLANKS.sub(b" ", octets)
    return octets.replace(b" \r\n", _CRLF)


class ContentHash:
    """The body hash of a message that is fed from its first octet: finds where the body begins.

    A header block of more than `head_limit` octets ends in no hash; such a message is refused.
    """

    __slots__ = ("_body", "_head", "_head_limit", "_is_in_body", "_looked_at")

    def __init__(self, head_limit: int) -> None:
        self._head_limit = head_limit
        self._head = bytearray()
        self._looked_at = 0
        self._is_in_body = False
        self._body = BodyHash()

    def take(self, octets: bytes) -> None:
        """One more block."""
        if self._is_in_body:
            self._body.take(octets)
        elif len(self._head) <= self._head_limit:
            self._head += octets
            self._look_for_body(is_complete=False)

    def digest(self) -> bytes:
        """The hash of the body; all of the content was taken. To be asked once."""
        if not self._is_in_body:
            self._look_for_body(is_complete=True)
        return self._body.digest()

    def _look_for_body(self, *, is_complete: bool) -> None:
        head = self._head
        if not is_complete and self._looked_at == 0 and (_CRLF not in head or is_open(head)):
            # Whether it begins with a field is known when its first line is here, and behind the
            # line of a mailbox file the name in the second.
            return
        end = find_header_end(head, self._looked_at)
        self._looked_at = len(head)
        if end < 0:
            return
        self._is_in_body = True
        begin = end + 2 if head[end : end + 2] == _CRLF else end
        self._body.take(bytes(head[begin:]))
        self._head = bytearray()
