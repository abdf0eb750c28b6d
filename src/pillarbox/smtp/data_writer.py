"""Content as DATA sends it: dot-stuffing (RFC 5321 4.5.2), block by block. Pure."""

_CRLF = b"\r\n"
_LINE_DOT = b"\r\n."
_LINE_DOT_STUFFED = b"\r\n.."


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
        """The block with every dot at the beginning of a line doubled."""
        joined = self._last_two + block
        self._last_two = joined[-2:]
        return joined.replace(_LINE_DOT, _LINE_DOT_STUFFED)[2:]

    def end(self) -> bytes:
        """The end of data. RFC 5321 section 4.1.1.4: the CRLF of the last line is the first of
        the sequence; content that does not end with one gets it."""
        return b".\r\n" if self._last_two == _CRLF else b"\r\n.\r\n"
