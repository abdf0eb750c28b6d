"""Content as DATA sends it: dot-stuffing (RFC 5321 4.5.2), block by block. Pure."""

from collections.abc import Sequence
from typing import TypeAlias

from pillarbox.smtp.line_ends import has_line_dot

_ONE_PIECE_OCTETS = 64 * 1024
"""Up to this size a copy costs less than to look at each piece for itself."""

_CRLF = b"\r\n"
_LINE_DOT = b"\r\n."
_LINE_DOT_STUFFED = b"\r\n.."
_END = b".\r\n"

Pieces: TypeAlias = Sequence[bytes]
"""All of the content of a message."""


class DataWriter:
    """Makes the octets between 354 and the final reply.

    The content must have no bare CR or LF: reception sees to that, and binary content goes by
    BDAT. How it is cut into blocks does not matter.
    """

    __slots__ = ("_last_two",)

    def __init__(self) -> None:
        # The content begins at the beginning of a line.
        self._last_two = _CRLF

    def feed(self, block: bytes) -> bytes:
        """The block with every dot at the beginning of a line doubled. Copied only where it has
        such a dot."""
        before = self._last_two
        self._last_two = block[-2:] if len(block) > 1 else (before + block)[-2:]
        stuffed = block
        if has_line_dot(block):
            stuffed = block.replace(_LINE_DOT, _LINE_DOT_STUFFED)
        # A line end that the border between two blocks cuts in front of the dot, or in two.
        if before == _CRLF and block.startswith(b"."):
            return b"." + stuffed
        if before.endswith(b"\r") and block.startswith(b"\n."):
            return b"\n." + stuffed[1:]
        return stuffed

    def end(self) -> bytes:
        """The end of data. RFC 5321 section 4.1.1.4: the CRLF of the last line is the first of
        the sequence; content that does not end with one gets it."""
        return _END if self._last_two == _CRLF else _CRLF + _END


def whole_data(pieces: Pieces) -> bytes:
    """Content that is at hand, from its first octet to its end."""
    if sum(map(len, pieces)) <= _ONE_PIECE_OCTETS:
        return _small_data(pieces[0] if len(pieces) == 1 else b"".join(pieces))
    writer = DataWriter()
    return b"".join([*map(writer.feed, pieces), writer.end()])


def _small_data(content: bytes) -> bytes:
    """The same as DataWriter makes of it."""
    stuffed = content
    if has_line_dot(content):
        stuffed = content.replace(_LINE_DOT, _LINE_DOT_STUFFED)
    if content[:1] == b".":
        stuffed = b"." + stuffed
    is_ended = content[-2:] == _CRLF or not content
    return stuffed + (_END if is_ended else _CRLF + _END)
