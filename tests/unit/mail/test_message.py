"""The header block of a submitted message and the prefix that is put before it."""

import email
import email.policy
import email.utils
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.identifier import format_id
from pillarbox.mail.message import (
    MAX_RESENT_FIELDS,
    Addition,
    SessionTrace,
    compose_prefix,
    find_header_end,
    format_date,
    scan_header,
    with_protocol,
)

USUAL = (
    b"From: Ann <u1@t1.test>\r\nTo: bob@example.net\r\nSubject: x\r\n"
    b"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@t1.test>\r\n\r\nFrom: body\r\n"
)
RECEIVED = SessionTrace("c.t1.test", "192.0.2.1", "mx.test", "ESMTPSA").received_start()


def addition(received_start: str = RECEIVED) -> Addition:
    """What is added to a message of queue id 1, received at the start of 2024."""
    return Addition(received_start, 1, 1_704_067_200_999, "mx.test", "u1@t1.test")


def test_usual_message_is_read() -> None:
    """Fields are found in the header block and never in the body."""
    header = scan_header(USUAL)

    assert header.size_octets == USUAL.index(b"\r\n\r\n") + 2
    assert header.from_fields == (b" Ann <u1@t1.test>",)
    assert header.agent_fields == ()
    assert not header.is_ambiguous
    assert header.has_date
    assert header.header_id == "<1@t1.test>"
    assert not header.needs_blank_line


def test_names_of_fields_are_read_in_any_case() -> None:
    """Field names are not case sensitive (RFC 5322 1.2.2)."""
    header = scan_header(b"fROM: a@b\r\nDATE: x\r\nmessage-id: <1@b>\r\nRECEIVED: x\r\n\r\n")

    assert header.from_fields == (b" a@b",)
    assert header.has_date
    assert header.header_id == "<1@b>"
    assert header.received_fields == 1


def test_folded_fields_are_whole() -> None:
    """A field goes on in lines that begin with a blank (RFC 5322 2.2.3)."""
    header = scan_header(b"From: Ann\r\n <a@b>\r\n\t(x)\r\nTo: c@d\r\n\r\n")

    assert header.from_fields == (b" Ann\r\n <a@b>\r\n\t(x)",)


def test_header_without_body_is_read() -> None:
    """Content without an empty line is all header."""
    header = scan_header(b"Subject: x\r\nFrom: a@b\r\n")

    assert header.from_fields == (b" a@b",)
    assert header.size_octets == 23


