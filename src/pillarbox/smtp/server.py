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
from pillarbox.mail.reply import Reply, reply
from pillarbox.smtp.data import BdatReader, DataReader, Discard
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
    begin_content,
    discard,
    discard_octets,
    read_chunk,
    read_data,
)
from pillarbox.smtp.server_lines import (
    OPENING_OCTETS,
    check_unfinished,
    refuse_proxy_protocol,
    refuse_tls_handshake,
    run_line,
)
from pillarbox.smtp.server_logins import refuse_login, say_challenge
from pillarbox.smtp.server_state import TRANSITIONS, ServerSettings, Session, State, Step

__all__ = ["ServerProtocol", "ServerSettings"]

_SENDER_OK = reply(250, "2.1.0", "Sender OK").encode()
_RECIPIENT_OK = reply(250, "2.1.5", "Recipient OK").encode()
_LOGGED_IN = reply(235, "2.7.0", "Logged in").encode()
_MESSAGE_TAKEN = reply(250, "2.0.0", "Message taken").encode()
_READY_FOR_TLS = reply(220, "2.0.0", "Ready for TLS").encode()

_BANNER, _START, _TLS, _CLOSED = State.BANNER, State.START, State.TLS, State.CLOSED
_CHUNKS = State.CHUNKS
_MAIL_TAKEN, _RCPT_TAKEN = Step.MAIL_TAKEN, Step.RCPT_TAKEN
_NO_INPUT = frozenset({State.BANNER, State.TLS, State.CLOSED})
_UNDER_WAY = frozenset({State.DATA, State.CHUNK, State.TLS})


