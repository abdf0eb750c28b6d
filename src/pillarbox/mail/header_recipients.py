"""A message for a next hop that mails whom the header names, and knows no envelope (Graph). Pure.

Who is in the envelope and in no field goes into one Bcc field, which the next hop takes off again.
A message whose header names anybody else must not go there: he would get it. Fields are read as
strictly as From is: where two programs may read two lists, nobody can say who would get it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox
from pillarbox.mail.header_from import parse_authors

_FIELD_ENDS = re.compile(rb"(?<=\r\n)(?![ \t])")
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")
_NOBODY = re.compile(rb"(?:[ \t\r\n]|[^\x00-\x1f\x7f:;,<>@()\"\\]+:[ \t\r\n]*;)*")
"""An empty field, and "undisclosed-recipients:;" (RFC 5322 section 3.4: a group of nobody)."""

_ONCE = frozenset({b"to", b"cc"})
"""RFC 5322 section 3.6: at most one of each; of two, some programs read the first."""

_RESENT = frozenset({b"resent-to", b"resent-cc", b"resent-bcc"})
_SHOWN_NAMES = 3


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why the header can not stand for the envelope, in words that go behind "its header"."""

    why: str


def address_by_header(head: bytes, recipients: Sequence[Mailbox]) -> bytes | Misfit:
    """The header block `head`, which ends with its last line, so that it names all of these
    recipients and nobody else."""
    wanted = {recipient.key for recipient in recipients}
    fields = [field for field in _FIELD_ENDS.split(head) if field]
    kept: list[bytes] = []
    named: set[str] = set()
    strangers: dict[str, None] = {}
    seen: set[bytes] = set()
    for field in fields:
        match = _NAME.match(field)
        if match is None or not field.endswith(b"\r\n"):
            return Misfit("has a line that is no field")
        name = match[1].lower()
        if name != b"bcc":
            kept.append(field)
        if name != b"bcc" and name not in _ONCE | _RESENT:
            continue
        if name in _ONCE & seen:
            return Misfit(f"has two fields {name.decode().title()}")
        seen.add(name)
        try:
            mailboxes = _read(field[match.end() : -2])
        except AddressError as error:
            return Misfit(f"has a field {name.decode().title()} that can not be read: {error}")
        strangers |= dict.fromkeys(one.address for one in mailboxes if one.key not in wanted)
        if name in _ONCE:
            named |= {one.key for one in mailboxes}
    if strangers:
        return Misfit(f"names {_shown(list(strangers))}, to whom it is not to go (now)")
    missing = {one.key: one.address for one in recipients if one.key not in named}
    if missing:
        kept.insert(0, b"Bcc: " + ",\r\n ".join(missing.values()).encode() + b"\r\n")
    return b"".join(kept)


def _read(body: bytes) -> tuple[Mailbox, ...]:
    """The mailboxes of a field; there may be none. Raises AddressError."""
    return () if _NOBODY.fullmatch(body) else parse_authors(body)


def _shown(addresses: list[str]) -> str:
    more = len(addresses) - _SHOWN_NAMES
    shown = ", ".join(addresses[:_SHOWN_NAMES])
    return f"{shown} and {more} more" if more > 0 else shown
