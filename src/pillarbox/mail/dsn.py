"""Delivery status notifications: what the sender is told of a message. Pure.

RFC 3461 says when one is due and what it may give back, RFC 3464 what its fields mean, RFC 6522
how the report is built (three parts: words for people, fields for programs, the message itself),
RFC 6533 how it carries addresses beyond ASCII.

What the far side said, and what the sender put into ENVID and ORCPT, is foreign text: it never
reaches a field before `_plain` made one line of printable text of it.
"""

import re
from binascii import b2a_qp
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from pillarbox.mail.dsn_words import Action, ReportedRecipient, explain_report, subject_line
from pillarbox.mail.dsn_words import plain_text as _plain
from pillarbox.mail.envelope import Body, Envelope, Ret, Timestamp, TlsWish
from pillarbox.mail.identifier import format_id
from pillarbox.mail.reply import ReplyClass
from pillarbox.mail.seven_bit import base64_lines, to_seven_bit

MAX_FULL_OCTETS = 100 * 1024
"""RET=FULL gives back the whole message up to this size, beyond it the header fields only: a
report stays small enough to be kept in memory until it is committed."""

MAX_HEADER_OCTETS = 64 * 1024
"""More of the message's header fields than this is not given back."""

_FIELD_OCTETS = 76
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_XTEXT = re.compile(r"\+([0-9A-F]{2})")
_LONG_LINE = re.compile(rb"[^\n]{1000}")
"""RFC 5321 4.5.3.1.6: a text line has at most 1000 octets "including <CRLF>"."""


