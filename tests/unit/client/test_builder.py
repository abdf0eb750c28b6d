"""pillarbox.Message: what is built, and what is refused (attacks row 75)."""

import io
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.client import ArgumentError, Message
from pillarbox.client.outgoing import prepare

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
EVENT = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nEND:VCALENDAR\n"


def sent(message: Message) -> EmailMessage:
    """The message as a reader gets it."""
    octets = prepare(message).content.head
    found = message_from_bytes(octets, policy=default)
    assert isinstance(found, EmailMessage)
    return found


def shape(message: EmailMessage) -> object:
    """Types of the parts, nested."""
    if not message.is_multipart():
        return message.get_content_type()
    return [message.get_content_type(), *(shape(part) for part in message.iter_parts())]  # type: ignore[arg-type]


def test_text_alone_is_text() -> None:
    """With Date and Message-ID, and no part around it."""
    found = sent(
        Message(
            sender=("Büro", "app@x.test"),
            to=["Ann <ann@y.test>", ("Bob, the", "bob@y.test")],
            cc="carl@y.test",
            reply_to="help@x.test",
            subject="Grüße",
            text="Grüße\n.\n",
            headers={"X-Report": "7"},
        )
    )

    assert shape(found) == "text/plain"
    assert found.get_content().splitlines() == ["Grüße", "."]
    assert str(found["From"]) == "Büro <app@x.test>"
    assert [str(one) for one in found["To"].addresses] == [
        "Ann <ann@y.test>",
        '"Bob, the" <bob@y.test>',
    ]
    assert (found["Subject"], found["X-Report"], found["Cc"]) == ("Grüße", "7", "carl@y.test")
    assert found["Reply-To"] == "help@x.test"
    assert found["Message-ID"].endswith("@x.test>")
    assert found["Date"].datetime is not None


def test_all_parts_have_their_place(tmp_path: Path) -> None:
    """Forms of the text beside each other, pictures with the HTML, attachments at the end."""
    path = tmp_path / "räport.pdf"
    path.write_bytes(PNG)
    message = Message(sender="a@x.test", to="b@y.test", text="plain")
    picture = message.inline(PNG, content_type="image/png", name="logo.png")
    message.set_html(f'<img src="{picture}">').calendar(EVENT, method="request")
    message.attach(path).attach(io.BytesIO(b"x"), name="data.bin").attach(b"a,b\n", name="t.csv")

    found = sent(message)

    assert shape(found) == [
        "multipart/mixed",
        [
            "multipart/alternative",
            "text/plain",
            ["multipart/related", "text/html", "image/png"],
            "text/calendar",
        ],
        "application/pdf",
        "application/octet-stream",
        "text/csv",
    ]
    parts = list(found.walk())
    image = next(part for part in parts if part.get_content_type() == "image/png")
    assert f"cid:{image['Content-ID'][1:-1]}" == picture
    assert image.get_content_disposition() == "inline"
    event = next(part for part in parts if part.get_content_type() == "text/calendar")
    assert event.get_param("method") == "REQUEST"
    pdf = next(part for part in parts if part.get_content_type() == "application/pdf")
    assert (pdf.get_filename(), pdf.get_payload(decode=True)) == ("räport.pdf", PNG)


def test_html_alone_and_a_picture() -> None:
    """Without a text there is no empty one."""
    message = Message(sender="a@x.test", to="b@y.test")
    message.set_html(f'<img src="{message.inline(PNG, content_type="image/png")}">')

    assert shape(sent(message)) == ["multipart/related", "text/html", "image/png"]


def test_an_attached_message_arrives_as_it_is() -> None:
    """RFC 2046 section 5.2: message/rfc822 may not be encoded, so it goes as a file."""
    message = Message(sender="a@x.test", to="b@y.test", text="x").attach(b"\xff", name="m.eml")

    part = next(iter(sent(message).iter_attachments()))
    assert part.get_content_type() == "application/octet-stream"
    assert part.get_payload(decode=True) == b"\xff"


