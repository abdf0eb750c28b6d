"""Messages: their header blocks, who they say they are from, and reports on them."""

import quopri
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from email import message_from_bytes
from email.message import Message
from email.utils import parseaddr

from tests.fuzz.draw import Draw
from tests.support.wire import is_bare

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.dsn import Composed, Report, compose
from pillarbox.mail.dsn_words import Action, ReportedRecipient
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.message import Addition, SessionTrace, compose_prefix, scan_header
from pillarbox.mail.parts import MimeError, Part, PartScanner
from pillarbox.mail.taken_apart import kept, take_apart
from pillarbox.mail.transfer import decoder_of
from pillarbox.smtp.client_replies import RawReply, to_reply
from pillarbox.smtp.grammar import CommandError, parse_mail, parse_rcpt

HOST = "mx.test"
SENDER = parse_mailbox("a@a.test")
NOW = 1_700_000_000_000

PUMPED_OCTETS = 32_000
MAX_SECONDS = 1.0
"""What linear work on so many octets never takes, on a loaded machine neither."""

_TRACE = SessionTrace("x.test", "192.0.2.1", HOST, "ESMTPSA").received_start()
_ADDITION = Addition(_TRACE, 1, NOW, HOST, "a@a.test")


def _in_time(work: Callable[[], object]) -> None:
    begun = time.process_time()
    work()
    assert time.process_time() - begun < MAX_SECONDS


def header(octets: bytes) -> None:
    """The header block as a reading field by field has it; what is added changes nothing else."""
    draw = Draw(octets)
    if draw.number(8) == 7:
        _pumped(draw)
        return
    content = draw.rest()
    block = scan_header(content)
    if not block.is_ambiguous and b"\0" not in content and not is_bare(content):
        assert block.from_fields == tuple(_fields(content, b"from")[:2])
        agents = [
            body
            for name in (b"sender", b"resent-from", b"resent-sender")
            for body in _fields(content, name)
        ]
        assert block.agent_fields == tuple(agents)
        assert block.has_date == bool(_fields(content, b"date"))
        assert block.received_fields == len(_fields(content, b"received"))
    for body in (*block.from_fields, *block.agent_fields):
        _check_authors(body)
    prefix, header_id = compose_prefix(block, _ADDITION)
    after = scan_header(prefix + content)
    assert after.has_date
    assert len(after.from_fields) == max(1, len(block.from_fields))
    assert after.received_fields == block.received_fields + 1
    assert after.is_ambiguous == block.is_ambiguous
    assert after.header_id == header_id


def _fields(content: bytes, name: bytes) -> list[bytes]:
    """The bodies of the fields of this name, by lines: up to the first empty one."""
    lines = content.split(b"\r\n")
    if re.match(rb"[!-9;-~]+[ \t]*:", lines[0]) is None:
        return []
    unfolded: list[bytes] = []
    for line in lines[: lines.index(b"")] if b"" in lines else lines:
        if unfolded and line[:1] in (b" ", b"\t"):
            unfolded[-1] += b"\r\n" + line
        else:
            unfolded.append(line)
    pairs = [line.partition(b":") for line in unfolded]
    return [body for found, colon, body in pairs if colon and found.lower() == name]


def _check_authors(body: bytes) -> None:
    try:
        authors = parse_authors(body)
    except AddressError:
        return
    assert authors
    for author in authors:
        assert parse_mailbox(author.address) == author
    if len(authors) == 1 and body.isascii() and not any(mark in body for mark in b'"([='):
        assert parseaddr(body.decode("ascii"))[1] == authors[0].address


