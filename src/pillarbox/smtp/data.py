"""Message content as it arrives: DATA with its dots (smtp.data_writer makes them), BDAT with its
chunks. Streaming.

RFC 5321 section 4.5.2 (transparency) and 2.3.8 (line ends), RFC 3030 (BDAT). Only CR LF . CR LF
ends DATA; a CR or LF that stands alone makes the content void, because servers that disagree on
what ends a line can be made to disagree on what ends a message (SMTP smuggling).

Octets are searched, counted and sliced as blocks; the readers remember at most four of them.
"""

from dataclasses import dataclass

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import Reply
from pillarbox.smtp.line_ends import find_line_dot, has_bare_line_end

_BARE_LINE_END = Refusal.BARE_LINE_END

_END = b"\r\n.\r\n"
_LINE_DOT = b"\r\n."
_CRLF = b"\r\n"

_BARE_ENDS = (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\n", b"\r.\r\n")
"""What clients with other line ends take for the end."""

_BEGINNINGS_OF_END = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")
"""What may grow into the end with the next octets, longest first."""


class DataReader:
    """Takes the octets after the 354 and gives back the content without its dots.

    Feed it until `ended`; then `rest` is what came behind the end. `size` is the number of octets
    of content. `fault` says why the content is void; it is looked for to the very end all the
    same, and a bare line end counts more than the size.
    """

    __slots__ = ("_at_start", "_last", "_limit", "_tail", "ended", "fault", "rest", "size")

    def __init__(self, limit_octets: int) -> None:
        self._limit = limit_octets
        # The line end of the DATA command: a dot at the very start is the first of its line.
        self._tail = _CRLF
        self._at_start = True
        self._last = b""
        self.ended = False
        self.rest = b""
        self.size = 0
        self.fault: Refusal | None = None

    def feed(self, octets: bytes) -> bytes:
        """The content in these octets, b"" where there is none or it is void."""
        data = self._tail + octets if self._tail else octets
        dot = find_line_dot(data)
        end = data.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            # RFC 5321 4.1.1.4: '"<LF>.<LF>" ... MUST NOT be treated as equivalent to
            # <CRLF>.<CRLF> as the end of mail data indication.'
            self.ended = True
            self.rest = data[end + 5 :]
            content = data[: end + 2]
        else:
            content = self._hold_back(data)
        if self.fault is _BARE_LINE_END:
            self._last = (self._last + octets[-4:])[-4:]
            return b""
        kept = self._keep(content, stuffed=0 <= dot < len(content) - 2)
        if self.fault is _BARE_LINE_END:
            self._last = data[-4:]
        return kept

    @property
    def seems_ended(self) -> bool:
        """Whether the content is void for its bare line ends, and its last octets are a dot between
        such: whoever sends nothing behind them waits for the reply."""
        return not self.ended and self._last.endswith(_BARE_ENDS)

    def _hold_back(self, data: bytes) -> bytes:
        self._tail = b""
        if data[-1:] in b"\r\n.":
            for beginning in _BEGINNINGS_OF_END:
                if data.endswith(beginning):
                    self._tail = beginning
                    return data[: -len(beginning)]
        return data

    def _keep(self, content: bytes, *, stuffed: bool) -> bytes:
        if not content:
            return b""
        if has_bare_line_end(content):
            self.fault = _BARE_LINE_END
            return b""
        if self.fault is not None:
            return b""
        if stuffed:
            # RFC 5321 4.5.2: "If the first character is a period and there are other characters
            # on the line, the first character is deleted."
            content = content.replace(_LINE_DOT, _CRLF)
        if self._at_start:
            self._at_start = False
            content = content[2:]
        self.size += len(content)
        if self.size > self._limit:
            self.fault = Refusal.SIZE_EXCEEDED
            return b""
        return content


class BdatReader:
    """Takes the chunks of one message (RFC 3030) and gives back their content.

    `begin()` a chunk, feed it until `remaining` is 0, and not more. After the last chunk
    `finish()`. `size` counts the octets of content. In a `binary` message (BODY=BINARYMIME) CR and
    LF mean nothing.
    """

    __slots__ = ("_after_cr", "_binary", "_limit", "fault", "remaining", "size")

    def __init__(self, limit_octets: int, *, binary: bool) -> None:
        self._limit = limit_octets
        self._binary = binary
        self._after_cr = False
        self.remaining = 0
        self.size = 0
        self.fault: Refusal | None = None

    def begin(self, size_octets: int) -> None:
        """A chunk of this size follows. One that passes the limit makes the content void."""
        self.remaining = size_octets
        if self.size + size_octets > self._limit and self.fault is None:
            self.fault = Refusal.SIZE_EXCEEDED

    def feed(self, octets: bytes) -> bytes:
        """The content in these octets, b"" where there is none or it is void."""
        self.remaining -= len(octets)
        if self.fault is not None:
            return b""
        if not self._binary and not self._is_clean(octets):
            self.fault = Refusal.BARE_LINE_END
            return b""
        self.size += len(octets)
        return octets

    def finish(self) -> None:
        """There are no more chunks: a CR that still waits for its LF stands alone."""
        if self._after_cr and self.fault is None:
            self.fault = Refusal.BARE_LINE_END

    def _is_clean(self, octets: bytes) -> bool:
        """Whether each CR has its LF; a CR LF may lie across two blocks or chunks."""
        if not octets:
            return True
        if self._after_cr:
            octets = b"\r" + octets
        self._after_cr = octets[-1] == 13
        return not has_bare_line_end(octets[:-1] if self._after_cr else octets)


@dataclass(slots=True)
class Discard:
    """A refused chunk that is thrown away as it comes; then `answer` is said."""

    remaining: int
    answer: Reply
