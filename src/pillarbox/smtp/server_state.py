"""What one SMTP session of the server knows, its states, and the steps between them.

    BANNER ─ 220 ─► START ─ EHLO ─► READY ─ MAIL ─► MAIL ─ RCPT ─► RCPT ─ DATA ─► DATA
                                    ▲  ▲                            │               │
                                  SASL └─ end of content, RSET … ◄─ │ ──────────────┤
                                                                    └─ BDAT ─► CHUNK ◄─► CHUNKS

Everything that changes `Session.state` is a step in `TRANSITIONS`; which command is in order in
which state is in `IN_ORDER`. A refused command changes no state; a refused chunk or content ends
its transaction.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.refusals import Fact, Refusal
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.smtp.data import BdatReader, DataReader, Discard
from pillarbox.smtp.events import ContentAbort, ServerEvent
from pillarbox.smtp.sasl import MAX_RESPONSE_OCTETS, Exchange

MAX_NOTED_REFUSALS = 32
"""How many refusals a session remembers: enough to tell its story, bounded for a flood."""


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a listener allows and offers. Sizes are octets; line limits count CR LF.

    `mail_limit` is the number of transactions a session, 0 for no limit. `starttls`: TLS can be
    had on this port. `require_tls`: MAIL is refused before TLS (AUTH always is). `error_limit`
    and `idle_limit` say after how many errors, and after how many commands that lead nowhere
    (NOOP, RSET, VRFY …) since the last message, the session ends with 421. `requiretls`: it is
    offered under TLS, since messages are kept to it on their way (RFC 8689). `is_open`: MAIL needs
    no login, and it is the recipients that are judged; what comes in is not passed on, so that
    neither DSN nor BINARYMIME is offered.
    """

    host_name: str
    size_limit_octets: int
    recipient_limit: int
    mail_limit: int = 0
    starttls: bool = True
    require_tls: bool = True
    command_limit_octets: int = 2048
    line_limit_octets: int = MAX_RESPONSE_OCTETS + 128
    """For lines of AUTH: one response in base64 and room for "AUTH", a mechanism and CR LF."""
    error_limit: int = 20
    idle_limit: int = 100
    login_mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")
    requiretls: bool = False
    is_open: bool = False


class State(StrEnum):
    """Where a session stands. Command lines are read from START to CHUNKS only."""

    BANNER = "banner"
    """The 220 has not been sent."""
    START = "start"
    """Nobody has said EHLO or HELO yet."""
    READY = "ready"
    MAIL = "mail"
    """A transaction is open; it has no recipient yet."""
    RCPT = "rcpt"
    CHUNKS = "chunks"
    """Between two chunks of BDAT."""
    DATA = "data"
    CHUNK = "chunk"
    SASL = "sasl"
    """The next line is a response of AUTH."""
    TLS = "tls"
    """Between the 220 of STARTTLS and the end of the handshake."""
    CLOSED = "closed"


class Step(StrEnum):
    """What moves a session from one state to the next."""

    BANNER_SENT = "banner sent"
    GREETED = "greeted"
    MAIL_TAKEN = "mail taken"
    RCPT_TAKEN = "rcpt taken"
    DATA_BEGUN = "data begun"
    CHUNK_BEGUN = "chunk begun"
    CHUNK_TAKEN = "chunk taken"
    TRANSACTION_OVER = "transaction over"
    SASL_BEGUN = "sasl begun"
    SASL_OVER = "sasl over"
    TLS_BEGUN = "tls begun"
    TLS_ON = "tls on"
    CLOSE = "close"


class Steps(dict[Step, State]):
    """Where the steps from one state lead to. One that is not there is a bug of ours."""

    def __init__(self, state: State, steps: Mapping[Step, State]) -> None:
        super().__init__(steps)
        self._state = state

    def __missing__(self, step: Step) -> State:
        raise LocalProtocolError(f"no step '{step}' from the state '{self._state}'")


_CLOSE = {Step.CLOSE: State.CLOSED}
_COMMANDS = _CLOSE | {Step.GREETED: State.READY, Step.TLS_BEGUN: State.TLS}
_TRANSACTION = _COMMANDS | {Step.TRANSACTION_OVER: State.READY}

_STEPS: Mapping[State, Mapping[Step, State]] = {
    State.BANNER: _CLOSE | {Step.BANNER_SENT: State.START},
    State.START: _COMMANDS,
    State.READY: _COMMANDS | {Step.MAIL_TAKEN: State.MAIL, Step.SASL_BEGUN: State.SASL},
    State.MAIL: _TRANSACTION | {Step.RCPT_TAKEN: State.RCPT},
    State.RCPT: _TRANSACTION
    | {
        Step.RCPT_TAKEN: State.RCPT,
        Step.DATA_BEGUN: State.DATA,
        Step.CHUNK_BEGUN: State.CHUNK,
    },
    State.CHUNKS: _TRANSACTION | {Step.CHUNK_BEGUN: State.CHUNK},
    State.DATA: _CLOSE | {Step.TRANSACTION_OVER: State.READY},
    State.CHUNK: _CLOSE | {Step.TRANSACTION_OVER: State.READY, Step.CHUNK_TAKEN: State.CHUNKS},
    State.SASL: _CLOSE | {Step.SASL_OVER: State.READY},
    State.TLS: _CLOSE | {Step.TLS_ON: State.START},
    State.CLOSED: {},
}

TRANSITIONS: Mapping[State, Steps] = {state: Steps(state, to) for state, to in _STEPS.items()}

IN_ORDER: Mapping[str, frozenset[State]] = {
    "MAIL": frozenset({State.READY}),
    "RCPT": frozenset({State.MAIL, State.RCPT}),
    "DATA": frozenset({State.RCPT}),
    "BDAT": frozenset({State.RCPT, State.CHUNKS}),
}
"""The states in which a command is in order; commands that are not listed always are."""

