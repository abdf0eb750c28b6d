"""Delivery reports pass next hops that take 7-bit mail alone."""

import base64

import pytest
from tests.unit.mail.test_dsn import ORIGINAL, make, parse, parts_of

from pillarbox.mail.address import Mailbox, parse_mailbox
from pillarbox.mail.envelope import Body, Envelope, Ret

FULL_8_BIT = Envelope(Mailbox("a", "here.example"), ret=Ret.FULL, body=Body.EIGHT_BIT)
PLAIN_8_BIT = (
    b"Subject: Hello\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\nF\xc3\xbcr Eva\r\n.\r\n"
)
PARTS_8_BIT = (
    b"Subject: Hello\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=cut\r\n"
    b"Content-Transfer-Encoding: 8bit\r\n\r\n--cut\r\nContent-Type: text/html; charset=utf-8\r\n"
    b"Content-Transfer-Encoding:\r\n 8bit\r\n\r\n<p>F\xc3\xbcr\r\n--cut\r\n\r\nseven\r\n"
    b"--cut\r\n\r\n\xff\r\n--cut--\r\n"
)


def test_8_bit_message_in_full_comes_back_in_7_bits() -> None:
    """Not every way to the sender takes 8-bit mail, and message/rfc822 can not be encoded: what is
    inside of it is."""
    composed = make(envelope=FULL_8_BIT, original=PLAIN_8_BIT)

    returned = parts_of(composed)[2]
    assert composed.envelope == Envelope(None)
    assert composed.content.isascii()
    assert returned.get_content_type() == "message/rfc822"
    message = returned.get_content()
    assert message["Subject"] == "Hello"
    assert message.get_content() == "F\u00fcr Eva\r\n.\r\n"


def test_8_bit_parts_in_full_come_back_in_7_bits() -> None:
    """Each part keeps its content; those that were 7-bit stay as they are."""
    composed = make(envelope=FULL_8_BIT, original=PARTS_8_BIT)

    assert composed.content.isascii()
    message = parts_of(composed)[2].get_content()
    contents = [part.get_payload(decode=True) for part in message.iter_parts()]
    assert contents == ["<p>F\u00fcr".encode(), b"seven", b"\xff"]
    assert not any(part.defects for part in message.walk())


def test_8_bit_text_without_mime_comes_back_in_7_bits() -> None:
    """What says nothing of its content says so afterwards: it could not be read otherwise."""
    composed = make(envelope=FULL_8_BIT, original=ORIGINAL + b"f\xfcr\r\n")

    message = parts_of(composed)[2].get_content()
    assert message["MIME-Version"] == "1.0"
    assert message.get_payload(decode=True) == b"Body\r\nf\xfcr\r\n"


@pytest.mark.parametrize(
    "original",
    [
        b"Subject: f\xc3\xbcr\r\n\r\nBody\r\n",
        PLAIN_8_BIT.replace(b"8bit", b"base64"),
        PLAIN_8_BIT.replace(b"text/plain", b"message/rfc822"),
        PLAIN_8_BIT.replace(b"text/plain", b"multipart/signed; boundary=cut"),
        PARTS_8_BIT.replace(b"--cut\r\n", b"\xff\r\n--cut\r\n", 1),
        PARTS_8_BIT.replace(b"Type: text/html;", b"Type: text/html; name=\xff;"),
        PARTS_8_BIT.replace(b"Content-Type: text/html", b"\xff"),
    ],
)
def test_8_bit_message_that_can_not_be_encoded_is_given_back_as_header_fields(
    original: bytes,
) -> None:
    """In the header, in what has to stay as it is, and where it is not built as MIME has to be."""
    composed = make(envelope=FULL_8_BIT, original=original)

    assert composed.content.isascii()
    assert composed.envelope == Envelope(None)
    assert parts_of(composed)[2].get_content_type() == "text/rfc822-headers"


def test_international_message_in_full_comes_back_in_7_bits() -> None:
    """RFC 6532 section 3.7: message/global may be encoded."""
    envelope = Envelope(Mailbox("a", "here.example"), Body.EIGHT_BIT, smtputf8=True, ret=Ret.FULL)
    original = "Subject: f\u00fcr\r\n\r\nBody\r\n".encode()

    composed = make(envelope=envelope, original=original)

    returned = parts_of(composed)[2]
    assert composed.content.isascii()
    assert composed.envelope == Envelope(None)
    assert returned.get_content_type() == "message/global"
    assert original in base64.b64decode(composed.content.split(b"base64\r\n\r\n")[1])


def test_report_needs_no_smtputf8_for_a_domain() -> None:
    """A domain beyond ASCII is named by its A-label, which every way to the sender takes."""
    envelope = Envelope(parse_mailbox("ann@b\u00fccher.example"), smtputf8=True)

    composed = make(envelope=envelope)

    assert composed.envelope == Envelope(None)
    assert parse(composed)["To"] == "ann@xn--bcher-kva.example"
