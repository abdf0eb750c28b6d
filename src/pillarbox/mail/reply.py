"""SMTP replies: code, enhanced status code, text (RFC 5321 4.2, RFC 2034, RFC 3463).

The class of a reply (2, 3, 4, 5) is read from its first digit here and nowhere else.
"""

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache

from pillarbox.values import quick

MAX_REPLY_LINE_OCTETS = 512
"""RFC 5321 4.5.3.1.5: "The maximum total length of a reply line including the reply code and
the <CRLF> is 512 octets"."""

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_UNPRINTABLE = re.compile(r"[^\t\x20-\x7e]")


class ReplyClass(IntEnum):
    """The first digit of a reply code (RFC 5321 4.2.1)."""

    POSITIVE = 2
    INTERMEDIATE = 3
    TRANSIENT = 4
    PERMANENT = 5


_CLASSES = {category.value: category for category in ReplyClass}
"""An enumeration takes several calls to find its member."""

_UNKNOWN = ReplyClass.TRANSIENT


@quick(frozen=True, slots=True)
class Reply:
    """One reply of an SMTP server.

    `code` has three digits; `enhanced` is an enhanced status code such as "5.7.1", or "" where
    the reply has none; `lines` is the text, one entry a line, without code and line end.
    """

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def category(self) -> ReplyClass:
        """The class by the first digit. Unknown codes keep the meaning of their first digit
        (RFC 5321 4.3.2); what is not 2yz to 5yz at all counts as transient: try again."""
        return _CLASSES.get(self.code // 100, _UNKNOWN)

    @property
    def text(self) -> str:
        """The text on one line."""
        return " ".join(self.lines)

    def __str__(self) -> str:
        lines = self.lines
        text = lines[0] if len(lines) == 1 else " ".join(lines)
        if text:
            return f"{self.code} {self.enhanced} {text}" if self.enhanced else f"{self.code} {text}"
        return f"{self.code} {self.enhanced}" if self.enhanced else str(self.code)

    def encode(self) -> bytes:
        """The octets to send, each line with code, enhanced code (RFC 2034 section 4: on every
        line) and CRLF. What is not printable ASCII becomes "?", long lines go on in another."""
        lead = f"{self.enhanced} " if self.enhanced else ""
        if len(self.lines) == 1:
            text = f"{self.code} {lead}{self.lines[0]}"
            if len(text) <= MAX_REPLY_LINE_OCTETS - 2 and text.isascii() and text.isprintable():
                return f"{text}\r\n".encode("ascii")
        room = MAX_REPLY_LINE_OCTETS - len(f"{self.code} {lead}\r\n")
        texts = [part for line in self.lines for part in _parts(_UNPRINTABLE.sub("?", line), room)]
        parts = [f"{self.code}-{lead}{text}\r\n" for text in texts[:-1]]
        return f"{''.join(parts)}{self.code} {lead}{texts[-1]}\r\n".encode("ascii")


def _parts(text: str, room: int) -> Iterator[str]:
    """The text in parts of at most `room` characters, broken at blanks where there are some."""
    while len(text) > room:
        end = text.rfind(" ", 1, room + 1)
        if end < 0:
            end = room
        yield text[:end]
        text = text[end:].lstrip(" ")
    yield text


def reply(code: int, enhanced: str, *lines: str) -> Reply:
    """Short form: `reply(250, "2.0.0", "OK")`."""
    return Reply(code, enhanced, lines)


def split_enhanced(text: str) -> tuple[str, str]:
    """Split the text of a received reply line into enhanced code ("" if none) and the rest."""
    word, _, rest = text.partition(" ")
    return (word, rest.lstrip(" ")) if _is_enhanced(word) else ("", text)


@lru_cache(256)
def _is_enhanced(word: str) -> bool:
    return _ENHANCED.fullmatch(word) is not None
