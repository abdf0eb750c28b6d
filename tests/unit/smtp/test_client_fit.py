"""How a message is offered to a next hop that has less than the client was promised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Notify, Recipient, Ret
from pillarbox.smtp.client_fit import (
    Capabilities,
    ContentTraits,
    fit,
    looks_international,
    mail_command,
    needs_look,
    path_text,
    rcpt_command,
    read_capabilities,
)

SENDER = parse_mailbox("u1@t1.test")
ALL = Capabilities(pipelining=True, eight_bit=True, binary=True, smtputf8=True, dsn=True, size=True)
ASCII = ContentTraits(eight_bit=False, international=False)
EIGHT_BIT = ContentTraits(eight_bit=True, international=False)
INTERNATIONAL = ContentTraits(eight_bit=True, international=True)


def fitted(capabilities: Capabilities, envelope: Envelope, traits: ContentTraits | None) -> object:
    """Envelope, or kind of failure."""
    outcome = fit(capabilities, envelope, size_octets=1000, traits=traits)
    return outcome.kind if isinstance(outcome, Failure) else outcome


def test_capabilities_are_read_from_ehlo() -> None:
    """All extensions that a client can use, in any case (RFC 5321 4.1.1.1)."""
    found = read_capabilities(
        [
            b"mx.example.net at your service STARTTLS",
            b"pipelining",
            b"SIZE 52428800",
            b"8BITMIME",
            b"SMTPUTF8",
            b"DSN",
            b"CHUNKING",
            b"BINARYMIME",
            b"AUTH=LOGIN",
            b"AUTH plain LOGIN XOAUTH2",
            b"LIMITS RCPTMAX=50 MAILMAX=7",
            b"X-\xff\xfe",
            b"",
        ]
    )

    assert found == Capabilities(
        pipelining=True,
        eight_bit=True,
        binary=True,
        smtputf8=True,
        dsn=True,
        size=True,
        size_limit=52428800,
        chunking=True,
        mechanisms=("LOGIN", "PLAIN", "XOAUTH2"),
        recipients_max=50,
        mails_max=7,
    )


@pytest.mark.parametrize("line", [b"SIZE", b"SIZE 0", b"SIZE x", b"SIZE -1", b"SIZE " + b"9" * 99])
def test_a_size_without_a_limit_is_none(line: bytes) -> None:
    """RFC 1870: 0 and nothing mean no fixed limit; what is no number is no limit either."""
    found = read_capabilities([b"x", line])

    assert found.size
    assert found.size_limit is None


def test_binarymime_needs_chunking() -> None:
    """RFC 3030 section 3: one without the other is of no use."""
    assert not read_capabilities([b"x", b"BINARYMIME"]).binary
    assert not read_capabilities([b"x", b"CHUNKING"]).binary


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_any_answer_to_ehlo_is_survived(lines: list[bytes]) -> None:
    """Whatever stands there, there is a set of capabilities."""
    assert isinstance(read_capabilities(lines), Capabilities)


def test_a_message_that_fits_is_left_alone() -> None:
    """Nothing is looked at and nothing changes on the usual way."""
    envelope = Envelope(SENDER, Body.EIGHT_BIT, smtputf8=True)

    assert not needs_look(ALL, envelope)
    assert fit(ALL, envelope, size_octets=1000) is envelope


def test_a_message_over_the_limit_is_not_offered() -> None:
    """RFC 1870: the limit is known beforehand; the failure names it."""
    capabilities = Capabilities(size=True, size_limit=999)

    assert fit(capabilities, Envelope(SENDER), size_octets=1000) == Failure(
        FailureKind.TOO_LARGE, "999"
    )


def test_binary_without_binarymime_is_a_failure() -> None:
    """RFC 3030 section 3: it is neither sent nor converted."""
    assert fitted(Capabilities(), Envelope(SENDER, Body.BINARY), None) is (
        FailureKind.BINARY_NOT_TAKEN
    )


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (ASCII, Envelope(SENDER, Body.SEVEN_BIT)),
        (EIGHT_BIT, FailureKind.EIGHT_BIT_NOT_TAKEN),
    ],
)
def test_8bit_without_8bitmime(traits: ContentTraits, expected: object) -> None:
    """RFC 6152 section 3: 8-bit content fails; a mere BODY=8BITMIME on ASCII does not."""
    envelope = Envelope(SENDER, Body.EIGHT_BIT)

    assert needs_look(Capabilities(), envelope)
    assert fitted(Capabilities(), envelope, traits) == expected


@pytest.mark.parametrize(
    ("traits", "expected"),
    [
        (ASCII, Envelope(SENDER)),
        (EIGHT_BIT, Envelope(SENDER)),
        (INTERNATIONAL, FailureKind.UTF8_NOT_TAKEN),
    ],
)
def test_smtputf8_that_is_not_offered(traits: ContentTraits, expected: object) -> None:
    """RFC 6531 section 3.2: only an internationalized message fails."""
    envelope = Envelope(SENDER, smtputf8=True)

    assert needs_look(ALL_BUT_UTF8, envelope)
    assert fitted(ALL_BUT_UTF8, envelope, traits) == expected


ALL_BUT_UTF8 = Capabilities(eight_bit=True, dsn=True)


def test_an_international_sender_needs_smtputf8() -> None:
    """RFC 6531 section 3.2, also where header and body are ASCII."""
    envelope = Envelope(parse_mailbox("jörg@t1.test"), smtputf8=True)

    assert fitted(ALL_BUT_UTF8, envelope, ASCII) is FailureKind.UTF8_NOT_TAKEN
    assert fitted(ALL, envelope, ASCII) == envelope


@pytest.mark.parametrize(
    ("header", "body_is_ascii", "expected"),
    [
        (b"Subject: x", True, False),
        (b"Subject: x", False, False),
        ("Subject: ä".encode(), True, True),
        (b"Content-Type: Multipart/mixed", False, True),
        (b"Content-Type: message/rfc822", False, True),
        (b"Content-Type: multipart/mixed", True, False),
    ],
)
def test_inner_parts_count_when_they_might(
    header: bytes, body_is_ascii: bool, expected: bool
) -> None:
    """RFC 6531 section 3.2: "at any level within its MIME structure"."""
    assert looks_international(header, body_is_ascii=body_is_ascii) is expected


@pytest.mark.parametrize(
    ("address", "smtputf8", "expected"),
    [
        ("u1@t1.test", False, "u1@t1.test"),
        ("u1@bücher.test", False, "u1@xn--bcher-kva.test"),
        ("u1@bücher.test", True, "u1@bücher.test"),
        ("jörg@t1.test", False, None),
        ("jörg@t1.test", True, "jörg@t1.test"),
    ],
)
def test_addresses_on_the_wire(address: str, smtputf8: bool, expected: str | None) -> None:
    """RFC 6531 section 3.2: an A-label can always be sent, a local part beyond ASCII can not."""
    assert path_text(parse_mailbox(address), smtputf8=smtputf8) == expected


def test_mail_has_the_parameters_that_are_known() -> None:
    """SIZE, BODY, SMTPUTF8, RET and ENVID as the client gave them, or none of them."""
    envelope = Envelope(SENDER, Body.EIGHT_BIT, smtputf8=True, ret=Ret.HEADERS, envid="a+2Bb")

    assert mail_command(ALL, envelope, size_octets=77) == (
        "MAIL FROM:<u1@t1.test> SIZE=77 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb\r\n"
    )
    assert mail_command(
        Capabilities(), Envelope(SENDER, ret=Ret.FULL, envid="x"), size_octets=77
    ) == ("MAIL FROM:<u1@t1.test>\r\n")


def test_the_null_reverse_path_stays_null() -> None:
    """RFC 5321 4.5.5: a DSN goes out with <>."""
    assert mail_command(Capabilities(), Envelope(None), size_octets=1) == "MAIL FROM:<>\r\n"


@pytest.mark.parametrize(
    ("notify", "expected"),
    [
        (Notify.DEFAULT, ""),
        (Notify.NEVER, " NOTIFY=NEVER"),
        (Notify.SUCCESS | Notify.FAILURE, " NOTIFY=SUCCESS,FAILURE"),
        (Notify.SUCCESS | Notify.FAILURE | Notify.DELAY, " NOTIFY=SUCCESS,FAILURE,DELAY"),
    ],
)
def test_rcpt_passes_notify_on(notify: Notify, expected: str) -> None:
    """RFC 3461 4.1: as it was asked, and nothing where it was not."""
    recipient = Recipient(0, SENDER, notify)

    assert rcpt_command(ALL, recipient, smtputf8=False) == f"RCPT TO:<u1@t1.test>{expected}\r\n"
    assert rcpt_command(Capabilities(), recipient, smtputf8=False) == "RCPT TO:<u1@t1.test>\r\n"


def test_rcpt_passes_orcpt_on_where_it_can_be_sent() -> None:
    """RFC 3461 4.2; a form beyond ASCII needs SMTPUTF8 (RFC 6533)."""
    plain = Recipient(0, SENDER, orcpt="rfc822;a+2Bb@t1.test")
    international = Recipient(0, Mailbox("u1", "t1.test"), orcpt="utf-8;jörg@t1.test")

    assert "ORCPT=rfc822;a+2Bb@t1.test" in rcpt_command(ALL, plain, smtputf8=False)
    assert "ORCPT" not in rcpt_command(ALL, international, smtputf8=False)
    assert "ORCPT=utf-8;jörg@t1.test" in rcpt_command(ALL, international, smtputf8=True)
