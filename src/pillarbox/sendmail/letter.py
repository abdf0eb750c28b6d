"""The message that a program hands over: whom its header names, what is taken off, what is added.

RFC 5322 sections 3.4 (addresses), 3.6.2 to 3.6.6 (fields). Octets of the body stay as they are.
"""

import re
from typing import NamedTuple

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:")
_FIELD_ENDS = re.compile(rb"(?<=\n)(?![ \t])")
_DOT = re.compile(rb"(?:^|(?<=\n))\.\r?\n")
_PIECE = re.compile(r"\"(?:[^\"\\]|\\.)*\"|\\.|[^\"\\]", re.DOTALL)

_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"")

_RECIPIENTS = (b"to", b"cc", b"bcc")
_HIDDEN = frozenset({b"bcc", b"resent-bcc"})


class Letter(NamedTuple):
    """A message: its header fields, each with its line end, and what follows them."""

    fields: tuple[bytes, ...]
    body: bytes

    def names(self) -> set[bytes]:
        """The names of the fields, in small letters."""
        return {_name(field) for field in self.fields}


def read_letter(octets: bytes, *, dot_is_text: bool) -> Letter:
    """Take a message apart. Without `dot_is_text` a line with a dot alone ends it, as on a
    terminal."""
    if not dot_is_text and (end := _DOT.search(octets)):
        octets = octets[: end.start()]
    if octets.startswith((b"From ", b">From ")):
        # The line of a mailbox file.
        octets = octets.partition(b"\n")[2]
    match = re.search(rb"\r?\n\r?\n", octets)
    if octets.startswith((b"\n", b"\r\n")) or not _FIELD.match(octets):
        blank = b"" if octets.startswith((b"\n", b"\r\n")) else b"\n"
        return Letter((), blank + octets)
    end_of_header = match.start() + 1 + (match.group()[:1] == b"\r") if match else len(octets)
    head, body = octets[:end_of_header], octets[end_of_header:]
    if not head.endswith(b"\n"):
        head += b"\n"
    return Letter(_fields(head), body or b"\n")


def _fields(head: bytes) -> tuple[bytes, ...]:
    return tuple(field for field in _FIELD_ENDS.split(head) if field)


def _name(field: bytes) -> bytes:
    match = _FIELD.match(field)
    return match[1].lower() if match else b""


def recipients_of(letter: Letter) -> list[str]:
    """All whom To, Cc and Bcc name; those of the Resent fields alone, where there are some."""
    resent = [b"resent-" + name for name in _RECIPIENTS]
    wanted = resent if letter.names() & set(resent) else list(_RECIPIENTS)
    return [
        address
        for field in letter.fields
        if _name(field) in wanted
        for address in addresses_of(_value(field))
    ]


def author_of(letter: Letter) -> str:
    """The address of the From field, "" without one."""
    for field in letter.fields:
        if _name(field) == b"from":
            return next(iter(addresses_of(_value(field))), "")
    return ""


def _value(field: bytes) -> str:
    return field.partition(b":")[2].decode("utf-8", "surrogateescape")


def addresses_of(text: str) -> list[str]:
    """The addresses in a field, "root" as well; display names, comments and groups are left out."""
    found, part, quoted = [], "", ""
    depth = 0
    for piece in _PIECE.findall(text):
        if piece == "(":
            depth += 1
        elif piece == ")" and depth:
            depth -= 1
        elif depth:
            continue
        elif piece in ",;":
            found.append(part)
            part = ""
        elif piece == ":" and not quoted and "[" not in part:
            # What stands before it is the name of a group.
            part = ""
        elif piece == "<":
            part = quoted = "<"
        elif piece == ">" and quoted:
            part, quoted = f"{part}>", ""
        elif part.endswith(">") and not quoted:
            continue
        else:
            part += piece
    found.append(part)
    return [address for one in found if (address := _plain(one))]


def _plain(part: str) -> str:
    """Without brackets and blanks; a display name without an address is none."""
    text = part.strip()
    if text.startswith("<"):
        return "".join(text.strip("<>").split())
    return "" if re.search(r"\s", _QUOTED.sub("", text)) else text


class Additions(NamedTuple):
    """What a message gets where it has none of its own."""

    sender: str
    full_name: str
    date: str
    message_id: str


def complete(letter: Letter, additions: Additions) -> bytes:
    """The message as it is sent: without Bcc, with From, Date and Message-ID."""
    kept = [field for field in letter.fields if _name(field) not in _HIDDEN]
    names = letter.names()
    made = []
    if b"from" not in names and additions.sender:
        made.append(f"From: {_mailbox(additions.full_name, additions.sender)}")
    if b"date" not in names:
        made.append(f"Date: {additions.date}")
    if b"message-id" not in names:
        made.append(f"Message-ID: <{additions.message_id}>")
    head = "".join(f"{line}\n" for line in made).encode("utf-8", "surrogateescape")
    return head + b"".join(kept) + letter.body


def _mailbox(full_name: str, address: str) -> str:
    if not full_name:
        return address
    if full_name.isascii():
        quoted = full_name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}" <{address}>'
    from email.header import Header

    # Arguments are octets: those that are no UTF-8 can not be told in it.
    full_name = full_name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return f"{Header(full_name, 'utf-8').encode()} <{address}>"
