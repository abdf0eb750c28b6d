"""The server side of SMTP without any I/O: octets in, events out, answers in, octets out.

The shell's round is always the same:

    protocol.receive(octets)
    while (event := protocol.next_event()) is not None:
        ...  # act; where the event asks for it: protocol.accept() or protocol.refuse(reply)
    write(protocol.data_to_send()); close if protocol.closing

Answers may come later: until then `next_event()` gives None and `wants_input` is False. Nothing
that a peer sends makes these methods raise; a LocalProtocolError is a fault of the shell.

RFC 5321, 6409, 2920 (pipelining), 3030, 3207, 4954 and what EHLO offers (smtp.server_commands).
"""

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply, reply
from pillarbox.smtp.data import BdatReader, DataReader
from pillarbox.smtp.events import (
    ContentEnd,
    ContentStart,
    Login,
    MailFrom,
    RcptTo,
    ScramEnd,
    ScramFinal,
    ScramFirst,
    ServerEvent,
    StartTls,
    TokenLogin,
)
from pillarbox.smtp.server_commands import greeting
from pillarbox.smtp.server_content import (
    begin_chunks,
    begin_data,
    discard,
    discard_octets,
    read_chunk,
    read_data,
)
from pillarbox.smtp.server_lines import check_unfinished, refuse_tls_handshake, run_line
from pillarbox.smtp.server_logins import refuse_login, say_challenge
from pillarbox.smtp.server_state import ServerSettings, Session, State, Step

__all__ = ["ServerProtocol", "ServerSettings"]

_SENDER_OK = reply(250, "2.1.0", "Sender OK").encode()
_RECIPIENT_OK = reply(250, "2.1.5", "Recipient OK").encode()
_LOGGED_IN = reply(235, "2.7.0", "Logged in").encode()
_MESSAGE_TAKEN = reply(250, "2.0.0", "Message taken").encode()
_READY_FOR_TLS = reply(220, "2.0.0", "Ready for TLS").encode()

_BANNER, _TLS, _CLOSED, _CHUNK = State.BANNER, State.TLS, State.CLOSED, State.CHUNK
_MAIL_TAKEN, _RCPT_TAKEN = Step.MAIL_TAKEN, Step.RCPT_TAKEN
_NO_INPUT = frozenset({State.BANNER, State.TLS, State.CLOSED})
_CONTENT = frozenset({State.DATA, State.CHUNK})
_UNDER_WAY = _CONTENT | {State.TLS}