@dataclass(frozen=True, slots=True)
class Report:
    """All that a DSN is made from.

    `queue_id`, `received_at` and `envelope` are those of the message it reports on; its
    reverse-path must not be null. `dsn_id` and `now` are those of the DSN. `original` is the
    beginning of the message: at least its header block, or the whole of it where `is_complete`.
    """

    host_name: str
    queue_id: int
    dsn_id: int
    now: Timestamp
    received_at: Timestamp
    envelope: Envelope
    recipients: tuple[ReportedRecipient, ...]
    original: bytes
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Composed:
    """A finished DSN: its envelope (reverse-path `<>`), its content, and its Message-ID."""

    envelope: Envelope
    content: bytes
    header_id: str


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of the report: its media type with parameters, its octets as encoded."""

    media_type: str
    encoding: str
    octets: bytes

    def encode(self) -> bytes:
        head = f"Content-Type: {self.media_type}\r\nContent-Transfer-Encoding: {self.encoding}\r\n"
        return head.encode("ascii") + b"\r\n" + self.octets


def wants_full(envelope: Envelope, size_octets: int) -> bool:
    """Whether a failure report of this message gives back all of it (RFC 3461 section 4.3)."""
    # RFC 8689 section 5: "the server MUST behave as if RET=HDRS was present".
    is_allowed = envelope.tls_wish is not TlsWish.REQUIRED
    return envelope.ret is Ret.FULL and size_octets <= MAX_FULL_OCTETS and is_allowed


def compose(report: Report) -> Composed:
    """Make the DSN.

    RFC 3461 section 6.1: "the MAIL FROM address ... MUST be a null". The caller has seen to it
    that there is somebody to tell.
    """
    to = report.envelope.reverse_path
    if to is None:
        raise ValueError("nobody is told of a message with a null reverse-path (RFC 5321 6.1)")
    is_global = _is_global(report)
    kind = "global-delivery-status" if is_global else "delivery-status"
    parts = [
        _words_part(explain_report(report.host_name, report.queue_id, report.recipients)),
        _encoded_part(f"message/{kind}", _status_fields(report, is_global=is_global)),
        _returned_part(report, is_global=is_global),
    ]
    encoded = [part.encode() for part in parts]
    boundary = _boundary(report.dsn_id, encoded)
    smtputf8 = not to.local_part.isascii()
    # The next hop may be without SMTPUTF8, and a domain has a form for that.
    to_text = to.address if smtputf8 or to.is_ascii else f"{to.local_part}@{to.domain_key}"
    header_id = f"<{format_id(report.dsn_id)}@{report.host_name}>"
    header = [
        f"From: Mail Delivery System <mailer-daemon@{report.host_name}>",
        f"To: <{to_text}>",
        f"Subject: {subject_line(report.recipients)}",
        f"Date: {_date(report.now)}",
        f"Message-ID: {header_id}",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind};\r\n boundary="{boundary}"',
        "Content-Transfer-Encoding: 7bit",
        "",
        "This is a delivery report in MIME format.",
        "",
    ]
    line = f"\r\n--{boundary}".encode("ascii")
    body = b"".join(line + b"\r\n" + part for part in encoded)
    return Composed(
        _envelope_for(report.envelope, smtputf8=smtputf8),
        "\r\n".join(header).encode() + body + line + b"--\r\n",
        header_id,
    )


def _envelope_for(envelope: Envelope, *, smtputf8: bool) -> Envelope:
    """The envelope of a report on a message with this one. RFC 8689 section 5: those on messages
    with REQUIRETLS "MUST also specify the REQUIRETLS SMTP option"."""
    body = Body.EIGHT_BIT if smtputf8 else Body.SEVEN_BIT
    wish = TlsWish.REQUIRED if envelope.tls_wish is TlsWish.REQUIRED else TlsWish.NONE
    return Envelope(None, body, smtputf8, tls_wish=wish)


def _is_global(report: Report) -> bool:
    """Whether the fields need the forms of RFC 6533 (addresses beyond ASCII)."""
    return report.envelope.smtputf8 or any(
        not (entry.recipient.forward_path.is_ascii and entry.recipient.orcpt.isascii())
        for entry in report.recipients
    )


def _words_part(text: str) -> _Part:
    charset = "us-ascii" if text.isascii() else "utf-8"
    return _encoded_part(f"text/plain; charset={charset}", text)


def _encoded_part(media_type: str, text: str) -> _Part:
    """Text of our own as a part that every next hop can take."""
    octets = text.encode()
    if octets.isascii():
        return _Part(media_type, "7bit", octets)
    return _Part(media_type, "quoted-printable", b2a_qp(octets))


def _status_fields(report: Report, *, is_global: bool) -> str:
    """The machine's part: fields of the message, then a block for each recipient (RFC 3464)."""
    fields = []
    if report.envelope.envid:
        # RFC 3464 section 2.2.1: the envelope id without its xtext encoding.
        fields.append(f"Original-Envelope-Id: {_plain(_decode_xtext(report.envelope.envid))}")
    fields += [
        f"Reporting-MTA: dns; {report.host_name}",
        f"Arrival-Date: {_date(report.received_at)}",
        f"X-Pillarbox-Queue-Id: {format_id(report.queue_id)}",
    ]
    for entry in report.recipients:
        fields.append("")
        fields += _recipient_fields(entry, is_global=is_global)
    fields.append("")
    return "\r\n".join(fields)


def _recipient_fields(entry: ReportedRecipient, *, is_global: bool) -> list[str]:
    fields = []
    address_type, semicolon, original = entry.recipient.orcpt.partition(";")
    if semicolon:
        # RFC 3464 section 2.3.1: Original-Recipient must be there when ORCPT was given.
        decoded = _plain(_decode_xtext(original), utf8=is_global)
        fields.append(f"Original-Recipient: {_plain(address_type)};{decoded}")
    address = entry.recipient.forward_path
    address_type = "rfc822" if address.is_ascii else "utf-8"
    fields += [
        f"Final-Recipient: {address_type};{_plain(address.address, utf8=is_global)}",
        f"Action: {entry.action.value}",
        f"Status: {_status(entry)}",
    ]
    if entry.remote_host:
        fields.append(f"Remote-MTA: dns; {_plain(entry.remote_host)}")
    fields.append(_diagnostic(entry))
    if entry.attempted_at is not None:
        fields.append(f"Last-Attempt-Date: {_date(entry.attempted_at)}")
    if entry.retry_until is not None:
        fields.append(f"Will-Retry-Until: {_date(entry.retry_until)}")
    return fields


