"""Where the parts of a MIME message stand, found while its octets pass by (RFC 2046). Pure.

Of a message of any size no more is kept than a few lines and what the headers of its parts say.
Only multipart/mixed, /related and /alternative are looked into: what is inside of all others
(signed, encrypted, reports) and of messages in messages belongs together and counts as one part.
"""

import re
from dataclasses import dataclass
from email import message_from_string
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from pillarbox.errors import PillarboxError
from pillarbox.mail.transfer import Decoder, decoder_of

MAX_PARTS = 1000
MAX_DEPTH = 20
MAX_HEAD_OCTETS = 64 * 1024
"""Of the header of a part, and of what the message's own says of its content."""

MAX_DELIMITER_OCTETS = 200
"""RFC 2046 section 5.1.1: a boundary has at most 70; blanks may follow."""

_MAX_NAME = 255
_LINE_END = b"\r\n"
_DELIMITER = b"\r\n--"
_CONTAINERS = frozenset({"multipart/mixed", "multipart/related", "multipart/alternative"})
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_CONTENT_FIELD = re.compile(rb"content-|mime-version", re.IGNORECASE)
_FIELD_ENDS = re.compile(rb"(?<=\r\n)(?![ \t])")


class MimeError(PillarboxError):
    """It is not built as MIME has to be; the text says how, and goes behind "it"."""


@dataclass(slots=True, eq=False)
class Container:
    """A multipart. `boundary` is what separates its parts; so many have begun."""

    media_type: str
    boundary: bytes
    parts: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf. Of the octets of the message it has those from `begin` to `end`, its delimiter
    included and that which follows not; its content begins at `body_begin`.

    `number` counts from 0 inside of `container`; None: it is the message itself. `size_octets` is
    that of its content, decoded; None where it can not be decoded. `name` and `content_id` are ""
    where it has none.
    """

    container: Container | None
    number: int
    begin: int
    body_begin: int
    end: int
    media_type: str
    encoding: str
    name: str
    disposition: str
    content_id: str
    size_octets: int | None


@dataclass(slots=True)
class _Leaf:
    """A part whose content passes by."""

    header: Message
    begin: int
    body_begin: int
    decoder: Decoder | None
    size_octets: int = 0


class PartScanner:
    """Fed with a message block by block; `end` gives its leaves in their order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._offset = 0
        """Where in the message the buffer begins."""
        self._stack: list[Container] = []
        """The containers that have not ended."""
        self._is_head = True
        self._begin = 0
        self._leaf: _Leaf | None = None
        self._parts: list[Part] = []

    def feed(self, block: bytes) -> None:
        """More of the message. Raises MimeError."""
        self._buffer += block
        while self._step(is_last=False):
            pass

    def end(self) -> list[Part]:
        """That was all. Raises MimeError."""
        while self._step(is_last=True):
            pass
        if self._is_head:
            raise MimeError("ends in the header of a part")
        self._pass(len(self._buffer))
        self._close_leaf(self._offset)
        return self._parts

    def _step(self, *, is_last: bool) -> bool:
        """Go on as far as the buffer allows; whether there may be more to do."""
        return self._read_head() if self._is_head else self._look_for_delimiter(is_last=is_last)

    def _read_head(self) -> bool:
        buffer = self._buffer
        is_empty = buffer.startswith(_LINE_END)
        size = 0 if is_empty else buffer.find(b"\r\n\r\n") + 2
        if size < 2 and not is_empty:
            # The header of the message itself is bounded by whoever took it.
            if self._stack and len(buffer) > MAX_HEAD_OCTETS:
                raise MimeError("has a part whose header has no end")
            return False
        self._begin_body(bytes(buffer[:size]))
        # The empty line stays: its end may be that before a delimiter.
        self._drop(size)
        return True

    def _begin_body(self, head: bytes) -> None:
        self._is_head = False
        header = _content_header(head, is_strict=bool(self._stack))
        media_type = header.get_content_type()
        boundary = _boundary(header)
        if media_type in _CONTAINERS and boundary:
            if len(self._stack) >= MAX_DEPTH:
                raise MimeError("has parts in parts in parts, too deep")
            self._stack.append(Container(media_type, boundary))
            return
        body_begin = self._offset + len(head) + len(_LINE_END)
        decoder = decoder_of(_encoding(header))
        self._leaf = _Leaf(header, self._begin, body_begin, decoder)

    def _look_for_delimiter(self, *, is_last: bool) -> bool:
        buffer = self._buffer
        at = buffer.find(_DELIMITER) if self._stack else -1
        if at < 0:
            # The beginning of a delimiter may stand at the end.
            self._pass(len(buffer) - len(_DELIMITER) + 1)
            return False
        end = buffer.find(_LINE_END, at + 2, at + MAX_DELIMITER_OCTETS)
        if end < 0 and len(buffer) - at < MAX_DELIMITER_OCTETS:
            if not is_last:
                self._pass(at)
                return False
            end = len(buffer)
        if end < 0 or not self._delimit(at, bytes(buffer[at + 4 : end]).rstrip(b" \t"), end):
            self._pass(at + 2)
        return True

    def _delimit(self, at: int, text: bytes, end: int) -> bool:
        """A line that may be a delimiter; whether it is."""
        for depth in range(len(self._stack), 0, -1):
            boundary = self._stack[depth - 1].boundary
            if text in (boundary, boundary + b"--"):
                break
        else:
            return False
        self._pass(at)
        self._close_leaf(self._offset)
        del self._stack[depth:]
        if text == boundary:
            self._begin = self._offset
            self._stack[-1].parts += 1
            self._drop(end - at + len(_LINE_END))
            self._is_head = True
        else:
            self._stack.pop()
            self._drop(end - at)
        return True

    def _pass(self, size: int) -> None:
        """So much of the buffer is content, or nothing."""
        if size <= 0:
            return
        leaf = self._leaf
        if leaf is not None and leaf.decoder is not None:
            skipped = max(leaf.body_begin - self._offset, 0)
            try:
                leaf.size_octets += len(leaf.decoder.feed(bytes(self._buffer[skipped:size])))
            except ValueError:
                leaf.decoder = None
        self._drop(size)

    def _drop(self, size: int) -> None:
        del self._buffer[:size]
        self._offset += size

    def _close_leaf(self, end: int) -> None:
        leaf, self._leaf = self._leaf, None
        if leaf is None:
            return
        if len(self._parts) >= MAX_PARTS:
            raise MimeError(f"has more than {MAX_PARTS} parts")
        size = None
        if leaf.decoder is not None:
            try:
                size = leaf.size_octets + len(leaf.decoder.end())
            except ValueError:
                size = None
        header = leaf.header
        container = self._stack[-1] if self._stack else None
        self._parts.append(
            Part(
                container,
                container.parts - 1 if container is not None else 0,
                leaf.begin,
                leaf.body_begin,
                max(end, leaf.begin),
                header.get_content_type(),
                _encoding(header),
                _name(header),
                header.get_content_disposition() or "",
                _text(header["Content-ID"]).strip().strip("<>"),
                size,
            )
        )