def _pumped(draw: Draw) -> None:
    """A piece that is repeated thousands of times: the work stays in proportion."""
    kind = draw.number(3)
    lead, unit, end = draw.line(), draw.line() or b"x", draw.rest()
    octets = lead + unit * (PUMPED_OCTETS // len(unit)) + end

    def work() -> None:
        if kind == 0:
            scan_header(octets)
        elif kind == 1:
            scan_header(octets.replace(b"\n", b"\r\n"))
        else:
            with suppress(AddressError):
                parse_authors(octets[:8192])

    _in_time(work)


def dsn(octets: bytes) -> None:
    """A report of anything is three parts, lines of allowed length, and a block a recipient."""
    draw = Draw(octets)
    actions = [list(Action)[draw.number(4)] for _ in range(1 + draw.number(3))]
    code = (250, 450, 550, 354)[draw.number(4)]
    is_complete, is_expired = draw.flag(), draw.flag()
    envelope = _envelope(draw.text())
    host, answer, rcpt = draw.text(), draw.line().split(b"\t"), draw.text()
    recipients = tuple(
        ReportedRecipient(
            _recipient(rcpt, envelope, number),
            action,
            to_reply(RawReply(code, answer)),
            host,
            NOW,
            NOW if action is Action.DELAYED else None,
            is_expired,
        )
        for number, action in enumerate(actions)
    )
    original = draw.rest()
    _check_report(
        compose(
            Report(HOST, 1, 2, NOW, NOW, envelope, recipients, original, is_complete=is_complete)
        ),
        len(recipients),
    )


def _envelope(argument: str) -> Envelope:
    """The envelope that MAIL with this argument opens, as far as it is one."""
    with suppress(CommandError):
        envelope, _ = parse_mail(argument)
        if envelope.reverse_path is not None:
            return envelope
    return Envelope(SENDER)


def _recipient(argument: str, envelope: Envelope, number: int) -> Recipient:
    with suppress(CommandError):
        return parse_rcpt(argument, envelope, number=number, host_name=HOST)
    return Recipient(number, Mailbox("b", "b.test"))


def _check_report(composed: Composed, recipients: int) -> None:
    content = composed.content
    assert composed.envelope.reverse_path is None
    assert content.endswith(b"\r\n")
    assert not is_bare(content)
    assert b"\0" not in content
    assert max(map(len, content.split(b"\r\n"))) <= 998
    report = message_from_bytes(content)
    assert report.get_content_type() == "multipart/report"
    assert report.defects == []
    parts = report.get_payload()
    assert isinstance(parts, list)
    assert len(parts) == 3
    words, status, returned = parts
    assert isinstance(words, Message)
    assert words.get_content_type() == "text/plain"
    assert isinstance(status, Message)
    assert isinstance(returned, Message)
    _check_status(status, content, recipients)
    assert returned.get_content_maintype() in ("message", "text")


def _check_status(status: Message, content: bytes, recipients: int) -> None:
    raw = content.split(b"\r\n--" + _boundary(content))[2]
    fields = raw.partition(b"\r\n\r\n")[2]
    if status["Content-Transfer-Encoding"] == "quoted-printable":
        fields = quopri.decodestring(fields)
    assert all(line.isprintable() for line in fields.decode("utf-8").split("\r\n"))
    blocks = fields.rstrip(b"\r\n").split(b"\r\n\r\n")
    assert len(blocks) == 1 + recipients
    assert blocks[0].count(b"Reporting-MTA:") == 1
    for block in blocks[1:]:
        names = [
            line.partition(b":")[0]
            for line in block.split(b"\r\n")
            if line[:1] not in (b" ", b"\t")
        ]
        assert len(names) == len(set(names))
        assert {b"Final-Recipient", b"Action", b"Status", b"Diagnostic-Code"} <= set(names)
        assert set(names) <= {
            *(b"Original-Recipient", b"Final-Recipient", b"Action", b"Status", b"Remote-MTA"),
            *(b"Diagnostic-Code", b"Last-Attempt-Date", b"Will-Retry-Until"),
        }


def _boundary(content: bytes) -> bytes:
    return content.partition(b'boundary="')[2].partition(b'"')[0]


def parts(octets: bytes) -> None:
    """A message is taken apart alike however its octets come, and nothing of it is lost."""
    draw = Draw(octets)
    block = draw.number(64) + 1
    content = b"A: b\r\n" + draw.rest()
    try:
        found = _scan(content, block)
    except MimeError:
        return
    assert list(map(_without_container, found)) == list(
        map(_without_container, _scan(content, len(content)))
    )
    for part in found:
        assert part.begin <= part.end <= len(content)
        if part.size_octets is not None:
            decoder = decoder_of(part.encoding)
            assert decoder is not None
            body = content[part.body_begin : part.end]
            assert len(decoder.feed(body) + decoder.end()) == part.size_octets
    try:
        plan = take_apart(found, len(content), len(content) // 2)
    except MimeError:
        return
    rest = b"".join(
        kept(plan.cuts, at, content[at : at + block]) for at in range(0, len(content), block)
    )
    assert rest == kept(plan.cuts, 0, content)
    taken = sum(cut.end - cut.begin - len(cut.instead) for cut in plan.cuts)
    assert len(rest) + taken == len(content)


def _scan(content: bytes, block: int) -> list[Part]:
    scanner = PartScanner()
    for at in range(0, len(content), block):
        scanner.feed(content[at : at + block])
    return scanner.end()


def _without_container(part: Part) -> Part:
    return replace(part, container=None)
