"""The body of a message: lines, MIME, size; and how its receivers can unsubscribe. Pure."""

import re
from collections.abc import Iterable

from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.finding import Finding, Severity, shown
from pillarbox.diagnosis.message_facts import DkimResult, Message, MessageFacts
from pillarbox.mail.parts import MimeError, Part, PartScanner

MAX_LINE_OCTETS = 998
LARGE_OCTETS = 25_000_000
"""Gmail and others take 25 MB; Microsoft 365 takes more, but not by default."""

_EIGHT_BIT = ("8bit", "binary")
_CHARSET = re.compile(rb"charset", re.IGNORECASE)
_KEPT = 200
_ONE_CLICK = "list-unsubscribe=one-click"


def about_body(message: Message) -> Iterable[Finding]:
    """All findings of the octets: line ends, lengths, parts, size."""
    yield from _about_octets(message)
    yield from _about_parts(message)
    if len(message.octets) > LARGE_OCTETS:
        megabytes = round(len(message.octets) / 1_000_000)
        yield found("MESSAGE-LARGE", "size", megabytes=megabytes)


def _about_octets(message: Message) -> Iterable[Finding]:
    octets = message.octets
    if message.bare_ends:
        at = re.search(rb"(?<!\r)\n|\r(?!\n)", octets)
        evidence = shown(octets[max(0, at.start() - 40) : at.end() + 40]) if at else ""
        yield found("MESSAGE-BARE-LINE-END", "message", evidence, count=message.bare_ends)
    if (zero := octets.find(b"\0")) >= 0:
        yield found("MESSAGE-NUL", "message", shown(octets[max(0, zero - 40) : zero + 40]))
    header = octets[: message.header_octets]
    for part, text in (("header", header), ("body", message.body)):
        longest = max(map(len, text.split(b"\r\n")))
        if longest > MAX_LINE_OCTETS:
            yield found("MESSAGE-LINE-LONG", part, part=part, octets=longest)


def _about_parts(message: Message) -> Iterable[Finding]:
    has_mime = bool(message.text("mime-version"))
    if not has_mime and not message.text("content-type"):
        if not message.body.isascii():
            yield found("MESSAGE-NO-MIME", "body", _first_beyond_ascii(message.body))
        return
    scanner = PartScanner()
    try:
        scanner.feed(message.octets)
        parts = scanner.end()
    except MimeError as exc:
        yield found("MESSAGE-MIME-BROKEN", "body", what=str(exc))
        return
    kinds = {part.media_type for part in parts if part.disposition != "attachment"}
    if "text/html" in kinds and "text/plain" not in kinds:
        yield found("MESSAGE-HTML-ALONE", "body")
    told: set[str] = set()
    for part in parts:
        for finding in _about_part(message.octets, part):
            if finding.id not in told:
                told.add(finding.id)
                yield finding


def _about_part(octets: bytes, part: Part) -> Iterable[Finding]:
    text = octets[part.body_begin : part.end]
    if text.isascii():
        return
    evidence = _first_beyond_ascii(text)
    if part.encoding not in _EIGHT_BIT and not part.media_type.startswith("message/"):
        encoding = f"Content-Transfer-Encoding: {part.encoding}" if part.encoding else "nothing"
        kind = part.media_type
        yield found("MESSAGE-BODY-8BIT", "body", evidence, kind=kind, encoding=encoding)
    head = octets[part.begin : part.body_begin]
    if part.media_type.startswith("text/") and not _CHARSET.search(head):
        yield found("MESSAGE-CHARSET-NONE", "body", evidence)


def _first_beyond_ascii(octets: bytes) -> str:
    at = re.search(rb"[\x80-\xff]", octets)
    return shown(octets[max(0, at.start() - 20) : at.start() + 20]) if at else ""


# -- unsubscribing -----------------------------------------------------------------------------


def about_bulk(facts: MessageFacts) -> Iterable[Finding]:
    """What large receivers want of mail that goes to many (RFC 2369, RFC 8058)."""
    message = facts.message
    text = message.text("list-unsubscribe")
    if not text:
        if facts.is_bulk or _looks_bulk(message):
            yield found("MESSAGE-UNSUBSCRIBE-NONE", "List-Unsubscribe")
        return
    where = "List-Unsubscribe"
    # Nobody wants one click of a list on which people talk.
    severity = Severity.INFO if message.text("list-post") else None
    addresses = re.findall(r"<\s*([A-Za-z][A-Za-z0-9+.-]*:[^<>\s]+)\s*>", text)
    if not addresses:
        yield found("MESSAGE-UNSUBSCRIBE-SYNTAX", where, text=text[:_KEPT])
        return
    post = message.text("list-unsubscribe-post").replace(" ", "").lower()
    if not any(address.lower().startswith("https://") for address in addresses):
        what = "there is no https address"
        yield found("MESSAGE-UNSUBSCRIBE-CLICKS", where, text[:_KEPT], severity=severity, what=what)
    elif post != _ONE_CLICK:
        what = "List-Unsubscribe-Post is missing" if not post else f"it says {post[:80]}"
        yield found("MESSAGE-UNSUBSCRIBE-CLICKS", where, text[:_KEPT], severity=severity, what=what)
    elif facts.signatures:
        names = {"list-unsubscribe", "list-unsubscribe-post"}
        good = [s for s in facts.signatures if s.result in (DkimResult.PASS, DkimResult.UNKNOWN)]
        if good and not any(names <= set(one.fields) for one in good):
            missing = " and ".join(sorted(names - set(good[0].fields)))
            yield found("MESSAGE-UNSUBSCRIBE-UNSIGNED", where, names=missing)


def _looks_bulk(message: Message) -> bool:
    precedence = message.text("precedence").lower()
    return precedence in ("bulk", "list", "junk") or bool(
        message.text("list-id") or message.text("feedback-id")
    )
