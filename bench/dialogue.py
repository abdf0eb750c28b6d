"""What a client of the load generator says, as a generator: it yields octets and is sent replies.

It waits for each reply before it goes on, as most programs do. RFC 5321 section 3.
"""

import base64
import time
from collections.abc import Generator
from dataclasses import dataclass, field

from bench.profiles import Door

START_TLS = b"\0start TLS"
"""Yielded in the place of octets: shake hands before the next ones."""

LINE = b"x" * 76 + b"\r\n"

Dialogue = Generator[bytes, bytes, None]


class UnexpectedReplyError(Exception):
    """The service refused what it should take."""


@dataclass(frozen=True, slots=True)
class Script:
    """What each session does. With `holds` it logs in and says nothing more."""

    door: Door
    username: str
    password: str
    per_session: int
    octets: int
    recipients: tuple[str, ...]
    holds: bool = False


@dataclass(slots=True)
class Counts:
    """What came of it. `waits_ms` is, for each message, the time from the end of its content to
    its 250."""

    accepted: int = 0
    ready: int = 0
    """Sessions that are logged in."""
    waits_ms: list[float] = field(default_factory=list)
    errors: dict[str, int] = field(default_factory=dict)

    def failed(self, error: str) -> None:
        """A session ended with this."""
        self.errors[error] = self.errors.get(error, 0) + 1


def content_of(script: Script) -> bytes:
    """A message with its end of data."""
    header = (
        f"From: <{script.username}>\r\nTo: <{script.recipients[0]}>\r\n"
        "Subject: benchmark\r\nMIME-Version: 1.0\r\n\r\n"
    ).encode()
    lines = max(script.octets - len(header), 0) // len(LINE) + 1
    return header + LINE * lines + b".\r\n"


def talk(script: Script, content: bytes, messages: int, counts: Counts) -> Dialogue:
    """A whole session with so many messages. Raises UnexpectedReplyError."""
    yield from _log_in(script)
    counts.ready += 1
    if script.holds:
        yield b""
    for _ in range(messages):
        yield from _ask(f"MAIL FROM:<{script.username}>\r\n".encode(), b"250")
        for recipient in script.recipients:
            yield from _ask(f"RCPT TO:<{recipient}>\r\n".encode(), b"250")
        yield from _ask(b"DATA\r\n", b"354")
        begun = time.monotonic()
        yield from _ask(content, b"250")
        counts.waits_ms.append((time.monotonic() - begun) * 1000)
        counts.accepted += 1
    yield from _ask(b"QUIT\r\n", b"221")


def _log_in(script: Script) -> Dialogue:
    if script.door is Door.TLS:
        yield START_TLS
    yield from _ask(b"", b"220")
    yield from _ask(b"EHLO client.example\r\n", b"250")
    if script.door is Door.STARTTLS:
        yield from _ask(b"STARTTLS\r\n", b"220")
        yield START_TLS
        yield from _ask(b"EHLO client.example\r\n", b"250")
    if script.door is not Door.PLAIN:
        secret = base64.b64encode(f"\0{script.username}\0{script.password}".encode())
        yield from _ask(b"AUTH PLAIN " + secret + b"\r\n", b"235")


def _ask(octets: bytes, wanted: bytes) -> Dialogue:
    reply = yield octets
    if not reply.startswith(wanted):
        first_line = reply.decode(errors="replace").partition("\r\n")[0]
        raise UnexpectedReplyError(first_line or "the connection was closed")
