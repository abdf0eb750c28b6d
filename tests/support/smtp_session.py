"""Drives the server's protocol object as a shell would, and keeps what it said and handed out."""

from collections.abc import Iterable

from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.smtp.events import (
    BearerToken,
    Content,
    ContentAbort,
    ContentEnd,
    ContentStart,
    Credentials,
    Login,
    MailFrom,
    RcptTo,
    ScramFinal,
    ScramFirst,
    ServerEvent,
    StartTls,
    TokenLogin,
)
from pillarbox.smtp.server import ServerProtocol, ServerSettings

SESSION_ID = "0123456789ABC"

SETTINGS = ServerSettings(
    host_name="mx.test",
    size_limit_octets=1_000_000,
    recipient_limit=3,
    require_tls=False,
)


class Driver:
    """A session that accepts everything but what `refusals` (event type to reply) says."""

    def __init__(self, settings: ServerSettings, *, tls: str, trusted: bool) -> None:
        self.protocol = ServerProtocol(settings, session_id=SESSION_ID, tls=tls)
        self.refusals: dict[type[ServerEvent], Reply] = {}
        self.answers = True
        self.events: list[ServerEvent] = []
        self.logins: list[Credentials] = []
        self.tokens: list[BearerToken] = []
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

    def send_all(self, pieces: Iterable[bytes]) -> bytes:
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
            case Login(credentials):
                self.logins.append(credentials)
            case TokenLogin(presented):
                self.tokens.append(presented)
            case _:
                pass
        refusal = self.refusals.get(type(event))
        if refusal is not None:
            protocol.refuse(refusal)
            return
        if isinstance(event, ScramFirst | ScramFinal):
            protocol.challenge(b"first" if isinstance(event, ScramFirst) else b"last")
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
