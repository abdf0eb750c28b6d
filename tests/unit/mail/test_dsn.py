"""Delivery reports: their structure, their fields, and that foreign text can not break them."""

import quopri
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.dsn import MAX_FULL_OCTETS, MAX_HEADER_OCTETS, Composed, Report, compose
from pillarbox.mail.dsn_words import Action, ReportedRecipient, plain_text
from pillarbox.mail.envelope import Body, Envelope, Recipient, Ret
from pillarbox.mail.identifier import format_id
from pillarbox.mail.reply import Reply, reply

QUEUE_ID = 987_654_321_000_123
DSN_ID = 987_654_321_999_999
ORIGINAL = b"From: a@here.example\r\nSubject: Hello\r\nMessage-ID: <1@here>\r\n\r\nBody\r\n"
NO_USER = reply(550, "5.1.1", "No such user")


def reported(
    address: str = "bob@far.example",
    *,
    action: Action = Action.FAILED,
    answer: Reply = NO_USER,
    orcpt: str = "",
    remote_host: str = "mx.far.example",
    is_expired: bool = False,
) -> ReportedRecipient:
    """One recipient of a report."""
    return ReportedRecipient(
        recipient=Recipient(0, parse_mailbox(address), orcpt=orcpt),
        action=action,
        reply=answer,
        remote_host=remote_host,
        attempted_at=1_700_000_060_000,
        retry_until=1_700_172_800_000 if action is Action.DELAYED else None,
        is_expired=is_expired,
    )


def make(
    *recipients: ReportedRecipient,
    envelope: Envelope | None = None,
    original: bytes = ORIGINAL,
    is_complete: bool = True,
) -> Composed:
    """Compose a report of these recipients."""
    return compose(
        Report(
            host_name="relay.here.example",
            queue_id=QUEUE_ID,
            dsn_id=DSN_ID,
            now=1_700_000_100_000,
            received_at=1_700_000_000_000,
            envelope=envelope or Envelope(Mailbox("a", "here.example")),
            recipients=recipients or (reported(),),
            original=original,
            is_complete=is_complete,
        )
    )


