"""A running emulator of Microsoft 365 for a test, and the plainest SMTP client there is."""

import asyncio
import base64
import smtplib
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from pillarbox.emulate.config import (
    SAMPLE_APP,
    SAMPLE_MAILBOX,
    SAMPLE_PASSWORD,
    SAMPLE_TENANT,
    EmulatorConfig,
    Limits,
)
from pillarbox.emulate.emulator import Emulator
from pillarbox.testing.background import in_background

OUTLOOK = "https://outlook.office365.com"
RECIPIENT = "someone@fabrikam.example"
MESSAGE = (
    f"From: {SAMPLE_MAILBOX}\r\nTo: {RECIPIENT}\r\nSubject: Toner\r\n\r\nIt is empty.\r\n"
).encode()


@asynccontextmanager
async def emulating(
    switches: Mapping[str, str] | None = None, **limits: Any
) -> AsyncIterator[Emulator]:
    """An emulator with the sample tenant."""
    config = EmulatorConfig(switches=switches or {}, limits=Limits(**limits))
    async with Emulator(config) as emulator:
        yield emulator


@contextmanager
def emulator_in_background(config: EmulatorConfig | None = None) -> Iterator[Emulator]:
    """An emulator in a thread with an event loop of its own, for tests that have none.

    Its switches, faults, messages and statistics may be used from the test's thread.
    """
    emulator = Emulator(config)
    with in_background(emulator):
        yield emulator


def client_context(emulator: Emulator) -> ssl.SSLContext:
    """What a client needs to trust it."""
    return ssl.create_default_context(cafile=str(emulator.ca_file))


def app_token(emulator: Emulator, **claims: object) -> str:
    """A token of the sample app for SMTP, as the authority would give it out, or nearly so."""
    now = int(emulator.world.clock())
    usual: dict[str, object] = {
        "aud": OUTLOOK,
        "tid": SAMPLE_TENANT,
        "appid": SAMPLE_APP,
        "roles": ["SMTP.SendAsApp"],
        "exp": now + 3600,
        "nbf": now,
    }
    return emulator.world.signer.sign(usual | claims)


def xoauth2(username: str, token: str) -> str:
    """The initial response of XOAUTH2."""
    text = f"user={username}\x01auth=Bearer {token}\x01\x01"
    return base64.b64encode(text.encode()).decode()


class Client:
    """One connection by smtplib; a reply is "code text"."""

    def __init__(self, emulator: Emulator, *, tls: bool = True) -> None:
        self._emulator = emulator
        self._smtp = smtplib.SMTP("localhost", emulator.smtp_port, timeout=20)
        if tls:
            self.ehlo()
            try:
                self._smtp.starttls(context=client_context(emulator))
            except BaseException:
                self._smtp.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._smtp.close()

    def say(self, line: str) -> str:
        """Send a line; its reply, the lines of one joined by a blank."""
        code, text = self._smtp.docmd(line)
        return f"{code} {text.decode()}".replace("\n", " ")

    def ehlo(self) -> list[str]:
        """EHLO, and the lines of its reply."""
        _, text = self._smtp.docmd("EHLO client.example")
        self._smtp.ehlo_resp = text
        self._smtp.does_esmtp = True
        self._smtp.esmtp_features = {"starttls": ""}
        return text.decode().split("\n")

    def log_in(self, username: str = SAMPLE_MAILBOX, password: str = SAMPLE_PASSWORD) -> str:
        """EHLO and AUTH LOGIN; the reply."""
        self.ehlo()
        self.say("AUTH LOGIN")
        self.say(base64.b64encode(username.encode()).decode())
        return self.say(base64.b64encode(password.encode()).decode())

    def log_in_by_token(self, token: str, username: str = SAMPLE_MAILBOX) -> str:
        """EHLO and AUTH XOAUTH2; the reply."""
        self.ehlo()
        return self.say(f"AUTH XOAUTH2 {xoauth2(username, token)}")

    def send(
        self, content: bytes = MESSAGE, sender: str = SAMPLE_MAILBOX, to: str = RECIPIENT
    ) -> str:
        """One transaction; the first reply that refuses, or the last one."""
        for line in (f"MAIL FROM:<{sender}>", f"RCPT TO:<{to}>", "DATA"):
            reply = self.say(line)
            if reply[0] not in "23":
                return reply
        self._smtp.send(content + b".\r\n")
        code, text = self._smtp.getreply()
        return f"{code} {text.decode()}"


async def submit(emulator: Emulator, content: bytes = MESSAGE, **addresses: str) -> str:
    """Log in with the sample password and send; the reply that decides."""

    def work() -> str:
        with Client(emulator) as client:
            reply = client.log_in()
            return client.send(content, **addresses) if reply[0] == "2" else reply

    return await asyncio.to_thread(work)