def _status(entry: ReportedRecipient) -> str:
    """The status code (RFC 3463): what the reply said where that fits the action."""
    enhanced = entry.reply.enhanced
    match entry.action:
        case Action.FAILED if entry.is_expired:
            return "4.4.7"
        case Action.FAILED:
            return enhanced if enhanced[:2] in {"4.", "5."} else "5.0.0"
        case Action.DELAYED:
            return enhanced if enhanced[:2] == "4." else "4.0.0"
        case Action.DELIVERED | Action.RELAYED:
            return enhanced if enhanced[:2] == "2." else "2.0.0"


def _diagnostic(entry: ReportedRecipient) -> str:
    """The reply as a folded field: type "smtp" only for what an SMTP server really said."""
    answer = entry.reply
    is_said = bool(entry.remote_host) and entry.speaks_smtp
    kind = "smtp" if is_said and answer.category is not ReplyClass.INTERMEDIATE else "x-pillarbox"
    return _fold(f"Diagnostic-Code: {kind}; {_plain(str(answer))}")


def _returned_part(report: Report, *, is_global: bool) -> _Part:
    """The message itself, or its header fields (RFC 3461 section 4.3, RFC 6522 section 3)."""
    is_failure = any(entry.action is Action.FAILED for entry in report.recipients)
    # RFC 3461 section 4.3: RET only counts where the report tells of a failure.
    if is_failure and report.is_complete and wants_full(report.envelope, len(report.original)):
        whole = _whole_part(report.original, is_global=is_global)
        if whole is not None:
            return whole
    media_type = "message/global-headers" if is_global else "text/rfc822-headers"
    octets = _header_block(report.original)
    if octets.isascii() and _is_clean(octets):
        return _Part(media_type, "7bit", octets)
    return _Part(media_type, "base64", base64_lines(octets))


def _whole_part(original: bytes, *, is_global: bool) -> _Part | None:
    """The whole message in 7 bits: nobody knows whether the way to the sender takes more, and a
    report has no second chance. None where that can not be."""
    if not _is_clean(original):
        return None
    media_type = "message/global" if is_global else "message/rfc822"
    if original.isascii():
        return _Part(media_type, "7bit", original)
    if is_global:
        # RFC 6532 section 3.7: any encoding is allowed, other than for message/rfc822.
        return _Part(media_type, "base64", base64_lines(original))
    recoded = to_seven_bit(original)
    return None if recoded is None else _Part(media_type, "7bit", recoded)


def _header_block(original: bytes) -> bytes:
    """The header fields with their CRLFs, cut after a line at MAX_HEADER_OCTETS."""
    end = original.find(b"\r\n\r\n")
    if 0 <= end <= MAX_HEADER_OCTETS:
        return original[: end + 2]
    cut = original.rfind(b"\r\n", 0, MAX_HEADER_OCTETS)
    return original[: cut + 2] if cut >= 0 else b""


def _is_clean(octets: bytes) -> bool:
    """Whether they are lines of allowed length that end in CRLF, without NUL."""
    ends = octets.count(b"\r\n")
    return (
        octets.count(b"\r") == ends == octets.count(b"\n")
        and b"\0" not in octets
        and _LONG_LINE.search(octets) is None
    )


def _boundary(dsn_id: int, parts: list[bytes]) -> str:
    """A boundary that occurs in no part (RFC 2046 section 5.1.1: it "MUST NOT appear inside any
    of the encapsulated parts"), also where a sender guessed our next id."""
    name = f"report-{format_id(dsn_id)}"
    boundary, number = name, 0
    while any(boundary.encode("ascii") in part for part in parts):
        number += 1
        boundary = f"{name}-{number}-"
    return boundary


def _decode_xtext(text: str) -> str:
    """RFC 3461 section 4: `+` and two hexadecimal digits stand for a character."""
    return _XTEXT.sub(lambda match: chr(int(match.group(1), 16)), text)


def _fold(field: str) -> str:
    """Break a long field before blanks; no line is only white space, which would end a block."""
    lines, line = [], ""
    for word in field.split(" "):
        if line and len(line) + 1 + len(word) > _FIELD_OCTETS:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def _date(at: Timestamp) -> str:
    """A date of RFC 5322 section 3.3."""
    return format_datetime(_EPOCH + timedelta(seconds=at // 1000))
