"""The header block of a submitted message: what is in it, and what Pillarbox puts before it.

A message is looked at once, as octets: where the header block ends, who it says it is from, and
which fields are missing. It does not parse the body, unfold or decode fields, or judge senders
(policy.sendas). Received octets stay as they are (signatures of the sender remain valid); all that
is added is a prefix: one Received field, and Date, Message-ID and From where there are none (RFC
5321 4.4, RFC 5322 3.6, RFC 6409 8). For the same reason a Bcc field is not removed: clients
that make one remove it themselves before they send.
"""

import codecs
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.values import quick

MAX_RESENT_FIELDS = 20
"""More blocks of Resent fields than any message collects on its way (RFC 5322 3.6.6)."""

MAILBOX_LINE_FIELD = "X-Mailbox-Line: "
"""Makes a field of the line of a mailbox file, as Postfix calls it."""

MAX_NAME_OCTETS = 2000
"""More than a byte order mark, the longest name of a field and the blanks behind it."""

MAX_HEADER_ID = 998
"""A line of a message has at most 998 octets (RFC 5322 2.1.1)."""

_FIELD_START = re.compile(rb"[!-9;-~]++[ \t]*+:")
# How files of the format mbox separate messages: the sender and the date, with its time of day.
_MAILBOX_LINE = re.compile(
    rb">*+From [!-9;-~][\t -~]{0,990}?[0-9]:[0-9]{2}[\t -~]{0,990}+\r\n(?=[!-9;-~]++[ \t]*+:)"
)
_NAME = re.compile(rb"[!-9;-~]")
# RFC 5322 2.1.1: no line, and so no name, is longer.
_MAY_BECOME_HEADER = re.compile(
    rb"(?:>*+From [!-9;-~][\t -~]{0,1984}+(?:\r(?:\n(?:[!-9;-~]{1,998}+[ \t]{0,998}+)?+)?+)?+"
    rb"|\xef(?:\xbb(?:\xbf(?:[!-9;-~]{1,998}+[ \t]{0,998}+)?+)?+)?+"
    rb"|[!-9;-~]{1,998}+[ \t]{0,998}+|\r)?+"
)
_END_OF_FIELD = re.compile(rb"\r\n(?![ \t])")
_HELO = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@quick(frozen=True, slots=True)
class HeaderBlock:
    """What is known of a header block.

    `size_octets` counts to the end of its last line. `needs_blank_line`: the content does not begin
    with a header field, so it is all body and a blank line must come before it. `from_fields` and
    `agent_fields` (Sender, Resent-From, Resent-Sender) are what stands behind the colons.
    `has_mailbox_line`: what stands before the first field is the line that separates messages in a
    file of the format mbox; `has_byte_order_mark`: a byte order mark stands there, so that programs
    find no header at all. `is_ambiguous`: one of these fields has a form that programs read
    differently. `header_id` is the text of the Message-ID field, None without one.
    `received_fields` counts the servers that the message passed. `is_tls_optional`: it has the
    field "TLS-Required: No" of RFC 8689.
    """

    size_octets: int
    needs_blank_line: bool
    from_fields: tuple[bytes, ...]
    agent_fields: tuple[bytes, ...]
    is_ambiguous: bool
    has_date: bool
    header_id: str | None
    received_fields: int
    is_tls_optional: bool = False
    has_mailbox_line: bool = False
    has_byte_order_mark: bool = False


_NO_FIELDS: tuple[Sequence[bytes], bool] = (), False
_NO_HEADER = HeaderBlock(0, True, (), (), False, False, None, 0)
_EMPTY_HEADER = HeaderBlock(0, False, (), (), False, False, None, 0)
_MARKED_HEADER = HeaderBlock(0, True, (), (), False, False, None, 0, has_byte_order_mark=True)


def is_open(content: bytes | bytearray) -> bool:
    """Whether more octets behind this beginning decide whether it begins a header block."""
    return _MAY_BECOME_HEADER.fullmatch(content) is not None


def find_header_end(content: bytes | bytearray, start: int = 0) -> int:
    """The size of the header block in octets; -1 where its end is not in `content`.

    `start` is where to begin to look: an end that lies before it must have been looked for. With 0
    the content must not be `is_open`, unless it is all that there is.
    """
    if start == 0 and (
        content.startswith(b"\r\n")
        or (_FIELD_START.match(content) is None and _MAILBOX_LINE.match(content) is None)
    ):
        return 0
    end = content.find(b"\r\n\r\n", max(0, start - 3))
    return end + 2 if end >= 0 else -1


