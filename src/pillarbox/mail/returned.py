"""What comes back about mail that was sent: delivery reports (RFC 3464), complaints (RFC 5965),
automatic answers (RFC 3834), and what servers write that know none of these. Pure.

Takes any octets. Real reports lack fields, name nobody, or have text alone; what can not be read is
OTHER. Nothing here is believed: who may say what is decided by outcome.returns.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.errors import AddressError
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.leaves import Header, Leaf, leaves, read_header, split_message
from pillarbox.mail.reply import Reply, split_enhanced
from pillarbox.mail.text_bounce import (
    find_reply,
    is_delay,
    looks_like_bounce,
    words_about,
    words_of,
)

READ_OCTETS = 256 * 1024
"""What is looked at: the report stands before the message that it returns."""

MAX_RECIPIENTS = 100
MAX_CHARACTERS = 600
"""Of one field that is kept."""


class ReturnKind(StrEnum):
    """What came back."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    AUTO_REPLY = "auto-reply"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ReturnedRecipient:
    """What is said of one recipient. `keys` are the keys of the addresses by which it is named,
    none if it is not. `reply` is None where nothing was said. `is_relayed`: it was handed to a
    server that reports no deliveries."""

    kind: ReturnKind
    keys: frozenset[str] = frozenset()
    reply: Reply | None = None
    remote_host: str = ""
    is_relayed: bool = False


@dataclass(frozen=True, slots=True)
class Returned:
    """A message that came back. `kind` is that of the message, `recipients` say more where it names
    any. `text` is what people read of it. `original` are the header fields of the message that it
    is about, as they stand there with LF, b"" if it has none. `feedback` is the type of a
    complaint; `paths` are the reverse-paths that a complaint names; `author` is who wrote it."""

    kind: ReturnKind
    recipients: tuple[ReturnedRecipient, ...] = ()
    text: str = ""
    original: bytes = b""
    feedback: str = ""
    paths: tuple[str, ...] = ()
    author: str = ""


def read_returned(octets: bytes, *, has_sender: bool) -> Returned:
    """What this message is. `has_sender`: its reverse-path is an address, which that of a report
    should not be."""
    octets = octets[:READ_OCTETS].replace(b"\r\n", b"\n")
    header = read_header(split_message(octets)[0])
    parts = leaves(octets)
    by_type: dict[str, Leaf] = {}
    for part in parts:
        by_type.setdefault(_TYPES.get(part.header.media_type, part.header.media_type), part)
    original = _original(by_type)
    text = by_type["text/plain"].text if "text/plain" in by_type else ""
    author = _key(header.get("from"))
    if "message/feedback-report" in by_type:
        return _complaint(by_type["message/feedback-report"], text, original)
    if "message/delivery-status" in by_type:
        recipients = _statuses(by_type["message/delivery-status"], text)
        kind = min((one.kind for one in recipients), key=_ORDER.index, default=ReturnKind.OTHER)
        if recipients:
            return Returned(kind, recipients, text, original, author=author)
    if _is_automatic(header) and not looks_like_bounce(header, author):
        return Returned(ReturnKind.AUTO_REPLY, (), text, original, author=author)
    if not has_sender or looks_like_bounce(header, author):
        return _text_bounce(header, text, original, author)
    return Returned(ReturnKind.OTHER, (), text, original, author=author)


_TYPES = {
    "message/global-delivery-status": "message/delivery-status",
    "message/global-headers": "text/rfc822-headers",
    "message/global": "message/rfc822",
    "text/html": "text/plain",
}
"""RFC 6533 names, and what is read in the place of text where there is none before it."""

_ORDER = (ReturnKind.FAILED, ReturnKind.DELAYED, ReturnKind.DELIVERED)
_ACTIONS = {
    "failed": ReturnKind.FAILED,
    "delayed": ReturnKind.DELAYED,
    "delivered": ReturnKind.DELIVERED,
    "relayed": ReturnKind.DELIVERED,
    "expanded": ReturnKind.DELIVERED,
}
_CLASSES = {"2": ReturnKind.DELIVERED, "4": ReturnKind.DELAYED, "5": ReturnKind.FAILED}
_OF_RECIPIENT = frozenset(
    {"final-recipient", "original-recipient", "action", "status", "diagnostic-code"}
)
_STATUS = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?![.\d])")
_CODE = re.compile(r"(?<![\d.])([245]\d\d)(?=[ -]|$)")
_WORD = re.compile(r"[a-z]{1,20}")
_ENCODED = re.compile(r"\\x\{([0-9A-Fa-f]{1,6})\}")


def _original(by_type: dict[str, Leaf]) -> bytes:
    for name in ("message/rfc822", "text/rfc822-headers"):
        if name in by_type:
            octets = by_type[name].octets.replace(b"\r\n", b"\n").lstrip(b"\n")
            return split_message(octets)[0]
    return b""


def _statuses(part: Leaf, text: str) -> tuple[ReturnedRecipient, ...]:
    """The recipients of a delivery report (RFC 3464 section 2.3)."""
    content = part.octets.replace(b"\r\n", b"\n").strip(b"\n")
    found: list[ReturnedRecipient] = []
    reporter = ""
    for block in re.split(rb"\n[ \t]*\n", content):
        header = read_header(block.strip(b"\n"))
        reporter = reporter or _value(header.get("reporting-mta"))
        if _OF_RECIPIENT & header.fields.keys() and len(found) < MAX_RECIPIENTS:
            found.append(_status(header, reporter, text))
    return tuple(found)


