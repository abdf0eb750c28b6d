"""A message without its largest attachments, for a next hop that takes those one by one. Pure.

No more is taken out than has to be, the largest first; all else stays as it was written. What is
signed stays whole: then the message can not go so.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.mail.parts import Container, MimeError, Part

MAX_FILES = 100
MAX_FILE_OCTETS = 150_000_000
"""Graph takes files of 150 MB."""

_SEALED = frozenset(
    {
        "multipart/signed",
        "multipart/encrypted",
        "application/pkcs7-mime",
        "application/x-pkcs7-mime",
    }
)
_FIELD_ENDS = re.compile(rb"(?<=\r\n)(?![ \t])")
_DKIM = re.compile(rb"dkim-signature[ \t]*:", re.IGNORECASE)
_CONTENT = re.compile(rb"content-[!-9;-~]+[ \t]*:", re.IGNORECASE)
_EMPTY_PART = b"\r\nContent-Type: text/plain\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Cut:
    """From `begin` to `end` the message has `instead`."""

    begin: int
    end: int
    instead: bytes = b""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is taken out, in the order of the message. `is_bare`: the message itself was the file,
    so its header must not say any more what its content is."""

    files: tuple[Part, ...]
    cuts: tuple[Cut, ...]
    is_bare: bool = False


def take_apart(parts: Sequence[Part], size_octets: int, limit: int) -> Plan:
    """What to take out of a message of this size, so that no more than `limit` is left. Raises
    MimeError, with words that go behind "it"."""
    if any(part.container is None and part.media_type in _SEALED for part in parts):
        raise MimeError("is signed or encrypted, which would not survive that")
    left, files = size_octets, list[Part]()
    for part in sorted(filter(_is_file, parts), key=_weight, reverse=True):
        if left <= limit:
            break
        if (part.size_octets or 0) > MAX_FILE_OCTETS:
            raise MimeError(f"has a file of more than {MAX_FILE_OCTETS} octets")
        files.append(part)
        left -= _weight(part)
    if left > limit:
        raise MimeError(f"has {left} octets that are no attachments")
    if len(files) > MAX_FILES:
        raise MimeError(f"has more than {MAX_FILES} attachments that would have to go alone")
    files.sort(key=lambda part: part.begin)
    is_bare = any(part.container is None for part in files)
    return Plan(tuple(files), tuple(_cuts(files)), is_bare)


def _weight(part: Part) -> int:
    return part.end - part.begin


def _is_file(part: Part) -> bool:
    """Whether it is something that a program shows as a file, or as a picture in the text."""
    main = part.media_type.partition("/")[0]
    if part.size_octets is None or main in ("multipart", "message"):
        return False
    is_text = main == "text" and part.disposition != "attachment" and not part.name
    match part.container:
        case None:
            return not is_text
        case Container(media_type="multipart/related"):
            return part.number > 0 and bool(part.content_id)
        case Container(media_type="multipart/mixed"):
            return not is_text
        case _:
            return False


def _cuts(files: Sequence[Part]) -> list[Cut]:
    taken: dict[Container, int] = {}
    cuts = []
    for part in files:
        container, instead = part.container, b""
        if container is None:
            cuts.append(Cut(part.body_begin, part.end))
            continue
        taken[container] = taken.get(container, 0) + 1
        if taken[container] == container.parts:
            # RFC 2046 section 5.1.1: a multipart has at least one part.
            instead = b"\r\n--" + container.boundary + _EMPTY_PART
        cuts.append(Cut(part.begin, part.end, instead))
    return cuts


def kept(cuts: Sequence[Cut], begin: int, block: bytes) -> bytes:
    """What is left of a block of the message that begins at `begin`."""
    end, at, pieces = begin + len(block), begin, list[bytes]()
    for cut in cuts:
        if cut.end < begin or cut.begin >= end:
            continue
        if cut.begin >= begin:
            pieces += [block[at - begin : cut.begin - begin], cut.instead]
        at = max(at, min(cut.end, end))
    pieces.append(block[at - begin :])
    return b"".join(pieces)


def draft_header(head: bytes, own_octets: int, *, is_bare: bool) -> bytes:
    """The header block of what is left; its first `own_octets` are Pillarbox's own.

    Signatures that Pillarbox made go: they would be wrong. Raises MimeError where somebody else
    has signed.
    """
    if any(map(_DKIM.match, _FIELD_ENDS.split(head[own_octets:]))):
        raise MimeError("is signed (DKIM), which would not survive that")
    fields = [field for field in _FIELD_ENDS.split(head) if not _DKIM.match(field)]
    if is_bare:
        fields = [field for field in fields if not _CONTENT.match(field)]
    return b"".join(fields)
