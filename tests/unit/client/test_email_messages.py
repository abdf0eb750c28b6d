"""Messages of the email package, with what it lets a program put into them (client.outgoing)."""

from email import message_from_bytes, message_from_string
from email.message import EmailMessage
from email.policy import SMTPUTF8, default

import pytest
from tests.support.sending import Face, letter
from tests.support.smtp_peer import serve
from tests.support.taking_peer import take_many

from pillarbox.client import ArgumentError
from pillarbox.client.outgoing import prepare

RESENT_TWICE = (
    b"Resent-From: me@x.test\nResent-To: new@x.test\nResent-From: other@x.test\n"
    b"Resent-To: older@x.test\nFrom: a@x.test\nTo: b@x.test\nSubject: x\n\nHi\n"
)


@pytest.mark.parametrize("is_parsed", [True, False])
def test_who_got_a_message_earlier_does_not_get_it_again(is_parsed: bool) -> None:
    """Where it has been resent more than once, nobody can say whom its program means."""
    message = message_from_bytes(RESENT_TWICE, policy=default) if is_parsed else RESENT_TWICE

    with pytest.raises(ArgumentError, match=r"resent more than once.*give sender= and recipients="):
        prepare(message, sender="me@x.test")
    given = prepare(message, sender="me@x.test", recipients=["new@x.test"])

    assert [one.forward_path.address for one in given.recipients] == ["new@x.test"]


async def test_policy_for_utf8_does_not_ask_more_of_the_server_than_the_message(face: Face) -> None:
    """A name beyond ASCII can be written without SMTPUTF8, which many servers do not offer."""
    message = EmailMessage(policy=SMTPUTF8)
    for name, value in letter().items():
        message[name] = value
    message.replace_header("From", "Jörg <app@t1.test>")

    async with serve(take_many) as server:
        assert (await face.send_one(server.port, message)).is_complete

    assert b"From: =?utf-8?q?J=C3=B6rg?= <app@t1.test>\r\n" in server.peers[0].contents[0]


def test_message_that_came_as_text_is_written_as_its_policy_says() -> None:
    """The email package encodes none of its fields."""
    text = "From: Jörg <a@x.test>\nTo: b@x.test\n\nHi\n"

    made = prepare(message_from_string(text, policy=SMTPUTF8))

    assert made.content.head == text.replace("\n", "\r\n").encode()
    assert made.envelope.smtputf8


def test_address_beyond_ascii_stays_one_in_any_field() -> None:
    """An encoded word in an address is nobody's address; such a header needs SMTPUTF8."""
    made = prepare(letter(**{"Reply-To": "Jö <jörg@bücher.example>"}))

    assert "Reply-To: Jö <jörg@bücher.example>\r\n".encode() in made.content.header
    assert made.envelope.smtputf8


def test_part_that_would_arrive_changed_is_refused_in_words() -> None:
    """All line ends go out as CRLF, so octets that are no text have to be encoded."""
    message = letter()
    message.add_attachment(
        b"\x89PNG\r\n\x1a\n", maintype="image", subtype="png", filename="a.png", cte="binary"
    )

    with pytest.raises(ArgumentError, match=r'image/png.*fix: .*cte="base64"'):
        prepare(message)