_TRANSACTION_OVER = Step.TRANSACTION_OVER

TRANSACTION = frozenset({State.MAIL, State.RCPT, State.CHUNKS, State.DATA, State.CHUNK})
"""The states with an open transaction."""


class Session:
    """What the server knows of one session; the commands and the protocol object change it.

    What the shell may look at: `closing` (the session is over: write what is to be sent, then
    close), `helo` (the name that the client gave: ASCII without controls, "" before EHLO),
    `said_ehlo` (it gave that by EHLO and not by HELO), `tls` (the encryption, "" if there is none),
    `login` (the account that the session sends for, "" if none), `authenticated` (an AUTH
    succeeded), `refusals` (what was refused, by the protocol itself or noted by the shell, in
    order, the first few), `envelope` and `recipients` (of the open transaction, those that were
    accepted), `reader` (not None while content is on its way), `events` (what next_event() will
    give) and `out` (the replies that data_to_send() takes).
    """

    __slots__ = (
        "authenticated",
        "awaiting",
        "chunk_is_last",
        "chunks",
        "closing",
        "content_open",
        "envelope",
        "errors",
        "events",
        "exchange",
        "helo",
        "idle",
        "login",
        "mails",
        "out",
        "reader",
        "recipient_limit",
        "recipients",
        "refusals",
        "refused_recipients",
        "said_ehlo",
        "session_id",
        "settings",
        "size_limit_octets",
        "state",
        "tls",
        "trusted",
    )

    def __init__(self, settings: ServerSettings, *, session_id: str, tls: str) -> None:
        self.settings = settings
        self.session_id = session_id
        self.tls = tls
        self.trusted = False
        self.state = State.BANNER
        self.mails = self.errors = self.idle = 0
        self.refusals: list[Refusal] = []
        self.out = b""
        self.events: deque[ServerEvent] = deque()
        self.awaiting: ServerEvent | None = None
        self.closing = False
        self.content_open = False
        self._forget_transaction()
        self.forget_client()

    def _forget_transaction(self) -> None:
        self.envelope: Envelope | None = None
        self.recipients: list[Recipient] = []
        self.refused_recipients = 0
        self.reader: DataReader | BdatReader | Discard | None = None
        self.chunk_is_last = False
        self.chunks = 0

    def forget_client(self) -> None:
        """RFC 3207 4.2: "The server MUST discard any knowledge obtained from the client". A
        network login stands, since it does not come from the client's words."""
        self.helo = ""
        self.said_ehlo = False
        self.exchange: Exchange | None = None
        self.authenticated = False
        if not self.trusted:
            self.login = ""
            self.size_limit_octets = self.settings.size_limit_octets
            self.recipient_limit = self.settings.recipient_limit

    def say(self, octets: bytes) -> None:
        """Queue an encoded reply."""
        self.out += octets

    def ask(self, event: ServerEvent) -> None:
        """Hand out an event and wait for its answer."""
        self.events.append(event)
        self.awaiting = event

    def note(self, refusal: Refusal) -> None:
        """Remember why something is refused, for `refusals`."""
        if len(self.refusals) < MAX_NOTED_REFUSALS:
            self.refusals.append(refusal)

    def refuse_command(self, refusal: Refusal, **facts: Fact) -> None:
        """Answer a command with one of our refusals and count the error."""
        self.note(refusal)
        reply = refusal.reply(self.session_id, **facts)
        if refusal is Refusal.TOO_MANY_RECIPIENTS:
            self.refuse_recipient(reply)
        else:
            self.refuse_with(reply)

    def refuse_with(self, reply: Reply) -> None:
        """Answer a command with this refusal and count the error; 421 ends the session."""
        self.errors += 1
        if self.errors >= self.settings.error_limit:
            self.hang_up(Refusal.TOO_MANY_ERRORS)
            return
        self.say(reply.encode())
        if reply.code == 421:
            self.close()

    def refuse_recipient(self, reply: Reply) -> None:
        """Answer RCPT with this refusal. A long list with some bad or too many recipients is no
        abuse: errors count beyond as many as may be accepted (RFC 5321 4.5.3.1.10)."""
        self.refused_recipients += 1
        if self.refused_recipients > self.recipient_limit:
            self.refuse_with(reply)
            return
        self.say(reply.encode())
        if reply.code == 421:
            self.close()

    def count_idle(self) -> None:
        """Count a command that leads nowhere; too many of them end the session."""
        self.idle += 1
        if self.idle > self.settings.idle_limit and not self.closing:
            self.hang_up(Refusal.TOO_MANY_ERRORS)

    def hang_up(self, refusal: Refusal, **facts: Fact) -> None:
        """Answer with this refusal and end the session."""
        self.note(refusal)
        self.say(refusal.reply(self.session_id, **facts).encode())
        self.close()

    def close(self) -> None:
        """End the session once everything queued has been written."""
        if self.closing:
            return
        if self.content_open:
            self.abort_content(None)
        self._forget_transaction()
        self.closing = True
        self.awaiting = None
        self.state = TRANSITIONS[self.state][Step.CLOSE]

    def abort_content(self, refusal: Refusal | None) -> None:
        """Tell the shell to drop what it has of the content, if it has begun to take it."""
        if self.content_open:
            self.content_open = False
            self.events.append(ContentAbort(refusal))

    def end_transaction(self) -> None:
        """The transaction is over: nothing of it may reach the next one."""
        if self.state in TRANSACTION:
            if self.content_open:
                self.abort_content(None)
            self._forget_transaction()
            self.state = TRANSITIONS[self.state][_TRANSACTION_OVER]
