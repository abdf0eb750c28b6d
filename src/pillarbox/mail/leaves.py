"""The parts of a message that strangers sent, as far as they can be told. Pure.

For reports that come back (mail.returned). Unlike mail.parts, which finds where the parts of mail
that goes out begin, it takes whatever it gets: what is broken is read as well as it goes, what is
too much is left out. Lines may end in LF. Work is linear in the size, times MAX_DEPTH.
"""

import re
from binascii import Error, a2b_base64, a2b_qp
from collections.abc import Iterator
from dataclasses import dataclass

MAX_DEPTH = 4
"""Reports have one level, and what lists and gateways wrap them in."""
MAX_LEAVES = 50
MAX_PIECES = 200
"""What stands between two delimiters, on all levels together."""
MAX_HEAD_OCTETS = 64 * 1024
MAX_TEXT_OCTETS = 64 * 1024
"""What is read of the content of one part."""
MAX_DELIMITER_OCTETS = 220

_FIELD = re.compile(rb"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_BOUNDARY = re.compile(
    rb'boundary[ \t]{0,9}=[ \t]{0,9}(?:"([^"\n]{1,200})"|([^\s;"]{1,200}))', re.I
)
_CHARSET = re.compile(rb'charset[ \t]{0,9}=[ \t]{0,9}"?([A-Za-z0-9._-]{1,40})', re.I)
_NO_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a header block, by lower-case name, unfolded; of each the first few."""

    fields: dict[str, tuple[str, ...]]

    def get(self, name: str) -> str:
        """The first field of this name; "" if there is none."""
        return self.fields.get(name, ("",))[0]

    @property
    def media_type(self) -> str:
        """What the content is said to be, in lower case."""
        return self.get("content-type").partition(";")[0].strip().lower() or "text/plain"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part that holds no others: `body` as it stands there, `boundary` none."""

    header: Header
    body: bytes

    @property
    def octets(self) -> bytes:
        """The beginning of the content, decoded as well as that goes."""
        body = self.body[:MAX_TEXT_OCTETS]
        match self.header.get("content-transfer-encoding").strip().lower():
            case "quoted-printable":
                return a2b_qp(body)
            case "base64":
                text = _NO_BASE64.sub(b"", body)
                try:
                    return a2b_base64(text[: len(text) // 4 * 4])
                except Error:
                    return b""
            case _:
                return body

    @property
    def text(self) -> str:
        """The same as text; what its charset does not know is replaced."""
        found = _CHARSET.search(self.header.get("content-type").encode("utf-8", "replace"))
        name = found[1].decode("ascii") if found else "utf-8"
        try:
            return self.octets.decode(name, "replace")
        except (LookupError, ValueError):
            return self.octets.decode("utf-8", "replace")


def read_header(block: bytes) -> Header:
    """The fields of a block whose lines end in LF."""
    fields: dict[str, list[str]] = {}
    name, body = "", [b""]
    for line in [*block[:MAX_HEAD_OCTETS].split(b"\n"), b"."]:
        if line[:1] in (b" ", b"\t"):
            body.append(line.strip())
            continue
        if name and len(known := fields.setdefault(name, [])) < MAX_LEAVES:
            known.append(b" ".join(body).decode("utf-8", "replace").strip())
        match = _FIELD.fullmatch(line)
        name, body = (match[1].decode("ascii").lower(), [match[2].strip()]) if match else ("", [])
    return Header({name: tuple(bodies) for name, bodies in fields.items()})


def split_message(octets: bytes) -> tuple[bytes, bytes]:
    """The header block and the body; lines end in LF."""
    if octets.startswith(b"\n"):
        return b"", octets[1:]
    head, _, body = octets.partition(b"\n\n")
    return head, body


def leaves(octets: bytes) -> list[Leaf]:
    """The parts of a message in their order; the message itself where it has none. Of all that
    stands behind MAX_LEAVES or MAX_PIECES nothing is told."""
    walker = _Walker()
    walker.walk(octets.replace(b"\r\n", b"\n"), 0)
    return walker.found


class _Walker:
    def __init__(self) -> None:
        self.found: list[Leaf] = []
        self._pieces = 0

    def walk(self, octets: bytes, depth: int) -> None:
        head, body = split_message(octets)
        header = read_header(head)
        boundary = _boundary(header) if header.media_type.startswith("multipart/") else b""
        if not boundary or depth >= MAX_DEPTH:
            self.found.append(Leaf(header, body))
            return
        for piece in _pieces(body, boundary):
            self._pieces += 1
            if self._pieces > MAX_PIECES or len(self.found) >= MAX_LEAVES:
                return
            self.walk(piece, depth + 1)


def _boundary(header: Header) -> bytes:
    found = _BOUNDARY.search(header.get("content-type").encode("utf-8", "replace"))
    return (found[1] or found[2]) if found else b""


def _pieces(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """What stands between the delimiters; the last one may be missing (RFC 2046 section 5.1.1)."""
    body = b"\n" + body
    mark = b"\n--" + boundary
    begin, at = -1, body.find(mark)
    while at >= 0:
        end = body.find(b"\n", at + 1, at + MAX_DELIMITER_OCTETS)
        if end < 0:
            end = min(len(body), at + MAX_DELIMITER_OCTETS)
        rest = body[at + len(mark) : end].rstrip(b" \t")
        is_delimiter = rest in (b"", b"--")
        if is_delimiter:
            if begin >= 0:
                yield body[begin : max(at, begin)]
            begin = end + 1
            if rest:
                return
        at = body.find(mark, end if is_delimiter else at + 1)
    if begin >= 0:
        yield body[begin:]
