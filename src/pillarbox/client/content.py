"""The octets of a message on their way out: in memory, or in a file that is read piece by piece.

What goes out has CRLF line ends alone (RFC 5321 2.3.8) and no Bcc, whatever the program gave.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from pillarbox.client.errors import ArgumentError

BLOCK_OCTETS = 256 * 1024
"""So much of a file is in memory at a time."""

MAX_HEADER_OCTETS = 1024 * 1024

_HIDDEN = (b"bcc:", b"resent-bcc:")


@dataclass(frozen=True, slots=True)
class Content:
    """A message ready to be sent. `file` None: all of it is in `head`. Else `head` is the header
    block, and the rest follows in the file from `start` on."""

    head: bytes
    size: int
    is_ascii: bool
    header: bytes
    file: IO[bytes] | None = None
    start: int = 0

    @property
    def is_at_hand(self) -> bool:
        """Whether it is in memory."""
        return self.file is None

    def blocks(self) -> Iterator[bytes]:
        """All of it, in pieces of about BLOCK_OCTETS. Raises OSError."""
        head = self.head
        for start in range(0, len(head), BLOCK_OCTETS):
            yield head[start : start + BLOCK_OCTETS]
        if self.file is not None:
            self.file.seek(self.start)
            yield from _with_crlf(self.file)


def of_octets(octets: bytes) -> Content:
    """The content of a message in memory."""
    header, body = split_header(_crlf(octets))
    header = without_bcc(header)
    content = header + body
    return Content(content, len(content), content.isascii(), header)


def of_file(file: IO[bytes]) -> Content:
    """The content of a message in a binary file, from where it stands. One that can not be read
    twice is copied to a temporary file. Raises ArgumentError, OSError."""
    if not file.seekable():
        file = _copied(file)
    start = file.tell()
    head = bytearray()
    while (block := file.read(BLOCK_OCTETS)) and _end_of_header(head) < 0:
        if isinstance(block, str):
            raise ArgumentError("a message file must be opened in binary mode", fix="open(…, 'rb')")
        head += block
        if len(head) > MAX_HEADER_OCTETS and _end_of_header(head) < 0:
            raise ArgumentError("the header of the message has no end")
    end = _end_of_header(head)
    end = len(head) if end < 0 else end
    header = without_bcc(_crlf(bytes(head[:end])))
    file.seek(start + end)
    size, is_ascii = len(header), header.isascii()
    for block in _with_crlf(file):
        size += len(block)
        is_ascii = is_ascii and block.isascii()
    return Content(header, size, is_ascii, header, file, start + end)


def split_header(content: bytes) -> tuple[bytes, bytes]:
    """The header block with the empty line behind it, and the body; of content with CRLF."""
    if content.startswith(b"\r\n"):
        return content[:2], content[2:]
    end = content.find(b"\r\n\r\n")
    return (content, b"") if end < 0 else (content[: end + 4], content[end + 4 :])


def without_bcc(header: bytes) -> bytes:
    """The header block without the fields that nobody may see."""
    lowered = header.lower()
    if not any(name in lowered for name in _HIDDEN):
        return header
    kept: list[bytes] = []
    hidden = False
    for line in header.splitlines(keepends=True):
        if not line.startswith((b" ", b"\t")):
            hidden = line.lower().replace(b" ", b"").replace(b"\t", b"").startswith(_HIDDEN)
        if not hidden:
            kept.append(line)
    return b"".join(kept)


def _end_of_header(octets: bytearray) -> int:
    """Where the body begins; -1 if not here."""
    if octets.startswith((b"\n", b"\r\n")):
        return octets.index(b"\n") + 1
    ends = [
        place + len(mark)
        for mark in (b"\r\n\r\n", b"\n\n", b"\n\r\n")
        if (place := octets.find(mark)) >= 0
    ]
    return min(ends, default=-1)


def _crlf(octets: bytes) -> bytes:
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
    copy: IO[bytes] = SpooledTemporaryFile(MAX_HEADER_OCTETS)  # noqa: SIM115 - ends with its owner
    while block := file.read(BLOCK_OCTETS):
        copy.write(block)
    copy.seek(0)
    return copy
