"""What the clients are told to send, through which port, and how arrival is judged."""

import email.policy
import re
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path

SENDER = "app@sender.example"

ADDED_FIELDS = {"received", "date", "message-id"}
"""What Pillarbox and Postfix may put on top of a message (RFC 5321 4.4, RFC 6409 8)."""

BODY = (
    "First line\r\n"
    ".\r\n"
    ". one dot and text\r\n"
    "..two dots\r\n"
    "...\r\n"
    "From the start of a line\r\n"
    "Grüße aus Köln, Привет, мир, 日本語\r\n"
    "\ttab, and spaces at the end   \r\n" + "x" * 989 + " the end\r\n"
    "\r\n"
    "\r\n"
    "EHLO mail.example\r\n"
    "QUIT\r\n"
    "last line\r\n"
)
"""Lines that a client or relay which is careless about dots, octets or lengths would damage. The
longest has 998 octets (RFC 5321 4.5.3.1.6)."""

_HEADER = (
    "From: The App <{sender}>\r\n"
    "To: {recipient}\r\n"
    "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= and a folded\r\n"
    " \tline\r\n"
    "Date: Mon, 02 Mar 2026 10:20:30 +0100\r\n"
    "Message-ID: <{marker}@sender.example>\r\n"
    "MIME-Version: 1.0\r\n"
    "Content-Type: text/plain;\r\n"
    "  charset=utf-8\r\n"
    "Content-Transfer-Encoding: 8bit\r\n"
    "X-Odd:no space, and  two   spaces \r\n"
    "x-mArKeR: {marker}\r\n"
)


@dataclass(frozen=True, slots=True)
class Upstream:
    """A port that takes submissions on localhost, and what a client has to know to use it."""

    port: int
    implicit_tls: bool
    username: str
    password: str
    ca_file: Path


@dataclass(frozen=True, slots=True)
class Kept:
    """A message that a next hop got: for whom, and its octets with CRLF line ends."""

    recipient: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to send; `marker` is unique."""

    marker: str
    recipient: str
    sender: str = SENDER

    @property
    def octets(self) -> bytes:
        """The whole message, with CRLF line ends, for clients that are handed a file."""
        header = _HEADER.format(sender=self.sender, recipient=self.recipient, marker=self.marker)
        return f"{header}\r\n{BODY}".encode()


def assert_unchanged(sent: bytes, kept: Kept) -> None:
    """What came is what was sent, below nothing but the fields that servers add."""
    added, found, rest = kept.octets.partition(sent[:60])
    assert found, f"the start of the message was changed:\n{kept.octets.decode()}"
    assert found + rest == sent
    names = {name.decode().lower() for name in re.findall(rb"(?m)^([!-9;-~]+):", added)}
    assert names <= ADDED_FIELDS
    assert re.fullmatch(rb"(?:[!-9;-~]+:.*\r\n(?:[ \t].*\r\n)*)*", added)


def assert_same_text(letter: Letter, kept: Kept) -> None:
    """For programs that compose the message themselves: the text and the marker came whole."""
    parser = BytesParser(policy=email.policy.SMTP)
    message = parser.parsebytes(kept.octets)
    assert message["X-Marker"] == letter.marker
    assert letter.sender in message["From"]
    assert letter.recipient in message["To"]
    assert message["Date"]
    assert message["Message-ID"]
    text = message.get_content().replace("\r\n", "\n")
    assert text.rstrip("\n") == BODY.replace("\r\n", "\n").rstrip("\n")
