"""Takes a message apart as far as its form can be judged: header, fields, line ends. Pure."""

import re

from pillarbox.diagnosis.message_facts import Field, Message, SignatureFacts
from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key
from pillarbox.mail.header_from import parse_authors
from pillarbox.publish.dns_records import tags

MAX_HEADER_OCTETS = 1_000_000
"""Of a header no more is looked at."""
MAX_FIELDS = 5000
RUN_FIELD = "X-Pillarbox-Doctor"
"""The field by which `doctor --send` marks its message with the id of the run."""

MAX_SIGNATURES = 20

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:(.*)\Z", re.DOTALL)
_LINE_START = re.compile(rb"\r\n(?![ \t])")
_ODD_KEPT = 200


def read_message(octets: bytes) -> Message:
    """A file of a message. One whose lines end in LF throughout was saved on Unix: it is taken
    with CRLF, as it would be sent. The separator line of a mailbox file is left out."""
    if b"\r" not in octets:
        octets = octets.replace(b"\n", b"\r\n")
    if octets.startswith(b"From ") and b"\r\n" in octets:
        octets = octets.partition(b"\r\n")[2]
    ends = octets.count(b"\r\n")
    bare = octets.count(b"\n") + octets.count(b"\r") - 2 * ends
    if octets.startswith(b"\r\n"):
        return Message(octets, 0, (), (), bare)
    end = octets.find(b"\r\n\r\n")
    size = end + 2 if end >= 0 else len(octets)
    fields, odd = [], []
    for line in _LINE_START.split(octets[: min(size, MAX_HEADER_OCTETS)])[:MAX_FIELDS]:
        if found := _FIELD.match(line):
            fields.append(Field(found[1].decode("ascii"), found[2]))
        elif line:
            odd.append(line[:_ODD_KEPT])
    return Message(octets, size, tuple(fields), tuple(odd), bare)


def author_domain(message: Message) -> str:
    """The domain of the From field, "" where there is none that can be read."""
    found = message.named("from")
    try:
        return domain_key(parse_authors(found[0].body)[0].domain) if found else ""
    except AddressError:
        return ""


def envelope_domain(message: Message, sender: str) -> str:
    """The domain that SPF is asked of: of the sender that was named, else of Return-Path, else of
    From."""
    address = sender or message.text("return-path").strip("<> ")
    if "@" not in address:
        return author_domain(message)
    try:
        return domain_key(address.rpartition("@")[2])
    except AddressError:
        return author_domain(message)


def signatures_of(message: Message) -> tuple[SignatureFacts, ...]:
    """The signatures of DKIM, from the top, not verified yet."""
    found = message.named("dkim-signature")[:MAX_SIGNATURES]
    return tuple(SignatureFacts(tags(field.text)) for field in found)