class ServerProtocol:
    """One session. `tls` describes the encryption if it is on from the first octet."""

    __slots__ = ("_farewell", "_input", "_position", "_session")

    def __init__(self, settings: ServerSettings, *, session_id: str, tls: str = "") -> None:
        self._session = Session(settings, session_id=session_id, tls=tls)
        self._input = b""
        self._position = 0
        self._farewell: Reply | None = None

    # What the shell may look at

    @property
    def closing(self) -> bool:
        """Whether the session is over: write `data_to_send()`, then close."""
        return self._session.closing

    @property
    def wants_input(self) -> bool:
        """False: stop reading, there is an answer to give first."""
        session = self._session
        return session.awaiting is None and session.state not in _NO_INPUT

    @property
    def helo(self) -> str:
        """The name that the client gave: ASCII without controls, "" before EHLO."""
        return self._session.helo

    @property
    def tls(self) -> str:
        """The encryption, "" if there is none."""
        return self._session.tls

    @property
    def login(self) -> str:
        """The account that the session sends for, "" if none."""
        return self._session.login

    @property
    def is_known(self) -> bool:
        """Whether what the client has to say is wanted: it has logged in, or names somebody whose
        mail is taken from everybody."""
        session = self._session
        return bool(session.login) or (session.settings.is_open and bool(session.recipients))

    @property
    def authenticated(self) -> bool:
        """Whether an AUTH succeeded."""
        return self._session.authenticated

    @property
    def refusals(self) -> list[Refusal]:
        """What was refused in this session, by the protocol itself or noted by the shell, in order,
        the first few."""
        return self._session.refusals

    @property
    def envelope(self) -> Envelope | None:
        """The envelope of the open transaction."""
        return self._session.envelope

    @property
    def recipients(self) -> list[Recipient]:
        """The recipients of the open transaction that were accepted."""
        return self._session.recipients

    @property
    def in_transaction(self) -> bool:
        """Whether a mail transaction is open."""
        return self._session.envelope is not None

    @property
    def in_content(self) -> bool:
        """Whether content is on its way, to be kept or thrown away, also between two chunks:
        other timeouts hold then (RFC 5321 4.5.3.2)."""
        session = self._session
        return session.state in _CONTENT or session.content_open or session.discard_octets > 0

    # What the shell tells

    def greet(self) -> None:
        """Queue the 220. Who talked before it is not let in."""
        session = self._session
        if self._input:
            if not refuse_tls_handshake(session, self._input):
                session.hang_up(Refusal.EARLY_TALK)
            return
        session.advance(Step.BANNER_SENT)
        session.say(greeting(session.settings.host_name))

    def set_account(self, login: str, *, size_limit_octets: int, recipient_limit: int) -> None:
        """Whose mail this is, and what that account may send: with accept() of a Login, or with
        `trust()` for a network login."""
        session = self._session
        session.login = login
        session.size_limit_octets = size_limit_octets
        session.recipient_limit = recipient_limit

    def note(self, refusal: Refusal) -> None:
        """Remember why the shell refuses, for `refusals`."""
        self._session.note(refusal)

    def trust(self) -> None:
        """MAIL is allowed without AUTH: the client's network address is its login."""
        self._session.trusted = True

    def tls_started(self, tls: str) -> None:
        """The handshake is done. RFC 3207 4.2: everything said before it is forgotten."""
        session = self._session
        session.advance(Step.TLS_ON)
        session.tls = tls
        session.forget_client()

    def shutdown(self, farewell: Reply) -> None:
        """End the session with this 421 as soon as no command or content is under way."""
        self._farewell = farewell
        self._say_farewell()

    def abort(self, farewell: Reply) -> None:
        """End the session with this reply at once, whatever is under way: time is up, say."""
        session = self._session
        if session.closing:
            return
        if session.state is not State.TLS:
            session.say(farewell.encode())
        session.close()

    def receive(self, octets: bytes) -> None:
        """Take octets of the peer. What comes of them shows in `next_event()`."""
        session = self._session
        state = session.state
        if state is _CLOSED:
            return
        if state is _TLS:
            # Plain text where the handshake was due: no reply, it would be read inside TLS.
            session.note(Refusal.INJECTED_BEFORE_TLS)
            session.close()
            return
        self._input = self._input[self._position :] + octets if self._input else octets
        self._position = 0
        if state is _BANNER:
            self._input = self._input[:2]

    def data_to_send(self) -> bytes:
        """The replies so far, as one block."""
        session = self._session
        out = session.out
        if not out:
            return b""
        session.out = []
        return out[0] if len(out) == 1 else b"".join(out)

    # Events and their answers

    def next_event(self) -> ServerEvent | None:
        """What there is to decide or to do next, None if nothing now."""
        session = self._session
        events = session.events
        while not events:
            if session.awaiting is not None:
                return None
            if self._farewell is not None:
                self._say_farewell()
            if not self._input or session.state in _NO_INPUT or not self._read():
                break
        return events.popleft() if events else None

    def accept(self, answer: Reply | None = None) -> None:
        """Answer the event positively, with this reply or the usual one. Without effect once the
        session is over."""
        session = self._session
        event = self._take_awaited()
        if isinstance(event, RcptTo):
            session.recipients.append(event.recipient)
            session.advance(_RCPT_TAKEN)
            session.out.append(_RECIPIENT_OK if answer is None else answer.encode())
        elif isinstance(event, MailFrom):
            session.envelope = event.envelope
            session.advance(_MAIL_TAKEN)
            session.out.append(_SENDER_OK if answer is None else answer.encode())
        elif isinstance(event, ContentStart):
            self._accept_content()
        elif isinstance(event, ContentEnd):
            session.errors = session.idle = 0
            session.end_transaction()
            session.out.append(_MESSAGE_TAKEN if answer is None else answer.encode())
        elif isinstance(event, Login | TokenLogin | ScramEnd):
            self._accept_login(answer)
        elif isinstance(event, StartTls):
            self._accept_tls()

    def refuse(self, answer: Reply) -> None:
        """Answer the event negatively with this reply; 421 ends the session. Without effect once
        the session is over."""
        session = self._session
        event = self._take_awaited()
        match event:
            case None:
                return
            case RcptTo():
                session.refuse_recipient(answer)
                return
            case ContentStart() if isinstance(session.reader, BdatReader):
                remaining = session.reader.remaining
                session.end_transaction()
                discard(session, remaining, answer)
                return
            case ContentStart() | ContentEnd():
                session.end_transaction()
            case Login() | TokenLogin() | ScramFirst() | ScramFinal() | ScramEnd():
                refuse_login(session, answer)
                return
            case _:
                pass
        session.refuse_with(answer)

    def challenge(self, octets: bytes) -> None:
        """Answer a ScramFirst or ScramFinal with what the server says next. Without effect once the
        session is over."""
        session = self._session
        if self._take_awaited() is None:
            return
        if self._has_input():
            session.hang_up(Refusal.EARLY_TALK)
        else:
            say_challenge(session, octets)

    def _take_awaited(self) -> ServerEvent | None:
        event = self._session.awaiting
        if event is None and not self._session.closing:
            raise LocalProtocolError("no event waits for an answer")
        self._session.awaiting = None
        return event

    def _accept_content(self) -> None:
        session = self._session
        reader = session.reader
        if isinstance(reader, BdatReader):
            begin_chunks(session, reader)
        elif self._has_input():
            # RFC 2920 3.1: DATA ends its group, so nobody knows what these octets are.
            session.content_open = True
            session.hang_up(Refusal.EARLY_TALK)
        else:
            begin_data(session)

    def _accept_login(self, answer: Reply | None) -> None:
        session = self._session
        session.exchange = None
        session.advance(Step.SASL_OVER)
        if self._has_input():
            session.hang_up(Refusal.EARLY_TALK)
            return
        session.authenticated = True
        session.say(_LOGGED_IN if answer is None else answer.encode())

    def _accept_tls(self) -> None:
        session = self._session
        if self._has_input():
            session.hang_up(Refusal.INJECTED_BEFORE_TLS)
            return
        session.end_transaction()
        session.advance(Step.TLS_BEGUN)
        session.say(_READY_FOR_TLS)

    def _say_farewell(self) -> None:
        session = self._session
        if self._farewell is None or session.closing or session.awaiting is not None:
            return
        if session.state not in _UNDER_WAY and not session.discard_octets:
            self.abort(self._farewell)

    # Input

    def _has_input(self) -> bool:
        return self._position < len(self._input)

    def _read(self) -> bool:
        """Take a line or a block from the input. False if there is nothing whole."""
        session = self._session
        reader = session.reader
        if reader is None:
            if not session.discard_octets:
                return self._read_line()
            discard_octets(session, self._take(session.discard_octets))
        elif isinstance(reader, DataReader):
            self._input = read_data(session, reader, self._take_all())
        elif session.state is _CHUNK:
            read_chunk(session, reader, self._take(reader.remaining))
        else:
            return self._read_line()
        return True

    def _take(self, limit_octets: int) -> bytes:
        """The next octets, copied once: behind a small chunk many others may wait."""
        end = self._position + limit_octets
        if end >= len(self._input):
            return self._take_all()
        octets = self._input[self._position : end]
        self._position = end
        return octets

    def _take_all(self) -> bytes:
        octets = self._input[self._position :] if self._position else self._input
        self._input = b""
        self._position = 0
        return octets

    def _read_line(self) -> bool:
        data, start = self._input, self._position
        end = data.find(b"\n", start)
        if end < 0:
            check_unfinished(self._session, data[start:])
            return False
        more = end + 1 < len(data)
        if more:
            self._position = end + 1
        else:
            self._input, self._position = b"", 0
        run_line(self._session, data[start:end], more=more)
        return True
