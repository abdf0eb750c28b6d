"""Drives the server's protocol object as a shell would, and keeps what it said and handed out."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypedDict, Unpack

import pytest

from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.smtp.events import (
    Closed,
    Content,
    ContentAbort,
    ContentEnd,
    ContentStart,
    Credentials,
    Login,
    MailFrom,
    RcptTo,
    ServerEvent,
    StartTls,
)
from pillarbox.smtp.server import ServerProtocol, ServerSettings

SESSION_ID = "0123456789ABC"

SETTINGS = ServerSettings(
    host_name="mx.test",
    size_limit_octets=1_000_000,
    recipient_limit=3,
    require_tls=False,
)


class Changes(TypedDict, total=False):
    """Settings that may differ from SETTINGS."""

    size_limit_octets: int
    recipient_limit: int
    mail_limit: int
    starttls: bool
    require_tls: bool
    error_limit: int
    idle_limit: int
    login_mechanisms: tuple[str, ...]


class Driver:
    """A session that accepts everything but what `refusals` (event type to reply) says."""

    def __init__(self, settings: ServerSettings, *, tls: str, trusted: bool) -> None:
        self.protocol = ServerProtocol(settings, session_id=SESSION_ID, tls=tls)
        self.refusals: dict[type[ServerEvent], Reply] = {}
        self.answers = True
        self.events: list[ServerEvent] = []
        self.logins: list[Credentials] = []
        self.messages: list[tuple[Envelope, list[Recipient], bytes]] = []
        self.aborts: list[ContentAbort] = []
        self._content: list[bytes] = []
        if trusted:
            self.protocol.trust()

    def greet(self) -> bytes:
        """Open the session; its first reply."""
        self.protocol.greet()
        return self._run()

    def send(self, octets: bytes) -> bytes:
        """Feed octets in one piece; the replies to them."""
        self.protocol.receive(octets)
        return self._run()

    def send_all(self, pieces: Iterator[bytes]) -> bytes:
        """Feed pieces one after the other; all replies."""
        return b"".join([self.send(piece) for piece in pieces])

    def codes(self, octets: bytes) -> list[int]:
        """Feed octets in one piece; the codes of the replies to them."""
        lines = self.send(octets).split(b"\r\n")[:-1]
        return [int(line[:3]) for line in lines if line[3:4] == b" "]

    def _run(self) -> bytes:
        while self.answers and (event := self.protocol.next_event()) is not None:
            self._act(event)
        return self.protocol.data_to_send()

    def _act(self, event: ServerEvent) -> None:
        self.events.append(event)
        protocol = self.protocol
        match event:
            case Content(octets):
                self._content.append(octets)
                return
            case ContentAbort():
                self.aborts.append(event)
                self._content.clear()
                return
            case Closed():
                return
            case Login(credentials):
                self.logins.append(credentials)
            case _:
                pass
        refusal = self.refusals.get(type(event))
        if refusal is not None:
            protocol.refuse(refusal)
            return
        if isinstance(event, ContentStart):
            self._content.clear()
        if isinstance(event, ContentEnd):
            assert protocol.envelope is not None
            content = b"".join(self._content)
            assert len(content) == event.size
            self.messages.append((protocol.envelope, list(protocol.recipients), content))
        protocol.accept()
        if isinstance(event, StartTls) and not protocol.closing:
            self._events_of_handshake()

    def _events_of_handshake(self) -> None:
        self.protocol.tls_started("TLSv1.3 TEST")

    def count(self, kind: type[ServerEvent]) -> int:
        """How many events of a kind there were."""
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def mails(self) -> int:
        """How many MAIL commands reached the shell."""
        return self.count(MailFrom)

    @property
    def rcpts(self) -> int:
        """How many RCPT commands reached the shell."""
        return self.count(RcptTo)


class Sessions:
    """Makes sessions in the states that tests begin with."""

    def silent(self) -> ServerProtocol:
        """A session that has not been greeted."""
        return ServerProtocol(SETTINGS, session_id=SESSION_ID)

    def connected(
        self, *, tls: str = "", trusted: bool = False, **settings: Unpack[Changes]
    ) -> Driver:
        """Greeted by the server, nothing said by the client. `settings` differ from SETTINGS."""
        driver = Driver(replace(SETTINGS, **settings), tls=tls, trusted=trusted)
        assert driver.greet() == b"220 mx.test ESMTP Pillarbox\r\n"
        return driver

    def encrypted(self, **settings: Unpack[Changes]) -> Driver:
        """After TLS and EHLO, not logged in."""
        driver = self.connected(tls="TLSv1.3 TEST", **settings)
        driver.send(b"EHLO client.test\r\n")
        return driver

    def logged_in(self, **settings: Unpack[Changes]) -> Driver:
        """After TLS, EHLO and AUTH."""
        driver = self.encrypted(**settings)
        reply = driver.send(b"AUTH PLAIN AHUAcA==\r\n")
        assert reply == b"235 2.7.0 Logged in\r\n"
        return driver

    def ready(self, **settings: Unpack[Changes]) -> Driver:
        """After EHLO in plain text, allowed to send by its network address."""
        driver = self.connected(trusted=True, **settings)
        driver.send(b"EHLO client.test\r\n")
        return driver

    def in_transaction(self, mail: bytes = b"", **settings: Unpack[Changes]) -> Driver:
        """After MAIL and one RCPT; `mail` is what stands behind the reverse-path."""
        driver = self.ready(**settings)
        replies = driver.codes(b"MAIL FROM:<a@a.test>%b\r\nRCPT TO:<b@b.test>\r\n" % mail)
        assert replies == [250, 250]
        return driver


@pytest.fixture
def sessions() -> Sessions:
    """A maker of sessions."""
    return Sessions()


def _cuts(octets: bytes) -> list[list[bytes]]:
    whole = [octets]
    single = [octets[index : index + 1] for index in range(len(octets))]
    halves = [[octets[:index], octets[index:]] for index in range(1, len(octets))]
    return [whole, single, *halves]


@pytest.fixture
def cuts() -> Callable[[bytes], list[list[bytes]]]:
    """All the ways that count in which octets arrive: at once, singly, in two pieces."""
    return _cuts