def test_the_envelope_follows_the_fields() -> None:
    """Bcc is in it, and not in the message."""
    outgoing = prepare(
        Message(sender="a@x.test", to="b@y.test", cc=["c@y.test"], bcc="d@y.test", text="x")
    )

    assert [str(one.forward_path) for one in outgoing.recipients] == [
        "b@y.test",
        "c@y.test",
        "d@y.test",
    ]
    assert b"d@y.test" not in outgoing.content.head
    assert not outgoing.envelope.smtputf8


def test_a_domain_beyond_ascii_needs_no_smtputf8() -> None:
    """It stands there as an A-label."""
    outgoing = prepare(Message(sender="a@bücher.example", to="b@y.test", text="x"))

    assert not outgoing.envelope.smtputf8
    assert b"a@xn--bcher-kva.example" in outgoing.content.head


EVIL = ["x\r\nBcc: eve@e.test", "x\nBcc: eve@e.test", "x\r", "x\0y", "x\x7f"]


@pytest.mark.parametrize("evil", EVIL)
@pytest.mark.parametrize(
    "field", ["sender", "name", "to", "cc", "bcc", "reply_to", "subject", "header", "header name"]
)
def test_no_argument_brings_a_field(field: str, evil: str) -> None:
    """Attacks row 75: refused when it is given."""
    arguments: dict[str, object] = {"sender": "a@x.test", "to": "b@y.test", "text": "x"}
    match field:
        case "name":
            arguments["sender"] = (evil, "a@x.test")
        case "header":
            arguments["headers"] = {"X-A": evil}
        case "header name":
            arguments["headers"] = {evil: "x"}
        case "subject":
            arguments["subject"] = evil
        case other:
            arguments[other] = f"a@x.test{evil}"

    with pytest.raises(ArgumentError):
        Message(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("evil", EVIL)
def test_no_part_brings_a_field(evil: str) -> None:
    """File names, types, methods."""
    message = Message(sender="a@x.test", to="b@y.test", text="x")

    with pytest.raises(ArgumentError):
        message.attach(b"x", name=evil)
    with pytest.raises(ArgumentError):
        message.attach(b"x", content_type=f"text/plain{evil}")
    with pytest.raises(ArgumentError):
        message.inline(b"x", name=evil)
    with pytest.raises(ArgumentError):
        message.calendar("x", method=evil)
    with pytest.raises(ArgumentError):
        message.alternative("x", evil)


@pytest.mark.parametrize(
    "arguments",
    [
        {"sender": "nobody"},
        {"sender": ""},
        {"to": "a@x.test, b@x.test"},
        {"to": [""]},
        {"to": "Ann <a@x.test>, Bob <b@x.test>"},
        {"to": ["Ann <a@x.test>; Bob <b@x.test>"]},
        {"cc": "Ann <a@x.test> <b@x.test>"},
        {"reply_to": "Ann <a@x.test> b@x.test"},
        {"sender": "Ann <a@x.test>, Bob <b@x.test>"},
        {"headers": {"Bcc": "e@x.test"}},
        {"headers": {"Content-Type": "text/html"}},
        {"headers": {"A:B": "x"}},
        {"headers": {"A": "one\x85two"}},
        {"subject": "one\u2028two"},
        {"sender": ("one\u2029two", "a@x.test")},
        {"text": "x\0y"},
        {"html": "x\0y"},
    ],
)
def test_what_can_not_be_meant_is_refused(arguments: dict[str, object]) -> None:
    """Two addresses in one text, no address, a field that has an argument of its own, and what ends
    a line somewhere."""
    with pytest.raises(ArgumentError):
        Message(**{"sender": "a@x.test", "to": "b@y.test", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("address", "same"),
    [
        (r'"a\"b"@y.test', r'"a\"b"@y.test'),
        (r'"\""@y.test', r'"\""@y.test'),
        (r'"a\\b"@y.test', r'"a\\b"@y.test'),
        ('"john doe"@y.test', '"john doe"@y.test'),
        ('"a@b"@y.test', '"a@b"@y.test'),
        ('"bob"@y.test', "bob@y.test"),
        ("bob@[127.0.0.1]", "bob@[127.0.0.1]"),
    ],
)
def test_a_quoted_address_stays_the_same_mailbox(address: str, same: str) -> None:
    """In the envelope and in the header (RFC 5321 section 4.1.2: quotes that it does not need are
    no part of it)."""
    for to in (address, f"Ann <{address}>", ("Ann, the", address)):
        message = Message(sender="a@x.test", to=to, text="x")

        assert [one.forward_path.address for one in prepare(message).recipients] == [same]
        assert [one.addr_spec for one in sent(message)["To"].addresses] == [same]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("In-Reply-To", f"<{'a' * 90}@prod.mail.test>"),
        ("References", " ".join(f"<{letter * 70}@prod.mail.test>" for letter in "abc")),
        ("List-Unsubscribe", f"<https://x.test/{'u' * 120}>,  <mailto:leave@x.test>"),
        ("X-Empty", ""),
        ("X-Words", " word" * 60),
    ],
)
def test_a_field_is_written_as_it_was_given(name: str, value: str) -> None:
    """What stands in it is for programs, which read no encoded words there; lines end at blanks."""
    message = Message(sender="a@x.test", to="b@y.test", text="x", headers={name: value})

    header = prepare(message).content.header.decode()

    assert f"{name}: {value}\r\n" in header.replace("\r\n ", " ")
    assert "=?" not in header
    assert all(line.strip() for line in header.removesuffix("\r\n\r\n").split("\r\n"))
    assert all(len(line) <= 78 or len(line.split()) <= 2 for line in header.split("\r\n"))