def parse(composed: Composed) -> EmailMessage:
    """The report as a mail program reads it."""
    message = message_from_bytes(composed.content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def parts_of(composed: Composed) -> list[EmailMessage]:
    """The parts of the report, none of them defective."""
    message = parse(composed)
    parts = [part for part in message.iter_parts() if isinstance(part, EmailMessage)]
    assert not message.defects
    assert not any(part.defects for part in parts)
    return parts


def blocks(composed: Composed) -> list[dict[str, str]]:
    """The blocks of the delivery-status part: field name to value."""
    payload = parts_of(composed)[1].get_payload()
    assert isinstance(payload, list)
    found = [dict(block.items()) for block in payload if isinstance(block, Message)]
    return [block for block in found if block]


def test_report_has_the_form_of_rfc_6522() -> None:
    """Three parts, null reverse-path, marked as automatic, to the reverse-path."""
    composed = make()
    message = parse(composed)

    kinds = [part.get_content_type() for part in parts_of(composed)]

    assert composed.envelope == Envelope(None)
    assert kinds == ["text/plain", "message/delivery-status", "text/rfc822-headers"]
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["To"] == "a@here.example"
    assert message["From"].addresses[0].addr_spec == "mailer-daemon@relay.here.example"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Message-ID"] == composed.header_id
    assert message["Date"].datetime.timestamp() == 1_700_000_100


def test_fields_of_a_failure() -> None:
    """RFC 3464 section 2: fields of the message and of each recipient."""
    of_message, of_recipient = blocks(make())

    assert of_message == {
        "Reporting-MTA": "dns; relay.here.example",
        "Arrival-Date": "Tue, 14 Nov 2023 22:13:20 +0000",
        "X-Pillarbox-Queue-Id": format_id(QUEUE_ID),
    }
    assert of_recipient == {
        "Final-Recipient": "rfc822;bob@far.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.far.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 No such user",
        "Last-Attempt-Date": "Tue, 14 Nov 2023 22:14:20 +0000",
    }


def test_words_tell_what_happened_and_what_to_do() -> None:
    """The first part names the recipient, the answer, a remedy and the queue id."""
    words = parts_of(make())[0].get_content()

    assert "<bob@far.example>" in words
    assert "mx.far.example answered:" in words
    assert "550 5.1.1 No such user" in words
    assert "Check the address" in words
    assert format_id(QUEUE_ID) in words


def test_own_refusal_is_not_blamed_on_the_receiving_side() -> None:
    """Mail that an administrator returned was refused by nobody else."""
    answer = reply(550, "5.7.0", "Returned by an administrator")
    returned = reported(answer=answer, remote_host="")

    words = " ".join(parts_of(make(returned))[0].get_content().split())

    assert "What happened: 550 5.7.0 Returned by an administrator" in words
    assert "receiving side" not in words
    assert "Ask your administrator" in words


def test_several_recipients_have_a_block_each() -> None:
    """One report tells of all recipients that failed together."""
    composed = make(reported("bob@far.example"), reported("eve@far.example"))

    finals = [block["Final-Recipient"] for block in blocks(composed)[1:]]

    assert finals == ["rfc822;bob@far.example", "rfc822;eve@far.example"]


def test_envid_and_orcpt_come_back_decoded() -> None:
    """RFC 3464 2.2.1 and 2.3.1: without the xtext encoding that they were sent in."""
    composed = make(
        reported(orcpt="rfc822;Bob+2Bx@far.example"),
        envelope=Envelope(Mailbox("a", "here.example"), envid="QQ+3D314159"),
    )

    of_message, of_recipient = blocks(composed)

    assert of_message["Original-Envelope-Id"] == "QQ=314159"
    assert of_recipient["Original-Recipient"] == "rfc822;Bob+x@far.example"


def test_expired_recipient_has_the_status_of_expiry_and_the_last_answer() -> None:
    """RFC 3463 X.4.7: the time was over; the diagnosis is what the last attempt was told."""
    answer = reply(451, "4.2.0", "Come back later")

    block = blocks(make(reported(answer=answer, is_expired=True)))[1]

    assert (block["Action"], block["Status"]) == ("failed", "4.4.7")
    assert block["Diagnostic-Code"] == "smtp; 451 4.2.0 Come back later"


def test_delay_says_until_when_it_is_tried() -> None:
    """A delayed recipient has a 4.x.x status and Will-Retry-Until."""
    answer = reply(421, "", "Closing")

    composed = make(reported(action=Action.DELAYED, answer=answer))

    block = blocks(composed)[1]
    assert (block["Action"], block["Status"]) == ("delayed", "4.0.0")
    assert "Will-Retry-Until" in block
    assert "late" in str(parse(composed)["Subject"])


@pytest.mark.parametrize("action", [Action.RELAYED, Action.DELIVERED])
def test_success_has_a_2_status(action: Action) -> None:
    """A success report says relayed or delivered with a status of class 2."""
    composed = make(reported(action=action, answer=reply(250, "2.6.0", "Queued")))

    block = blocks(composed)[1]

    assert (block["Action"], block["Status"]) == (action.value, "2.6.0")


def test_reply_of_our_own_is_no_smtp_diagnosis() -> None:
    """What no far host said is not passed for an SMTP reply (RFC 3464 2.3.6)."""
    block = blocks(make(reported(remote_host="")))[1]

    assert block["Diagnostic-Code"].startswith("x-pillarbox; ")
    assert "Remote-MTA" not in block


def test_ret_full_gives_back_the_message() -> None:
    """RFC 3461 4.3: the whole message where the sender asked for it."""
    envelope = Envelope(Mailbox("a", "here.example"), ret=Ret.FULL)

    returned = parts_of(make(envelope=envelope))[2]

    assert returned.get_content_type() == "message/rfc822"
    assert returned.get_content().get_content() == "Body\r\n"


@pytest.mark.parametrize(
    ("ret", "size", "is_complete", "action"),
    [
        (None, 10, True, Action.FAILED),
        (Ret.HEADERS, 10, True, Action.FAILED),
        (Ret.FULL, MAX_FULL_OCTETS, True, Action.FAILED),
        (Ret.FULL, 10, False, Action.FAILED),
        (Ret.FULL, 10, True, Action.DELAYED),
        (Ret.FULL, 10, True, Action.RELAYED),
    ],
)
def test_header_fields_are_given_back_otherwise(
    ret: Ret | None, size: int, *, is_complete: bool, action: Action
) -> None:
    """Not asked for, too large, not at hand, or no failure: the header fields only."""
    composed = make(
        reported(action=action),
        envelope=Envelope(Mailbox("a", "here.example"), ret=ret),
        original=ORIGINAL + b"x\r\n" * (size // 3 + 1),
        is_complete=is_complete,
    )

    returned = parts_of(composed)[2]

    assert returned.get_content_type() == "text/rfc822-headers"
    assert "Subject: Hello" in returned.get_content()
    assert "Body" not in returned.get_content()


@pytest.mark.parametrize("bad", [b"\0", b"x" * 1200, b"a\rb", b"a\nb"])
def test_binary_message_is_given_back_as_header_fields(bad: bytes) -> None:
    """What no line-wise transfer can carry is not put into a report."""
    envelope = Envelope(Mailbox("a", "here.example"), ret=Ret.FULL, body=Body.BINARY)

    composed = make(envelope=envelope, original=ORIGINAL + bad + b"\r\n")

    assert composed.envelope.body is Body.SEVEN_BIT
    assert parts_of(composed)[2].get_content_type() == "text/rfc822-headers"


def test_8_bit_header_fields_are_encoded() -> None:
    """The report stays 7-bit where the message's header fields are not."""
    composed = make(original=b"Subject: f\xc3\xbcr\r\n\r\nBody\r\n")

    returned = parts_of(composed)[2]

    assert composed.content.isascii()
    assert returned.get_payload(decode=True) == b"Subject: f\xc3\xbcr\r\n"


def test_endless_header_block_is_cut_after_a_line() -> None:
    """What is given back is bounded."""
    original = b"X-Field: 0123456789\r\n" * 10_000 + b"\r\nBody\r\n"

    returned = parts_of(make(original=original))[2].get_payload(decode=True)

    assert isinstance(returned, bytes)
    assert MAX_HEADER_OCTETS - 100 < len(returned) <= MAX_HEADER_OCTETS
    assert returned.endswith(b"0123456789\r\n")


def test_addresses_beyond_ascii_take_the_forms_of_rfc_6533() -> None:
    """message/global-delivery-status with utf-8 addresses, sent with SMTPUTF8 if need be."""
    envelope = Envelope(Mailbox("jörg", "here.example"), smtputf8=True)

    composed = make(reported("用户@far.example"), envelope=envelope)
    message, parts = parse(composed), parts_of(composed)

    assert composed.envelope == Envelope(None, Body.EIGHT_BIT, smtputf8=True)
    assert message.get_param("report-type") == "global-delivery-status"
    assert [part.get_content_type() for part in parts] == [
        "text/plain",
        "message/global-delivery-status",
        "message/global-headers",
    ]
    assert "用户@far.example" in parts[0].get_content()
    assert "Final-Recipient: utf-8;用户@far.example".encode() in _decoded(composed)


def _decoded(composed: Composed) -> bytes:
    """All octets with the quoted-printable of our own parts undone."""
    return quopri.decodestring(composed.content)


def test_ascii_sender_gets_a_7_bit_report_of_a_global_message() -> None:
    """A report to an ASCII address passes servers that know no SMTPUTF8."""
    envelope = Envelope(Mailbox("a", "here.example"), smtputf8=True)

    composed = make(reported("用户@far.example"), envelope=envelope)

    assert composed.content.isascii()
    assert not composed.envelope.smtputf8


def test_nobody_is_told_of_a_null_reverse_path() -> None:
    """RFC 5321 6.1: no report of a report."""
    with pytest.raises(ValueError, match="null reverse-path"):
        make(envelope=Envelope(None))


def test_row_64_hostile_text_adds_no_field_and_no_part() -> None:
    """Line ends and boundaries in ENVID, ORCPT, reply and message stay inside their fields."""
    boundary = f"report-{format_id(DSN_ID)}"
    evil = f"ok\r\n\r\n--{boundary}--\r\nAction: delivered\n\n<b>\x1b[31m\xff"
    composed = make(
        reported(
            answer=Reply(550, "5.7.1", (evil, evil)),
            orcpt="rfc822;x+0D+0AAction:+20delivered",
            remote_host="mx\r\nX-Evil: 1",
        ),
        envelope=Envelope(
            Mailbox("a", "here.example"), envid="a+0D+0A+0D+0AX-Evil:+201", ret=Ret.FULL
        ),
        original=ORIGINAL + f"--{boundary}\r\n--{boundary}--\r\n".encode(),
    )

    parts, found = parts_of(composed), blocks(composed)

    assert len(parts) == 3
    assert len(found) == 2
    assert found[1]["Action"] == "failed"
    assert not any("X-Evil" in block for block in found)
    assert found[0]["Original-Envelope-Id"] == "a X-Evil: 1"


def test_plain_text_is_one_printable_line() -> None:
    """Controls become blanks, what is not ASCII becomes a question mark unless UTF-8 is wanted."""
    assert plain_text(" a\r\n\tb\x00c \x7f ü") == "a b c ?"
    assert plain_text("a\u2028b ü\u202e", utf8=True) == "a b ü?"


@given(
    lines=st.lists(st.text(max_size=700), min_size=1, max_size=3),
    envid=st.text(max_size=120),
    orcpt=st.text(max_size=200),
    host=st.text(max_size=80),
    original=st.binary(max_size=300),
    ret=st.sampled_from([None, Ret.FULL, Ret.HEADERS]),
    utf8=st.booleans(),
)
def test_row_64_no_foreign_text_breaks_the_structure(
    lines: list[str],
    envid: str,
    orcpt: str,
    host: str,
    original: bytes,
    ret: Ret | None,
    *,
    utf8: bool,
) -> None:
    """Whatever comes from outside: three parts, lines of SMTP, fields intact."""
    composed = make(
        reported(answer=Reply(550, "5.1.1", tuple(lines)), orcpt=orcpt, remote_host=host),
        envelope=Envelope(Mailbox("a", "here.example"), envid=envid, ret=ret, smtputf8=utf8),
        original=original,
    )

    octets = composed.content
    parts = parts_of(composed)

    assert len(parts) == 3
    assert octets.isascii()
    assert octets.count(b"\r\n") == octets.count(b"\r") == octets.count(b"\n")
    assert max(len(line) for line in octets.split(b"\r\n")) <= 998
    if parts[1].get_content_type() == "message/delivery-status":
        assert [block.get("Action") for block in blocks(composed)] == [None, "failed"]