def _status(header: Header, reporter: str, text: str) -> ReturnedRecipient:
    status = _STATUS.search(header.get("status"))
    diagnostic = _plain(_value(header.get("diagnostic-code")))
    action = "".join(_WORD.findall(header.get("action").lower())[:1])
    said = _CODE.match(diagnostic)
    kind = _ACTIONS.get(action)
    if kind is None:
        # Without an action the class says it.
        first = status[1] if status else said[1][0] if said else "5"
        kind = _CLASSES[first]
    names = ("original-recipient", "final-recipient")
    keys = frozenset(filter(None, (_key(header.get(name)) for name in names)))
    reply = _reply(kind, status[0] if status else "", diagnostic)
    if not diagnostic:
        about = "\n".join(filter(None, (words_about(text, key) for key in sorted(keys))))
        # Without a status either the text as a whole has to say it.
        said_there = find_reply(about or ("" if status else text))
        reply = said_there or Reply(reply.code, reply.enhanced, words_of(about))
    return ReturnedRecipient(
        kind,
        keys,
        reply,
        _host(_value(header.get("remote-mta"))) or _host(reporter),
        is_relayed=action == "relayed",
    )


_USUAL = {ReturnKind.FAILED: 550, ReturnKind.DELAYED: 450, ReturnKind.DELIVERED: 250}


def _reply(kind: ReturnKind, status: str, diagnostic: str) -> Reply:
    """The reply that a report speaks of, as far as it tells it."""
    code = _CODE.match(diagnostic)
    rest = diagnostic[4:].strip() if code else diagnostic
    enhanced, words = split_enhanced(rest)
    usual = int(f"{status[0]}50") if status else _USUAL[kind]
    return Reply(int(code[1]) if code else usual, enhanced or status, (words,) if words else ())


def _complaint(part: Leaf, text: str, original: bytes) -> Returned:
    """A feedback report (RFC 5965 section 3)."""
    content = part.octets.replace(b"\r\n", b"\n").strip(b"\n")
    header = read_header(content)
    feedback = _plain(header.get("feedback-type")).lower()[:20]
    named = header.fields.get("original-rcpt-to", ())[:MAX_RECIPIENTS]
    host = _host(_value(header.get("reporting-mta")) or _value(header.get("source")))
    kind = ReturnKind.COMPLAINT if feedback in _COMPLAINTS else ReturnKind.OTHER
    recipients = tuple(
        ReturnedRecipient(kind, frozenset({key}), remote_host=host)
        for key in map(_key, named)
        if key
    )
    paths = [header.get("original-mail-from"), *read_header(original).fields.get("return-path", ())]
    return Returned(
        kind,
        recipients,
        text,
        original,
        feedback or "abuse",
        tuple(key for key in map(_key, paths[:MAX_RECIPIENTS]) if key),
    )


_COMPLAINTS = frozenset({"", "abuse", "fraud", "opt-out", "opt-out-list"})
"""Of the recipient himself. Not "not-spam", which says the contrary, nor "virus", which a filter
says, "other", or "auth-failure" (RFC 6591), which is about keys."""


def _text_bounce(header: Header, text: str, original: bytes, author: str) -> Returned:
    """A bounce that people are to read, where it can be told for one."""
    found, subject = find_reply(text), header.get("subject")
    if found is None and not looks_like_bounce(header, "", by_name=False):
        return Returned(ReturnKind.OTHER, (), text, original, author=author)
    kind = ReturnKind.DELAYED if is_delay(subject, text) else ReturnKind.FAILED
    host = author.rpartition("@")[2]
    keys = frozenset({_key(header.get("x-failed-recipients").partition(",")[0])} - {""})
    reply = found or Reply(_USUAL[kind], "", (_plain(subject),))
    return Returned(
        kind, (ReturnedRecipient(kind, keys, reply, _host(host)),), text, original, author=author
    )


def _is_automatic(header: Header) -> bool:
    """RFC 3834 section 5, and what answers before it and beside it say."""
    submitted = header.get("auto-submitted").partition(";")[0].strip().lower()
    return (
        submitted not in {"", "no"}
        or header.get("precedence").strip().lower() in {"auto_reply", "auto-reply"}
        or any(name in header.fields for name in ("x-autoreply", "x-autorespond"))
    )


def _value(field: str) -> str:
    """What stands behind the type of a field ("dns; mx.example.org")."""
    _, semicolon, value = field.partition(";")
    return (value if semicolon else field).strip()


def _key(field: str) -> str:
    """The key of the address in a field; "" if it can not be read."""
    text = _value(field) if ";" in field else field.strip()
    if "<" in text and ">" in text:
        text = text[text.rfind("<") + 1 : text.rfind(">")]
    text = _ENCODED.sub(_decoded, text[:400]).strip(" <>")
    try:
        return parse_mailbox(text).key
    except AddressError:
        return ""


def _decoded(match: re.Match[str]) -> str:
    """RFC 6533 section 3: utf-8-addr-xtext."""
    number = int(match[1], 16)
    return chr(number) if number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else ""


def _host(text: str) -> str:
    name = text.split()[0] if text.split() else ""
    return name[:255] if name.isprintable() else ""


def _plain(text: str) -> str:
    kept = "".join(c if c.isprintable() else " " for c in text[: 2 * MAX_CHARACTERS])
    return " ".join(kept.split())[:MAX_CHARACTERS]