def _content_header(head: bytes, *, is_strict: bool) -> Message:
    """What a header says of the content. That of a part must be one: a delimiter that is taken for
    a field would make two parts one."""
    fields = [field for field in _FIELD_ENDS.split(head) if field]
    if is_strict and not all(map(_FIELD.match, fields)):
        raise MimeError("has a part whose header has a line that is no field")
    known = [field for field in fields if _CONTENT_FIELD.match(field)]
    if sum(map(len, known)) > MAX_HEAD_OCTETS:
        raise MimeError("says too much of its content")
    names = [field.partition(b":")[0].strip().lower() for field in known]
    if len(set(names)) < len(names):
        raise MimeError("has a field twice that says what the content is")
    # RFC 6532 section 3.2: beyond ASCII it is UTF-8.
    return message_from_string(b"".join(known).decode("utf-8", "replace"))


def _boundary(header: Message) -> bytes:
    try:
        return (header.get_boundary() or "").encode("ascii")
    except (HeaderParseError, ValueError):
        return b""


def _encoding(header: Message) -> str:
    return _text(header["Content-Transfer-Encoding"]).strip().lower()


def _text(value: object) -> str:
    """A field; "" for none, and for one that is beyond ASCII."""
    text = "" if value is None else str(value)
    return text if text.isascii() and text.isprintable() else ""


def _name(header: Message) -> str:
    """The name of a file as people read it, without a path."""
    try:
        name = header.get_filename() or ""
        if "=?" in name:
            name = str(make_header(decode_header(name)))
    except (HeaderParseError, LookupError, ValueError):
        return ""
    name = name.replace("\\", "/").rpartition("/")[2]
    return "".join(filter(str.isprintable, name)).strip()[:_MAX_NAME]