def test_a_word_that_is_too_long_for_a_line_is_encoded() -> None:
    """RFC 5322 section 2.1.1 allows 998 characters."""
    message = Message(sender="a@x.test", to="b@y.test", headers={"X-Long": "y" * 1200})

    assert max(map(len, prepare(message).content.header.split(b"\r\n"))) <= 998
    assert sent(message)["X-Long"] == "y" * 1200


HALF = "na\udcefve"
"""As a file name is read whose octets are no UTF-8."""


@pytest.mark.parametrize(
    "arguments",
    [
        {"sender": (HALF, "a@x.test")},
        {"to": f"{HALF} <b@y.test>"},
        {"subject": HALF},
        {"text": HALF},
        {"html": HALF},
        {"headers": {"X-A": HALF}},
    ],
)
def test_half_a_surrogate_pair_is_refused_where_it_is_given(arguments: dict[str, object]) -> None:
    """It has no octets: sending it would fail with an error that is none of a ClientError."""
    with pytest.raises(ArgumentError, match="surrogate"):
        Message(**{"sender": "a@x.test", "to": "b@y.test", **arguments})  # type: ignore[arg-type]


def test_a_file_with_a_name_that_is_no_text_gets_another_one(tmp_path: Path) -> None:
    """The path may be anything that the system takes."""
    path = tmp_path / HALF
    path.write_bytes(PNG)
    message = Message(sender="a@x.test", to="b@y.test", text="x")

    with pytest.raises(ArgumentError, match="surrogate"):
        message.attach(path)
    message.attach(path, name="naïve")

    [part] = sent(message).iter_attachments()
    assert part.get_filename() == "naïve"


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_refused_or_stays_in_its_field(name: str, subject: str, file: str) -> None:
    """Whatever stands in it: the header has the fields that it should have, and no others."""
    try:
        message = Message(
            sender=(name, "a@x.test"), to="b@y.test", subject=subject, text="x"
        ).attach(b"x", name=file)
        octets = prepare(message).content.head
    except ArgumentError:
        return

    found = message_from_bytes(octets, policy=default)
    assert sorted(key.lower() for key in found) == sorted(
        ["from", "to", "subject", "date", "message-id", "mime-version", "content-type"]
    )
    assert [str(one.addr_spec) for one in found["From"].addresses] == ["a@x.test"]
    assert octets.count(b"\r\n\r\n") >= 1
