"""The octets of a message on their way out: in memory, or in a file that is read piece by piece.

What goes out has CRLF line ends alone (RFC 5321 2.3.8) and no Bcc, whatever the program gave.
"""

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from pillarbox.client.errors import ArgumentError
from pillarbox.smtp.line_ends import has_bare_line_end
from pillarbox.values import quick

BLOCK_OCTETS = 256 * 1024
"""So much of a file is in memory at a time."""

MAX_HEADER_OCTETS = 1024 * 1024

_END_OF_HEADER = re.compile(rb"(?:\A|\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
"""An empty line, by whatever ends lines there."""

_HIDDEN = (b"bcc:", b"resent-bcc:")


@quick(frozen=True, slots=True)
class Content:
    """A message ready to be sent. `file` None: all of it is in `head`. Else `head` is the header
    block, and the rest follows in the file from `start` on; it `stood_at` the message."""

    head: bytes
    size: int
    is_ascii: bool
    header: bytes
    file: IO[bytes] | None = None
    start: int = 0
    stood_at: int = 0
    is_ours: bool = False
    """The file is a copy that nobody else knows."""

    @property
    def is_at_hand(self) -> bool:
        """Whether it is in memory."""
        return self.file is None

    @property
    def ended(self) -> bytes:
        """All of it, with the line end that BDAT would not add as DATA does."""
        return self.head if self.head.endswith(b"\r\n") else self.head + b"\r\n"

    def discard(self) -> None:
        """It is not needed any more. A file stands where it stood, for another attempt."""
        if self.file is None:
            return
        if self.is_ours:
            self.file.close()
        else:
            # Who closed it meanwhile makes no other one.
            with suppress(ValueError, OSError):
                self.file.seek(self.stood_at)

    def blocks(self) -> Iterator[bytes]:
        """All of it, in pieces of about BLOCK_OCTETS. Raises OSError."""
        head = self.head
        for start in range(0, len(head), BLOCK_OCTETS):
            yield head[start : start + BLOCK_OCTETS]
        if self.file is not None:
            left = self.size - len(head)
            self.file.seek(self.start)
            for block in _with_crlf(self.file):
                left -= len(block)
                yield block
            if left:
                raise OSError("the message file changed while it was sent")


def of_octets(octets: bytes) -> Content:
    """The content of a message in memory."""
    content = _crlf(octets)
    header = content[: end_of_header(content)]
    shown = without_bcc(header)
    if shown is not header:
        header, content = shown, shown + content[len(header) :]
    return Content(content, len(content), content.isascii(), header)


def of_file(file: IO[bytes]) -> Content:
    """The content of a message in a binary file, from where it stands. One that can not be read
    twice is copied to a temporary file. Raises ArgumentError, OSError."""
    is_ours = not file.seekable()
    if is_ours:
        file = _copied(file)
    start = file.tell()
    head, end = _read_header(file)
    header = without_bcc(_crlf(head[:end]))
    file.seek(start + end)
    size, is_ascii = len(header), header.isascii()
    for block in _with_crlf(file):
        size += len(block)
        is_ascii = is_ascii and block.isascii()
    file.seek(start)
    return Content(header, size, is_ascii, header, file, start + end, start, is_ours)


def _read_header(file: IO[bytes]) -> tuple[bytes, int]:
    """The beginning of a file, and where in it the body begins."""
    head = bytearray()
    while True:
        block = file.read(BLOCK_OCTETS)
        if not isinstance(block, bytes):
            raise ArgumentError("a message file must be opened in binary mode", fix="open(…, 'rb')")
        head += block
        found = _END_OF_HEADER.search(head)
        # A CR at the very end may be half of a line end.
        if found is not None and (found.end() < len(head) or not block):
            return bytes(head), found.end()
        if not block:
            return bytes(head), len(head)
        if len(head) > MAX_HEADER_OCTETS + BLOCK_OCTETS:
            raise ArgumentError("the header of the message has no end")


def split_header(content: bytes) -> tuple[bytes, bytes]:
    """The header block with the empty line behind it, and the body; of content with CRLF."""
    end = end_of_header(content)
    return content[:end], content[end:]


def end_of_header(content: bytes) -> int:
    """Where the body of content with CRLF begins."""
    if content.startswith(b"\r\n"):
        return 2
    end = content.find(b"\r\n\r\n")
    return len(content) if end < 0 else end + 4


def without_bcc(header: bytes) -> bytes:
    """The header block without the fields that nobody may see."""
    if b"bcc" not in header.lower():
        return header
    kept: list[bytes] = []
    hidden = False
    for line in header.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            hidden = line.lower().replace(b" ", b"").replace(b"\t", b"").startswith(_HIDDEN)
        if not hidden:
            kept.append(line)
    return b"".join(kept)


def _crlf(octets: bytes) -> bytes:
    if not has_bare_line_end(octets):
        return octets
    plain = octets.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return plain.replace(b"\n", b"\r\n")


def _with_crlf(file: IO[bytes]) -> Iterator[bytes]:
    """The rest of the file; a CR at the end of a block waits for what comes behind it."""
    held = b""
    while block := file.read(BLOCK_OCTETS):
        block = held + block
        held = b"\r" if block.endswith(b"\r") else b""
        if len(block) > len(held):
            yield _crlf(block[: len(block) - len(held)])
    if held:
        yield b"\r\n"


def _copied(file: IO[bytes]) -> IO[bytes]:
    from tempfile import SpooledTemporaryFile

    copy: IO[bytes] = SpooledTemporaryFile(MAX_HEADER_OCTETS)  # noqa: SIM115 - ends with its owner
    while block := file.read(BLOCK_OCTETS):
        copy.write(block)
    copy.seek(0)
    return copy
