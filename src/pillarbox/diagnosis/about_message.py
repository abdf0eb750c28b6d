"""One message: what a receiver would hold against it. Pure."""

import re
from collections.abc import Iterable

from pillarbox.diagnosis.about_message_body import about_body, about_bulk
from pillarbox.diagnosis.about_message_path import about_path, span
from pillarbox.diagnosis.about_signatures import about_passing, about_signatures
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.finding import Finding, shown
from pillarbox.diagnosis.message_facts import Field, Message, MessageFacts
from pillarbox.diagnosis.message_path import hops, read_date
from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox
from pillarbox.mail.header_from import parse_authors

_ONCE = (
    *("from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "in-reply-to", "references"),
    *("subject", "date", "mime-version", "content-type", "content-transfer-encoding"),
)
"""RFC 5322 section 3.6 and RFC 2045: at most one of each."""

_LOCAL = ("local", "localdomain", "lan", "internal", "intranet", "home", "private", "invalid")
"""Last labels that no public name has (RFC 6761, RFC 6762, and what people choose)."""

_MESSAGE_ID = re.compile(r"<[^<>@\s:()\",;\\\[\]]+@(?:[^<>@\s\[\]]+|\[[^<>@\s\[\]]*\])>")
_ENCODED = re.compile(r"=\?([^?]*)\?([^?]*)\?([^?]*)\?=")
_CHARSET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,39}(?:\*[A-Za-z0-9-]{1,35})?")
_MAX_WORD = 75
_OFF_SECONDS = 3600
_KEPT = 200


def about_message(facts: MessageFacts | None, now: float) -> Iterable[Finding]:
    """All findings of a message; `now` is in seconds since 1970."""
    if facts is None:
        return
    message = facts.message
    if not message.fields:
        yield found("MESSAGE-NO-HEADER", "header", shown(message.octets[:_KEPT]))
        return
    yield from _about_fields(message)
    yield from _about_author(message)
    yield from _about_id(message)
    yield from _about_date(message, now)
    yield from _about_recipients(message)
    yield from _about_encoding(message.fields)
    yield from about_body(message)
    yield from about_bulk(facts)
    yield from about_signatures(facts, now)
    yield from about_path(message)
    yield from about_passing(facts)


def _about_fields(message: Message) -> Iterable[Finding]:
    if message.odd_lines:
        yield found("MESSAGE-ODD-LINE", "header", shown(message.odd_lines[0]))
    for name in _ONCE:
        same = message.named(name)
        if len(same) > 1:
            evidence = " | ".join(shown(field.body.strip()[:_KEPT]) for field in same[:3])
            yield found("MESSAGE-FIELD-TWICE", "header", evidence, count=len(same), name=name)


def _about_author(message: Message) -> Iterable[Finding]:
    fields = message.named("from")
    if not fields:
        yield found("MESSAGE-FROM-NONE", "From")
        return
    evidence = shown(fields[0].body.strip()[:_KEPT])
    try:
        authors: tuple[Mailbox, ...] = parse_authors(fields[0].body)
    except AddressError as exc:
        yield found("MESSAGE-FROM-SYNTAX", "From", evidence, what=str(exc))
        return
    if len(authors) > 1:
        yield found("MESSAGE-FROM-SEVERAL", "From", evidence, count=len(authors))
    domain = authors[0].domain
    last = domain.rstrip(".").rpartition(".")[2].lower()
    if not domain.startswith("[") and ("." not in domain or last in _LOCAL):
        yield found("MESSAGE-FROM-LOCAL", "From", evidence, domain=domain)


def _about_id(message: Message) -> Iterable[Finding]:
    text = message.text("message-id")
    if not text:
        yield found("MESSAGE-ID-NONE", "Message-ID")
    elif not _MESSAGE_ID.fullmatch(text):
        yield found("MESSAGE-ID-SYNTAX", "Message-ID", text=text[:_KEPT])


def _about_date(message: Message, now: float) -> Iterable[Finding]:
    text = message.text("date")
    if not text:
        yield found("MESSAGE-DATE-NONE", "Date")
        return
    written = read_date(text)
    if written is None:
        yield found("MESSAGE-DATE-SYNTAX", "Date", text=text[:_KEPT])
        return
    way = hops(message)
    taken = next((hop.at for hop in way if hop.at is not None), None)
    # A message that was not sent yet may be old, but not of tomorrow.
    off = written - taken if taken is not None else max(0.0, written - now)
    if abs(off) > _OFF_SECONDS:
        who = "the first server" if taken is not None else "this machine"
        side = "after" if off > 0 else "before"
        yield found("MESSAGE-DATE-OFF", "Date", text, age=span(abs(off)), side=side, who=who)


def _about_recipients(message: Message) -> Iterable[Finding]:
    if "@" in message.text("bcc"):
        yield found("MESSAGE-BCC-SHOWN", "Bcc", message.text("bcc")[:_KEPT])
    if not message.text("to") and not message.text("cc"):
        yield found("MESSAGE-NO-RECIPIENT", "To")
    if not message.text("subject"):
        yield found("MESSAGE-NO-SUBJECT", "Subject")


def _about_encoding(fields: Iterable[Field]) -> Iterable[Finding]:
    """Characters beyond ASCII: the first field of each kind of fault is enough."""
    told: set[str] = set()
    for field in fields:
        name, what = "", ""
        if not field.body.isascii():
            name = "MESSAGE-HEADER-UTF8" if _is_utf8(field.body) else "MESSAGE-HEADER-8BIT"
        elif what := _fault_of_words(field.body.decode("ascii")):
            name = "MESSAGE-ENCODED-WORD"
        if name and name not in told:
            told.add(name)
            evidence = shown(field.body.strip()[:_KEPT])
            yield found(name, field.name, evidence, name=field.name, what=what)


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _fault_of_words(text: str) -> str:
    """What is wrong with encoded words (RFC 2047 section 2); "" for nothing."""
    for word in _ENCODED.finditer(text):
        charset, encoding, octets = word.groups()
        if not _CHARSET.fullmatch(charset):
            return f'"{charset[:40]}" is no charset'
        if encoding.lower() not in ("q", "b"):
            return f'"{encoding[:40]}" is no encoding, only q and b are'
        if len(word[0]) > _MAX_WORD:
            return f"an encoded word has {len(word[0])} characters, at most {_MAX_WORD} are allowed"
        if " " in octets or "\t" in octets or "\r" in octets:
            return "there is a blank in an encoded word"
    return ""