class ServerProtocol(Session):
    """One session, with the input that was not read yet. `tls` describes the encryption if it is on
    from the first octet.

    `unread` is b"" when all input was read; who knows that and that there are no `events` need not
    ask for the next one.
    """

    __slots__ = ("_farewell", "_position", "unread")

    def __init__(self, settings: ServerSettings, *, session_id: str, tls: str = "") -> None:
        super().__init__(settings, session_id=session_id, tls=tls)
        self.unread = b""
        self._position = 0
        self._farewell: Reply | None = None

    # What the shell may look at, beside the attributes of the session

    @property
    def wants_input(self) -> bool:
        """False: stop reading, there is an answer to give first."""
        return self.awaiting is None and self.state not in _NO_INPUT

    @property
    def in_transaction(self) -> bool:
        """Whether a mail transaction is open."""
        return self.envelope is not None

    @property
    def in_content(self) -> bool:
        """Whether content is on its way, to be kept or thrown away, also between two chunks:
        other timeouts hold then (RFC 5321 4.5.3.2)."""
        return self.reader is not None

    @property
    def seems_ended(self) -> bool:
        """Whether void content stands where its client, which writes bare line ends, may believe
        that it has ended it."""
        return isinstance(self.reader, DataReader) and self.reader.seems_ended

    # What the shell tells

    def greet(self) -> None:
        """Queue the 220. Who talked before it is not let in."""
        if self.unread:
            if not (
                refuse_tls_handshake(self, self.unread) or refuse_proxy_protocol(self, self.unread)
            ):
                self.hang_up(Refusal.EARLY_TALK)
            return
        self.state = TRANSITIONS[self.state][Step.BANNER_SENT]
        self.say(greeting(self.settings.host_name))

    def set_account(self, login: str, *, size_limit_octets: int, recipient_limit: int) -> None:
        """Whose mail this is, and what that account may send: with accept() of a Login, or with
        `trust()` for a network login."""
        self.login = login
        self.size_limit_octets = size_limit_octets
        self.recipient_limit = recipient_limit

    def trust(self) -> None:
        """MAIL is allowed without AUTH: the client's network address is its login."""
        self.trusted = True

    def tls_started(self, tls: str) -> None:
        """The handshake is done. RFC 3207 4.2: everything said before it is forgotten."""
        self.state = TRANSITIONS[self.state][Step.TLS_ON]
        self.tls = tls
        self.forget_client()
        self._say_farewell()

    def shutdown(self, farewell: Reply) -> None:
        """End the session with this 421 as soon as no command or content is under way."""
        self._farewell = farewell
        self._say_farewell()

    def abort(self, farewell: Reply) -> None:
        """End the session with this reply at once, whatever is under way: time is up, say."""
        if self.closing:
            return
        if self.state is not _TLS:
            self.say(farewell.encode())
        self.close()

    def time_out(self) -> None:
        """The client took too long. One that ended its content with bare line ends waits for the
        reply to it: it reads what is wrong with them, and that to come again is of no use."""
        self.lose()
        is_bare = Refusal.BARE_LINE_END is self._content_fault()
        refusal = Refusal.BARE_LINE_END if is_bare else Refusal.TIMEOUT
        self.note(Refusal.TIMEOUT)
        self.abort(refusal.reply(self.session_id))

    def lose(self) -> None:
        """The client goes, and will not read why its content is void: remember it."""
        fault = self._content_fault()
        if fault is not None:
            self.note(fault)

    def _content_fault(self) -> Refusal | None:
        reader = self.reader
        return reader.fault if isinstance(reader, DataReader | BdatReader) else None

    def receive(self, octets: bytes) -> bool:
        """Take octets of the peer. What comes of them shows in `next_event()`. False: there is an
        answer to give first, so stop reading (as `wants_input`)."""
        state = self.state
        if state is _CLOSED:
            return False
        if state is _TLS:
            # Plain text where the handshake was due: no reply, it would be read inside TLS.
            self.note(Refusal.INJECTED_BEFORE_TLS)
            self.close()
            return False
        self.unread = self.unread[self._position :] + octets if self.unread else octets
        self._position = 0
        if state is _BANNER:
            self.unread = self.unread[:OPENING_OCTETS]
            return False
        if state is _START and refuse_proxy_protocol(self, self.unread):
            return False
        return self.awaiting is None

    def data_to_send(self) -> bytes:
        """The replies so far, as one block."""
        out, self.out = self.out, b""
        return out

    # Events and their answers

    def next_event(self) -> ServerEvent | None:
        """What there is to decide or to do next, None if nothing now."""
        events = self.events
        while not events:
            if not self.unread or self.awaiting is not None or self.state in _NO_INPUT:
                return None
            reader = self.reader
            if reader is None or self.state is _CHUNKS:
                data, start = self.unread, self._position
                end = data.find(b"\n", start)
                if end < 0:
                    check_unfinished(self, data[start:])
                    break
                more = end + 1 < len(data)
                if more:
                    self._position = end + 1
                else:
                    self.unread, self._position = b"", 0
                run_line(self, data[start:end], more=more)
            elif isinstance(reader, DataReader):
                # DATA ends its group, so all that is unread is content.
                self.unread = read_data(self, reader, self.unread)
            else:
                self._read_chunk(reader)
            if self._farewell is not None:
                self._say_farewell()
        return events.popleft() if events else None

    def accept(self, answer: Reply | None = None) -> None:
        """Answer the event positively, with this reply or the usual one. Without effect once the
        session is over."""
        event, self.awaiting = self.awaiting, None
        # In order of how often they come.
        if type(event) is RcptTo:
            self.recipients.append(event.recipient)
            self.state = TRANSITIONS[self.state][_RCPT_TAKEN]
            self.out += _RECIPIENT_OK if answer is None else answer.encode()
        elif type(event) is MailFrom:
            self.envelope = event.envelope
            self.state = TRANSITIONS[self.state][_MAIL_TAKEN]
            self.out += _SENDER_OK if answer is None else answer.encode()
        elif type(event) is ContentStart:
            begin_content(self, more=bool(self.unread))
        elif type(event) is ContentEnd:
            self.errors = self.idle = 0
            self.end_transaction()
            self.out += _MESSAGE_TAKEN if answer is None else answer.encode()
        elif event is None:
            self._check_is_over()
        elif type(event) is StartTls:
            self._accept_tls()
        elif isinstance(event, Login | TokenLogin | ScramEnd):
            self._accept_login(answer)
        if self._farewell is not None:
            self._say_farewell()

    def refuse(self, answer: Reply) -> None:
        """Answer the event negatively with this reply; 421 ends the session. Without effect once
        the session is over."""
        event, self.awaiting = self.awaiting, None
        match event:
            case None:
                self._check_is_over()
            case RcptTo():
                self.refuse_recipient(answer)
            case ContentStart() if isinstance(self.reader, BdatReader):
                remaining = self.reader.remaining
                self.end_transaction()
                discard(self, remaining, answer)
            case Login() | TokenLogin() | ScramFirst() | ScramFinal() | ScramEnd():
                refuse_login(self, answer)
            case _:
                if isinstance(event, ContentStart | ContentEnd):
                    self.end_transaction()
                self.refuse_with(answer)
        self._say_farewell()

    def challenge(self, octets: bytes) -> None:
        """Answer a ScramFirst or ScramFinal with what the server says next. Without effect once the
        session is over."""
        event, self.awaiting = self.awaiting, None
        if event is None:
            self._check_is_over()
        elif self.unread:
            self.hang_up(Refusal.EARLY_TALK)
        else:
            say_challenge(self, octets)
        self._say_farewell()

    def _check_is_over(self) -> None:
        """Nothing is awaited: that is in order only behind the end."""
        if not self.closing:
            raise LocalProtocolError("no event waits for an answer")

    def _accept_login(self, answer: Reply | None) -> None:
        self.exchange = None
        self.state = TRANSITIONS[self.state][Step.SASL_OVER]
        if self.unread:
            self.hang_up(Refusal.EARLY_TALK)
            return
        self.authenticated = True
        self.say(_LOGGED_IN if answer is None else answer.encode())

    def _accept_tls(self) -> None:
        if self.unread:
            self.hang_up(Refusal.INJECTED_BEFORE_TLS)
            return
        self.end_transaction()
        self.state = TRANSITIONS[self.state][Step.TLS_BEGUN]
        self.say(_READY_FOR_TLS)

    def _say_farewell(self) -> None:
        """The last word, if it is due and nothing is under way."""
        if self._farewell is None or self.awaiting is not None or self.state in _UNDER_WAY:
            return
        if not isinstance(self.reader, Discard):
            self.abort(self._farewell)

    # Input

    def _read_chunk(self, reader: BdatReader | Discard) -> None:
        octets = self._take(reader.remaining)
        if isinstance(reader, BdatReader):
            read_chunk(self, reader, octets)
        else:
            discard_octets(self, reader, octets)

    def _take(self, limit_octets: int) -> bytes:
        """The next octets, copied once: behind a small chunk many others may wait."""
        start, end = self._position, self._position + limit_octets
        octets = self.unread[start:end]
        if end < len(self.unread):
            self._position = end
        else:
            self.unread, self._position = b"", 0
        return octets
