"""mail.returned: what comes back, as servers really write it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import bounces

from pillarbox.mail.leaves import MAX_LEAVES, leaves
from pillarbox.mail.returned import READ_OCTETS, Returned, ReturnKind, read_returned

FAILED, DELAYED, OTHER = ReturnKind.FAILED, ReturnKind.DELAYED, ReturnKind.OTHER


def _read(octets: bytes) -> Returned:
    return read_returned(octets, has_sender=False)


def _only(octets: bytes) -> tuple[ReturnKind, str, str, set[str]]:
    """Kind, reply, host and addresses of the only recipient."""
    (one,) = _read(octets).recipients
    return one.kind, str(one.reply), one.remote_host, set(one.keys)


def test_a_report_of_postfix_is_read() -> None:
    """Folded fields, both addresses, the server that said it, and what the report is about."""
    assert _only(bounces.report(bounces.POSTFIX)) == (
        FAILED,
        "550 5.1.1 <bob@inner.far.example>: Recipient address rejected:"
        " User unknown in virtual mailbox table",
        "inner.far.example",
        {"bob@far.example", "bob@inner.far.example"},
    )
    assert b"\nSubject: Bill 7" in _read(bounces.report(bounces.POSTFIX)).original


def test_a_report_of_exchange_is_read() -> None:
    """No blank behind the types, and no host but that of the report."""
    kind, reply, host, keys = _only(bounces.report(bounces.EXCHANGE))

    assert (kind, keys) == (FAILED, {"bob@far.example"})
    assert reply.startswith("550 5.1.10 RESOLVER.ADR.RecipientNotFound")
    assert host == "AM0PR01MB1234.eurprd01.prod.exchangelabs.com"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("Action: delayed\nStatus: 4.4.1", (DELAYED, "450 4.4.1")),
        ("Action: Failed (bad)\nStatus: 4.4.7", (FAILED, "450 4.4.7")),
        ("Status: 5.2.2 (mailbox full)", (FAILED, "550 5.2.2")),
        ("Diagnostic-Code: smtp; 452 4.2.2 full", (DELAYED, "452 4.2.2 full")),
        ("Action: relayed\nStatus: 2.1.9", (ReturnKind.DELIVERED, "250 2.1.9")),
        ("Action: failed\nDiagnostic-Code: X-Notes; no such user", (FAILED, "550 no such user")),
        ("Final-Recipient: bob@far.example", (FAILED, "554 5.0.0 gone")),
        (
            "Final-Recipient: rfc822; <Bob@Far.example>\nAction:\nStatus:",
            (FAILED, "554 5.0.0 gone"),
        ),
    ],
)
def test_fields_may_be_missing(status: str, expected: tuple[ReturnKind, str]) -> None:
    """What one field does not say another one does, at last the text."""
    octets = bounces.report(f"Reporting-MTA: dns; mx\n\n{status}\n", text="554 5.0.0 gone")

    kind, reply, *_ = _only(octets)

    assert (kind, reply) == expected


def test_what_happened_may_stand_in_the_text_alone() -> None:
    """Below each address, as Exim writes it."""
    blocks = "".join(
        f"\nAction: failed\nFinal-Recipient: rfc822;{name}@x.test\nStatus: 5.0.0\n" for name in "ab"
    )
    text = "These failed:\n\n  A@x.test\n    Nobody\n    lives here\n\n  b@x.test\n    said:\n"
    text += "    552 5.2.2 Full\n"

    found = _read(bounces.report(f"Reporting-MTA: dns; mx\n{blocks}", text=text))

    assert [str(one.reply) for one in found.recipients] == [
        "550 5.0.0 Nobody lives here",
        "552 5.2.2 Full",
    ]


def test_all_recipients_are_read() -> None:
    """Of blocks with several empty lines between, and with one for the message that is missing."""
    status = "Final-Recipient: rfc822; a@x.test\nAction: failed\nStatus: 5.1.1\n\n\n\n"
    status += "Final-Recipient: utf-8; j\\x{F6}rg@x.test\nAction: delayed\nStatus: 4.2.2\n"
    found = _read(bounces.report(status))

    assert [(one.kind, set(one.keys)) for one in found.recipients] == [
        (FAILED, {"a@x.test"}),
        (DELAYED, {"jörg@x.test"}),
    ]
    assert found.kind is FAILED


@pytest.mark.parametrize(
    ("octets", "kind", "reply"),
    [
        (bounces.QMAIL, FAILED, "550 5.1.1 Sorry, no mailbox here by that name."),
        (bounces.EXIM, FAILED, "550 5.7.1 <bob@far.example>: rejected as spam"),
        (bounces.EXIM_DELAY, DELAYED, "451 4.7.1 try again later"),
        (b"Subject: Undeliverable: x\n\nIt went wrong in 2026.", FAILED, "550 Undeliverable: x"),
        (b"From: <>\n\n550-5.1.1 The email account\n", FAILED, "550 5.1.1 The email account"),
    ],
)
def test_text_alone_is_read(octets: bytes, kind: ReturnKind, reply: str) -> None:
    """As people read it: the reply of the server, and whether it goes on trying."""
    assert _only(octets)[:2] == (kind, reply)


def test_an_automatic_answer_is_no_bounce() -> None:
    """Though it comes from the null reverse-path, and Exim marks its bounces in the same way."""
    found = _read(bounces.VACATION)

    assert (found.kind, found.author) == (ReturnKind.AUTO_REPLY, "bob@far.example")
    assert _read(bounces.EXIM).kind is FAILED


def test_a_person_is_no_bounce() -> None:
    """Whatever numbers stand in the text."""
    assert read_returned(bounces.HUMAN, has_sender=True).kind is OTHER
    assert _read(bounces.HUMAN).kind is OTHER


def test_a_complaint_is_read() -> None:
    """RFC 5965: its type, the reverse-path of what it is about, and whom it names."""
    named = "Original-Rcpt-To: <bob@far.example>\nOriginal-Rcpt-To: eve@far.example\n"
    found = _read(bounces.complaint(to=named))

    assert (found.kind, found.feedback) == (ReturnKind.COMPLAINT, "abuse")
    assert found.paths == ("x@bounces.t1.test",)
    assert [set(one.keys) for one in found.recipients] == [{"bob@far.example"}, {"eve@far.example"}]
    assert _read(bounces.complaint("not-spam")).kind is OTHER


def test_a_report_in_a_list_or_gateway_is_read() -> None:
    """Inside another multipart, encoded, without an end."""
    inner = bounces.report(bounces.POSTFIX).replace(
        b"Content-Type: message/delivery-status",
        b"Content-Type: message/delivery-status\r\nContent-Transfer-Encoding: quoted-printable",
    )
    octets = b"Content-Type: multipart/mixed; boundary=zz\r\n\r\n--zz\r\n" + inner

    assert _only(octets.removesuffix(b"--AA/mx.far--\r\n"))[0] is FAILED


_PIECES = st.sampled_from(
    [
        *(
            b"\n",
            b"\r\n",
            b"\n\n",
            b"--b\n",
            b"--b--\n",
            b"Content-Type: multipart/report;boundary=b\n",
        ),
        *(b"Content-Type: message/delivery-status\n", b"Action: failed\n", b"Status: 5.1.1\n"),
        *(b"Final-Recipient: rfc822;a@b.c\n", b"Content-Type: message/feedback-report\n"),
        *(b"Content-Transfer-Encoding: base64\n", b"Subject: Undelivered\n", b"550 5.1.1 x"),
        *(
            b"Feedback-Type: abuse\n",
            b"\x00\xff",
            b" ",
            b"Content-Type: text/plain; charset=utf-16\n",
        ),
    ]
)


@settings(max_examples=150)
@given(st.lists(_PIECES | st.binary(max_size=20), max_size=30), st.booleans())
def test_any_octets_are_read(pieces: list[bytes], has_sender: bool) -> None:
    """Never an error; what is kept is bounded and can be shown."""
    found = read_returned(b"".join(pieces), has_sender=has_sender)

    for one in found.recipients:
        assert str(one.reply or "").isprintable()
        assert one.remote_host.isprintable()


@pytest.mark.parametrize(
    "piece",
    [
        b"--b\nContent-Type: multipart/mixed; boundary=b\n\n",
        b"--b\n\n",
        b"X: " + b"a" * 60 + b"\n",
        b" folded\n",
        b"boundary=boundary  ",
        b"550 5.1.1 ",
        b"=3D=\n",
        b"\\x{41}",
        b"\n--b" + b" " * 300,
        b"Original-Rcpt-To: <",
        b"Final-Recipient: rfc822; a@b.c\n\n",
    ],
)
@pytest.mark.parametrize(
    "head",
    [
        b"Content-Type: multipart/report; boundary=b\n\n",
        b"Content-Type: multipart/report; boundary=b\n\n"
        b"--b\nContent-Type: message/delivery-status\n\n",
        b"Subject: Undeliverable\n\n",
        b"Subject: ",
        b"Content-Type: ",
    ],
)
def test_hostile_content_takes_no_time(head: bytes, piece: bytes) -> None:
    """Deep nesting, endless headers, floods of parts: what is read and kept has a bound."""
    octets = head + piece * (READ_OCTETS // len(piece))

    begun = time.process_time()
    read_returned(octets, has_sender=False)

    assert time.process_time() - begun < 0.5
    assert len(leaves(octets)) <= MAX_LEAVES


def test_many_recipients_in_a_long_text_take_no_time() -> None:
    """A text without a reply and as many recipients as are read: it is looked at once for all."""
    text = "550 a\n" * 2600
    status = "".join(
        f"Final-Recipient: rfc822; u{number}@b.example\nAction: failed\n\n" for number in range(100)
    )
    octets = (
        f"Content-Type: multipart/report; boundary=B\n\n--B\n\n{text}\n--B\n"
        f"Content-Type: message/delivery-status\n\n{status}--B--\n"
    ).encode()
    took = []
    for number in range(3):
        begun = time.thread_time()
        found = _read(octets.replace(b"550 a", b"55%d a" % number))
        took.append(time.thread_time() - begun)

    assert len(found.recipients) == 100
    assert min(took) < 0.1
