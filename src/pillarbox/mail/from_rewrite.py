"""Another author for a message: the From field names a mailbox, Reply-To who wrote. Pure.

For next hops that take mail of one mailbox only. Signatures that the author made become invalid,
so it is done only where a route asks for it, and only on the way to that hop: what is in the spool
stays as it was received. RFC 5322 section 3.6.2.
"""

import re

from pillarbox.errors import AddressError
from pillarbox.mail.header_from import parse_authors

_FIELD_ENDS = re.compile(rb"(?<=\r\n)(?![ \t])")
_DROPPED = frozenset({b"from", b"sender"})


def rewrite_from(head: bytes, mailbox: str, *, names_author: bool = True) -> bytes:
    """The header block `head`, which ends with its last line, as a message of `mailbox`.

    The display name stays. A Reply-To that is there stays, too: it says already where answers go;
    without one it is the author, unless `names_author` is False.
    """
    fields = [field for field in _FIELD_ENDS.split(head) if field]
    names = [field.partition(b":")[0].strip().lower() for field in fields]
    made: list[bytes] = []
    is_written = False
    for name, field in zip(names, fields, strict=True):
        if name not in _DROPPED:
            made.append(field)
        elif name == b"from" and not is_written:
            is_written = True
            body = field.partition(b":")[2]
            made.append(b"From: %b<%b>\r\n" % (_display(body), mailbox.encode()))
            if names_author and b"reply-to" not in names:
                made.append(b"Reply-To:" + body)
    return b"".join(made)


def _display(body: bytes) -> bytes:
    """The display name of a field with one author, with a blank behind it; b"" for none."""
    try:
        is_one = len(parse_authors(body.rstrip(b"\r\n"))) == 1
    except AddressError:
        return b""
    if not is_one or body.count(b"<") != 1:
        return b""
    name = body[: body.index(b"<")].strip()
    return name + b" " if name else b""