def scan_header(content: bytes) -> HeaderBlock:
    """Look at the header block at the start of `content`, which holds all of it.

    Fields are looked for in the whole block up to the first empty line, also behind lines that are
    no fields: programs differ in where such a header ends.
    """
    size = find_header_end(content)
    if size == 0:
        if content.startswith(codecs.BOM_UTF8) and _FIELD_START.match(content, 3) is not None:
            return _MARKED_HEADER
        return _NO_HEADER if content and not content.startswith(b"\r\n") else _EMPTY_HEADER
    line = _MAILBOX_LINE.match(content)
    begin = line.end() if line is not None else 0
    block = b"\r\n" + content[begin : size if size > 0 else len(content)]
    folded = block.lower()
    from_fields, from_odd = _bodies(block, folded, b"\r\nfrom", 2)
    agent_fields, agent_odd = _NO_FIELDS
    if b"\r\nsender" in folded or b"\r\nresent-" in folded:
        agent_fields, agent_odd = _agent_fields(block, folded)
    header_id = _first_body(block, folded, b"\r\nmessage-id")
    return HeaderBlock(
        len(block) - 2 + begin,
        False,
        tuple(from_fields),
        tuple(agent_fields),
        from_odd or agent_odd or _has_bare_line_end(block),
        b"\r\ndate:" in folded or _first_body(block, folded, b"\r\ndate") is not None,
        _header_id(header_id) if header_id is not None else None,
        folded.count(b"\r\nreceived:"),
        b"\r\ntls-required" in folded and _is_tls_optional(block, folded),
        begin > 0,
    )


def _is_tls_optional(block: bytes, folded: bytes) -> bool:
    """RFC 8689 section 3: "More than one instance of the TLS-Required header field MUST NOT appear
    in a given message", so several say nothing."""
    bodies, _ = _bodies(block, folded, b"\r\ntls-required", 2)
    return [body.strip(b" \t\r\n").lower() for body in bodies] == [b"no"]


def _has_bare_line_end(block: bytes) -> bool:
    """A CR or LF alone, which only BODY=BINARYMIME may carry, and not in a header block."""
    ends = block.count(b"\r\n")
    return block.count(b"\n") != ends or block.count(b"\r") != ends


def _agent_fields(block: bytes, folded: bytes) -> tuple[list[bytes], bool]:
    fields, odd = _bodies(block, folded, b"\r\nsender", 2)
    odd = odd or len(fields) > 1
    if b"\r\nresent-" in folded:
        for name in (b"\r\nresent-from", b"\r\nresent-sender"):
            more, more_odd = _bodies(block, folded, name, MAX_RESENT_FIELDS + 1)
            fields += more
            odd = odd or more_odd or len(more) > MAX_RESENT_FIELDS
    return fields, odd


def _bodies(block: bytes, folded: bytes, name: bytes, limit: int) -> tuple[list[bytes], bool]:
    """At most `limit` bodies of the fields of this name, and whether one has an odd form.

    Odd is everything between name and colon but nothing: `From :`, `From` and a line end, a control
    character. RFC 5322 2.2 has none of it, section 4.5 took blanks from older standards.
    """
    bodies: list[bytes] = []
    start = folded.find(name)
    while start >= 0 and len(bodies) < limit:
        colon = start + len(name)
        if folded[colon : colon + 1] == b":":
            bodies.append(block[colon + 1 : _end_of_field(block, colon)])
            start = folded.find(name, colon)
        elif _NAME.match(folded, colon) is None:
            return bodies, True
        else:
            found = _whole_name(name).search(folded, colon)
            start = found.start() if found is not None else -1
    return bodies, False


def _first_body(block: bytes, folded: bytes, name: bytes) -> bytes | None:
    """The body of the first field of this name, None where there is none. Old programs put blanks
    before the colon (RFC 5322 4.5), and whoever reads the message takes that for the field."""
    if name not in folded:
        return None
    found = _old_form(name).search(folded)
    return None if found is None else block[found.end() : _end_of_field(block, found.end())]