@pytest.mark.parametrize("content", [b"just text\r\n", b" From: a@b\r\n\r\n", b"From now on:\r\n"])
def test_content_without_header_is_all_body(content: bytes) -> None:
    """A first line that is no field begins the body: the prefix ends in an empty line."""
    header = scan_header(content)

    assert header.needs_blank_line
    assert header.from_fields == ()
    assert compose_prefix(header, addition())[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize("content", [b"", b"\r\nFrom: body\r\n"])
def test_empty_header_needs_no_blank_line(content: bytes) -> None:
    """Empty content, and content that begins with an empty line, get fields only."""
    header = scan_header(content)

    assert not header.needs_blank_line
    assert header.from_fields == ()


@pytest.mark.parametrize(
    "field",
    [b"From : a@b", b"From\t: a@b", b"From\r\n : a@b", b"From\x00: a@b", b"From\xa0: a@b",
     b"Sender : a@b", b"Resent-From : a@b", b"Resent-Sender\r\n\t: a@b", b"fRoM  : a@b",
     b"Sender: a@b\r\nSender: a@b"],
)  # fmt: skip
def test_odd_forms_of_a_field_are_ambiguous(field: bytes) -> None:
    """What stands between name and colon makes programs differ on whose field it is."""
    assert scan_header(b"Subject: x\r\n" + field + b"\r\nFrom: a@b\r\n\r\n").is_ambiguous


@pytest.mark.parametrize("field", [b"From-X: a", b"Fromage: a", b"Sender-Id: a", b"X-From: a"])
def test_other_fields_are_none_of_the_author(field: bytes) -> None:
    """Fields whose names only begin or end alike do not count."""
    header = scan_header(field + b"\r\nSubject: x\r\n\r\n")

    assert (header.from_fields, header.agent_fields) == ((), ())
    assert not header.is_ambiguous


def test_fields_behind_a_line_that_is_no_field_count() -> None:
    """Programs differ on whether such a line ends the header, so both readings are looked at."""
    header = scan_header(b"From: a@b\r\nno field\r\nFrom: c@d\r\n \r\nFrom: e@f\r\n\r\n")

    assert len(header.from_fields) == 2


def test_agents_are_found() -> None:
    """Sender and the Resent fields speak of senders too (RFC 5322 3.6.2, 3.6.6)."""
    header = scan_header(b"Sender: a@b\r\nResent-From: c@d\r\nResent-From: e@f\r\n\r\n")

    assert header.agent_fields == (b" a@b", b" c@d", b" e@f")


def test_resent_fields_are_bounded() -> None:
    """More Resent fields than any message has are not read one by one."""
    field = b"Resent-From: a@b\r\n"

    assert not scan_header(b"From: a@b\r\n" + field * MAX_RESENT_FIELDS).is_ambiguous
    assert scan_header(b"From: a@b\r\n" + field * (MAX_RESENT_FIELDS + 1)).is_ambiguous


@pytest.mark.parametrize("line_end", [b"\n", b"\r"])
def test_bare_line_end_in_the_header_is_ambiguous(line_end: bytes) -> None:
    """Binary content may hold a bare LF that some programs take for a line end."""
    assert scan_header(b"Subject: x" + line_end + b"From: c@d\r\n\r\n").is_ambiguous


def test_received_fields_are_counted() -> None:
    """Each server on the way adds one; only those in the header count (RFC 5321 6.3)."""
    content = b"Received: x\r\n\ty\r\n" * 101 + b"Received-SPF: x\r\n\r\nReceived: x\r\n"

    assert scan_header(content).received_fields == 101


def test_complete_message_gets_one_received_field() -> None:
    """RFC 5321 4.4: the trace comes first; nothing is added that is there already."""
    prefix, header_id = compose_prefix(scan_header(USUAL), addition())

    assert prefix == (
        b"Received: from c.t1.test ([192.0.2.1])\r\n\tby mx.test with ESMTPSA id "
        + format_id(1).encode()
        + b";\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
    )
    assert header_id == "<1@t1.test>"


def test_missing_fields_are_added() -> None:
    """RFC 6409 8.2 and 8.3: Date and Message-ID; From is the author that was given."""
    content = b"Subject: x\r\n\r\nbody\r\n"

    prefix, header_id = compose_prefix(scan_header(content), addition())

    message = email.message_from_bytes(prefix + content, policy=email.policy.default)
    assert message["From"] == "u1@t1.test"
    assert message["Date"] == "Mon, 01 Jan 2024 00:00:00 +0000"
    assert message["Message-ID"] == header_id == f"<{format_id(1)}@mx.test>"
    assert message["Subject"] == "x"
    assert message.defects == []
    assert message.get_content() == "body\r\n"


MAILBOX_LINES = [
    b"From u1@t1.test Mon Jan  1 00:00:00 2024\r\n",
    b">From - Mon Jan 01 00:00:00 2024\r\n",
]
"""What stands before a message in a file of the format mbox."""


@pytest.mark.parametrize("line", MAILBOX_LINES)
def test_line_of_a_mailbox_file_becomes_a_field(line: bytes) -> None:
    """RFC 6409 8: the message is mended, and its header is its header. Nothing of it is changed:
    the name of the field is the end of the prefix."""
    header = scan_header(line + USUAL)

    prefix, header_id = compose_prefix(header, addition())

    message = email.message_from_bytes(prefix + line + USUAL, policy=email.policy.default)
    assert message["X-Mailbox-Line"] == line.decode().strip()
    assert message["From"] == "Ann <u1@t1.test>"
    assert message.get_all("Date") == ["Mon, 01 Jan 2024 00:00:00 +0000"]
    assert message["Message-ID"] == header_id == "<1@t1.test>"
    assert message.get_content() == "From: body\r\n"
    assert message.defects == []
    assert header.size_octets == len(line) + scan_header(USUAL).size_octets
    assert not header.is_ambiguous


@pytest.mark.parametrize(
    "content",
    [b"From all of us at 10:30 today:\r\n\r\nHi\r\n", b"From all of us\r\nPS: Hi\r\n"],
)
def test_text_that_begins_like_a_mailbox_file_is_all_body(content: bytes) -> None:
    """A header follows such a line at once, and it has the time of day."""
    assert scan_header(content).needs_blank_line


def test_byte_order_mark_before_a_header_is_seen() -> None:
    """Before a text that is all body it does no harm."""
    assert scan_header(b"\xef\xbb\xbf" + USUAL).has_byte_order_mark
    assert not scan_header(b"\xef\xbb\xbfHi\r\n").has_byte_order_mark


def test_empty_message_id_is_left_alone() -> None:
    """A second Message-ID field would be worse than an empty one (RFC 5322 3.6)."""
    prefix, header_id = compose_prefix(scan_header(b"Message-ID: \r\n\r\n"), addition())

    assert b"Message-ID" not in prefix
    assert header_id == ""


@pytest.mark.parametrize("blanks", [b" ", b"\t", b" \t "])
def test_fields_with_blanks_before_the_colon_are_not_added_again(blanks: bytes) -> None:
    """RFC 5322 4.5.2 and 4.5.4: older standards let blanks stand there, and programs take it."""
    content = b"Date%b: x\r\nMessage-ID%b:\r\n <1@b>\r\n\r\n" % (blanks, blanks)

    prefix, header_id = compose_prefix(scan_header(content), addition())

    message = email.message_from_bytes(prefix + b"Subject: x\r\n\r\n")
    assert (message["Date"], message["Message-ID"]) == (None, None)
    assert header_id == "<1@b>"


@pytest.mark.parametrize("name", [b"Date", b"Message-ID"])
@pytest.mark.parametrize(
    "behind", [b"-X: <1@b>", b"\r\n : <1@b>", b"\x00: <1@b>", b" x: <1@b>", b""]
)
def test_what_programs_do_not_read_as_the_field_is_none(name: bytes, behind: bytes) -> None:
    """Then the field is missing, and is added."""
    prefix, _ = compose_prefix(
        scan_header(b"Subject: x\r\n" + name + behind + b"\r\n\r\n"), addition()
    )

    assert b"\r\n" + name + b": " in prefix


def test_author_beyond_ascii_is_utf8() -> None:
    """RFC 6532: an address of SMTPUTF8 stands in the header as UTF-8."""
    added = Addition(RECEIVED, 1, 0, "mx.test", "ü@t1.test")

    assert "From: ü@t1.test\r\n".encode() in compose_prefix(scan_header(b""), added)[0]


@pytest.mark.parametrize(
    ("helo", "shown"),
    [("[127.0.0.1]", "[127.0.0.1]"), ("my_pc", "my_pc"), ("a\r\nX: b", "unknown"),
     ("a (b)", "unknown"), ("", "unknown"), ("x" * 256, "unknown"), ("é.test", "unknown")],
)  # fmt: skip
def test_helo_can_not_break_the_received_field(helo: str, shown: str) -> None:
    """A name that is no name of a host stands there as unknown."""
    start = SessionTrace(helo, "192.0.2.1", "mx.test", "SMTP").received_start()

    assert start.startswith(f"Received: from {shown} ([192.0.2.1])\r\n")


def test_ipv6_address_is_tagged() -> None:
    """RFC 5321 4.1.3: an IPv6 literal begins with IPv6:."""
    start = SessionTrace("c", "2001:db8::1", "mx.test", "ESMTP").received_start()

    assert "([IPv6:2001:db8::1])" in start


@pytest.mark.parametrize(
    ("ehlo", "tls", "login", "smtputf8", "name"),
    [(True, False, False, False, "ESMTP"), (True, True, False, False, "ESMTPS"),
     (True, True, True, False, "ESMTPSA"), (True, True, True, True, "UTF8SMTPSA"),
     (False, False, False, False, "SMTP"), (False, True, True, False, "SMTP"),
     (False, True, True, True, "UTF8SMTPSA")],
)  # fmt: skip
def test_protocol_names(ehlo: bool, tls: bool, login: bool, smtputf8: bool, name: str) -> None:
    """RFC 5321 4.4, RFC 3848 and RFC 6531 4.3 name the protocol by what was used."""
    protocol = with_protocol(ehlo=ehlo, tls=tls, login=login, smtputf8=smtputf8)

    assert protocol == name


@given(st.integers(0, 4_000_000_000))
def test_dates_are_those_of_the_standard_library(seconds: int) -> None:
    """The date is the one that email.utils reads back."""
    parsed = email.utils.parsedate_to_datetime(format_date(seconds))
    assert int(parsed.timestamp()) == seconds


@given(st.binary(max_size=200), st.integers(0, 200))
def test_end_of_header_is_found_in_pieces(content: bytes, cut: int) -> None:
    """Looking in a first piece and then in all finds what looking in all at once finds."""
    content = b"A: " + content.replace(b"\x00", b"\r\n\r\n")
    first = find_header_end(content[:cut]) if cut > 2 else -1

    found = first if first >= 0 else find_header_end(content, cut if cut > 2 else 0)

    assert found == find_header_end(content)


@given(st.binary(max_size=300) | st.lists(st.sampled_from(
    [b"From", b":", b"\r\n", b" ", b"a@b", b"Sender", b"Resent-From", b"x", b"\n", b"Date"]
)).map(b"".join))  # fmt: skip
def test_no_content_raises(content: bytes) -> None:
    """Whatever the content, it is looked at and gets a prefix."""
    prefix, _ = compose_prefix(scan_header(content), addition())
    assert prefix.startswith(b"Received: ")


@pytest.mark.parametrize(
    "piece",
    [b"From:", b"From\r\n", b"Fromx:\r\n", b"Resent-From: x\r\n", b"\r\n ", b"Received:\r\n",
     b"x", b"x: y\r\n", b"Sender \r\n", b"Message-ID:\r\n\t", b"Message-ID ", b"\r\nDate   "],
)  # fmt: skip
def test_header_made_to_be_slow_is_not(piece: bytes) -> None:
    """A quarter of a megabyte of any of these takes well below the 50 ms of a loop's patience."""
    content = b"From: a@b\r\n" + piece * (262_144 // len(piece))

    start = time.process_time()
    scan_header(content)

    assert time.process_time() - start < 0.2


@pytest.mark.parametrize(
    ("fields", "is_optional"),
    [
        (b"TLS-Required: No\r\n", True),
        (b"tls-required:\r\n no\r\n", True),
        (b"TLS-Required: Yes\r\n", False),
        (b"TLS-Required: No\r\nTLS-Required: No\r\n", False),
        (b"TLS-Required-Not: No\r\n", False),
        (b"", False),
    ],
)
def test_tls_required_no_is_seen(fields: bytes, is_optional: bool) -> None:
    """RFC 8689 section 3: one field with the only value that there is."""
    header = scan_header(b"From: a@b\r\n" + fields + b"Subject: TLS-Required: No\r\n\r\nx\r\n")

    assert header.is_tls_optional is is_optional