@lru_cache(16)
def _old_form(name: bytes) -> re.Pattern[bytes]:
    return re.compile(re.escape(name) + rb"[ \t]*+:")


@lru_cache(16)
def _whole_name(name: bytes) -> re.Pattern[bytes]:
    """Finds this name where it is not the beginning of a longer one. Of names that only begin so
    a header block has room for tens of thousands."""
    return re.compile(re.escape(name) + rb"(?![!-9;-~])")


def _end_of_field(block: bytes, position: int) -> int:
    """Where the line end stands that is not followed by a blank (RFC 5322 2.2.3)."""
    end = block.find(b"\r\n", position)
    if block[end + 2 : end + 3] in (b" ", b"\t"):
        found = _END_OF_FIELD.search(block, end)
        end = found.start() if found is not None else -1
    return end if end >= 0 else len(block)


def _header_id(body: bytes) -> str:
    return body[: MAX_HEADER_ID + 2].strip(b" \t\r\n").decode("utf-8", "replace")


@lru_cache(64)
def format_date(seconds: int) -> str:
    """The moment `seconds` after 1970 in UTC as RFC 5322 3.3 writes it."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return (
        f"{_DAYS[moment.weekday()]}, {moment.day} {_MONTHS[moment.month - 1]} {moment.year}"
        f" {moment:%H:%M:%S} +0000"
    )


@quick(frozen=True, slots=True)
class SessionTrace:
    """What a Received field tells of the session. `protocol` is from RFC 3848 or RFC 6531 4.3."""

    helo: str
    remote_address: str
    host_name: str
    protocol: str

    def received_start(self) -> str:
        """The field up to the queue id, to be made once for many messages (RFC 5321 4.4).

        There is no `for` clause: it would show one recipient to the others.
        """
        helo = self.helo if _HELO.fullmatch(self.helo) else "unknown"
        tag = "IPv6:" if ":" in self.remote_address else ""
        return (
            f"Received: from {helo} ([{tag}{self.remote_address}])\r\n"
            f"\tby {self.host_name} with {self.protocol} id "
        )


def with_protocol(*, ehlo: bool, tls: bool, login: bool, smtputf8: bool = False) -> str:
    """The name of the protocol in a Received field (RFC 3848, RFC 6531 4.3).

    RFC 5321 4.4: SMTP is what it was after HELO, however it was encrypted or who logged in.
    """
    if not (ehlo or smtputf8):
        return "SMTP"
    return f"{'UTF8SMTP' if smtputf8 else 'ESMTP'}{'S' if tls else ''}{'A' if login else ''}"


@lru_cache(256)
def received_start(
    helo: str,
    remote_address: str,
    host_name: str,
    ehlo: bool,
    tls: bool,
    login: bool,
    smtputf8: bool,
) -> str:
    """The same, remembered, since it is the same for all messages of a session."""
    protocol = with_protocol(ehlo=ehlo, tls=tls, login=login, smtputf8=smtputf8)
    return SessionTrace(helo, remote_address, host_name, protocol).received_start()


@quick(frozen=True, slots=True)
class Addition:
    """What the prefix of one message is made from; `author` is the address for a missing From."""

    received_start: str
    queue_id: int
    received_at: Timestamp
    host_name: str
    author: str


def compose_prefix(header: HeaderBlock, addition: Addition) -> tuple[bytes, str]:
    """The octets to put before the content, and the Message-ID that the message then has."""
    queue_id = format_id(addition.queue_id)
    date = format_date(addition.received_at // 1000)
    lines = [f"{addition.received_start}{queue_id};\r\n\t{date}\r\n"]
    header_id = header.header_id
    # RFC 5322 3.6: "The only required header fields are the origination date field and the
    # originator address field(s)."
    if not header.from_fields:
        lines.append(f"From: {addition.author}\r\n")
    if not header.has_date:
        lines.append(f"Date: {date}\r\n")
    if header_id is None:
        header_id = f"<{queue_id}@{addition.host_name}>"
        lines.append(f"Message-ID: {header_id}\r\n")
    if header.needs_blank_line:
        lines.append("\r\n")
    if header.has_mailbox_line:
        lines.append(MAILBOX_LINE_FIELD)
    return "".join(lines).encode(), header_id
