"""The client side of SMTP as a sans-I/O protocol (RFC 5321, 2920, 3030, 3207, 4954). Pure.

The shell writes `data_to_send()`, gives what it reads to `receive()` and waits while `is_waiting`.
What then stands in `phase` says what to do:

    HANDSHAKE  upgrade the connection, then tls_started()
    READY      the session is open: begin() a transaction, or quit()
    CONTENT    the next hop waits for content that begin() had not: content() and end_content(), or
               chunk()
    CLOSED     nothing more; `failure` says why where that was not our wish

Nothing that the server sends raises: what breaks the rules ends in CLOSED with a failure.
"""

from collections.abc import Sequence

from pillarbox.errors import LocalProtocolError, RemoteProtocolError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import Body, Envelope, Recipient
from pillarbox.smtp.client_fit import Capabilities, mail_command, rcpt_command, read_capabilities
from pillarbox.smtp.client_login import LoginDialogue, choose_login, refusal_kind, secrets_of
from pillarbox.smtp.client_opening import OPENING_FAILURES, ClientSettings
from pillarbox.smtp.client_phase import COMMAND_PHASES, DEAF, GOODBYE, STANDING, Phase
from pillarbox.smtp.client_replies import (
    GROUP_OCTETS,
    RawReply,
    ReplyParser,
    read_usual_group,
)
from pillarbox.smtp.client_results import SHUTTING_DOWN, TransactionResults
from pillarbox.smtp.client_transaction import Transaction, encode_commands
from pillarbox.smtp.data_writer import DataWriter, Pieces, whole_data

__all__ = ["SHUTTING_DOWN", "ClientProtocol", "ClientSettings"]

_READY, _MAIL, _CONTENT = Phase.READY, Phase.MAIL, Phase.CONTENT
_CONFIRMATION, _HANDSHAKE, _CLOSED = Phase.CONFIRMATION, Phase.HANDSHAKE, Phase.CLOSED

_WANTS_LOGIN = frozenset({503, 530, 538})
_UNKNOWN_COMMAND = frozenset({500, 502, 504})


class ClientProtocol(TransactionResults):
    """One session with one server."""

    def __init__(self, settings: ClientSettings, *, tls: str = "") -> None:
        """`tls`: the encryption, where the connection began with it. `transactions` and `replies`
        count what there was. `content_begun`, `content_ended`: so far the transaction came; whose
        content has ended, the server may have taken without a reply that says so. `is_verified`:
        the shell has seen that the server is who it should be."""
        self._settings = settings
        self._parser = ReplyParser()
        self._out: list[bytes] = []
        self._watch = settings.watch
        self._login = login = settings.login
        self._secrets = secrets_of(login) if login.username else None
        self._dialogue: LoginDialogue | None = None
        self._said_helo = self._needs_reset = self._by_chunks = self._has_left = False
        self._transaction = Transaction("", (), data=False, pipelining=False, reset=False)
        self._writer = DataWriter()
        self._content: Pieces = ()
        self.tls, self.is_verified = tls, False
        self.capabilities = Capabilities()
        self.phase = Phase.GREETING
        self.failure: Failure | None = None
        self.transactions = self.replies = 0
        self.content_begun = self.content_ended = False

    @property
    def is_waiting(self) -> bool:
        """Whether the next step is the server's."""
        return self.phase not in STANDING

    @property
    def is_ready(self) -> bool:
        """Whether a transaction can begin: the session is open and nothing unasked came."""
        return self.phase is _READY and self._parser.is_empty

    @property
    def is_closed(self) -> bool:
        """Whether the session is over."""
        return self.phase is _CLOSED

    def data_to_send(self) -> bytes:
        """What is to be written now; asking takes it."""
        out = self._out
        if not out:
            return b""
        self._out = []
        return out[0] if len(out) == 1 else b"".join(out)

    # -- what comes in ------------------------------------------------------------------------

    def receive(self, octets: bytes) -> None:
        """Take what was read. Never raises for what the server sends."""
        parser, unsent = self._parser, len(self._out)
        if self.phase is _MAIL and parser.is_empty and self._take_usual(octets):
            return
        try:
            parser.feed(octets)
            while not parser.is_empty and self.phase not in DEAF and (raw := parser.next_reply()):
                self.replies += 1
                if self._watch is not None:
                    self._watch(raw)
                # What one reply makes us say has not left yet, so the next one can not be about it.
                take = self._take if len(self._out) == unsent else self._take_unasked
                take(raw)
            if self.phase is _CONTENT and self._content:
                # Behind the loop: no reply that is here already can be one to the content.
                self._send_whole()
        except RemoteProtocolError as exc:
            self._fail(Failure(FailureKind.PROTOCOL_BROKEN, str(exc)))
            return
        if self.phase is _HANDSHAKE and not parser.is_empty:
            # What came in the clear behind the 220 would count as said under TLS.
            self._fail(Failure(FailureKind.TLS_INJECTED))

    def _take_usual(self, octets: bytes) -> bool:
        """Take the replies to a whole group of commands where all were taken."""
        if len(octets) > GROUP_OCTETS or self._watch is not None:
            return False
        raws = read_usual_group(octets)
        if raws is None or not self._transaction.take_usual(raws):
            return False
        self.replies += len(raws)
        if self._content:
            self._send_whole()
        else:
            self._begin_content()
        return True

    def _send_whole(self) -> None:
        self._out.append(whole_data(self._content))
        self._content = ()
        self.content_begun = self.content_ended = True
        self.phase = _CONFIRMATION

    def _take(self, raw: RawReply) -> None:
        match self.phase:
            case Phase.CONFIRMATION:
                self._take_confirmation(raw)
            case Phase.MAIL | Phase.RCPT | Phase.DATA:
                self._take_envelope(raw)
            case Phase.GREETING | Phase.HELLO | Phase.STARTTLS | Phase.LOGIN:
                self._take_opening(raw)
            case Phase.CONTENT:
                self._take_early(raw)
            case Phase.ABANDON:
                self._end_transaction(is_clean=True)
                self._heed_shutdown(raw)
            case Phase.RESET | Phase.PROOF:
                self._take_proof(raw)
            case Phase.QUIT:
                self.phase = Phase.CLOSED
            case _:
                self._take_unasked(raw)

    def _take_unasked(self, raw: RawReply) -> None:
        if not self._heed_shutdown(raw):
            self._transaction.lose_step(raw)
            raise RemoteProtocolError(f"the reply {raw.code} to no command")

    def _heed_shutdown(self, raw: RawReply) -> bool:
        if raw.code != SHUTTING_DOWN:
            return False
        self._fail(Failure(FailureKind.SHUT_DOWN, said=self._reply(raw)))
        return True

    def connection_lost(self) -> None:
        """The connection is gone."""
        self._cut(FailureKind.CONNECTION_LOST, "the connection was lost")

    def timed_out(self) -> None:
        """The server took too long; the shell drops the connection."""
        self._cut(FailureKind.REPLY_TIMED_OUT, "it took too long")

    def _cut(self, kind: FailureKind, why: str) -> None:
        phase = self.phase
        if phase in GOODBYE:
            self.phase = Phase.CLOSED
        elif phase is Phase.CONFIRMATION and self.content_ended:
            self._fail(Failure(FailureKind.CONFIRMATION_LOST, why))
        elif phase is not Phase.CLOSED:
            self._fail(Failure(kind, phase.value))

    def handshake_failed(self, failure: Failure) -> None:
        """TLS could not be started; the shell drops the connection."""
        self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        self.phase = Phase.CLOSED
        self.failure = failure
        self._out.clear()

    def _leave(self, failure: Failure) -> None:
        """Fail where the session itself is in order. RFC 5321 section 4.1.1.10: "the SMTP client
        MUST NOT intentionally close the transmission channel until it sends a QUIT"."""
        self._fail(failure)
        self._out.append(b"QUIT\r\n")

    # -- opening the session ------------------------------------------------------------------

    def _take_opening(self, raw: RawReply) -> None:
        phase, code = self.phase, raw.code
        if phase is Phase.LOGIN:
            self._take_login(raw)
        elif code >= 400:
            self._refused_opening(raw)
        elif code >= 300:
            raise RemoteProtocolError(f"the reply {code} while {phase.value}")
        elif phase is Phase.GREETING:
            self._say_hello("EHLO")
        elif phase is Phase.STARTTLS:
            self.phase = Phase.HANDSHAKE
        else:
            if not self._said_helo:
                self.capabilities = read_capabilities(raw.lines)
            self._secure()

    def _refused_opening(self, raw: RawReply) -> None:
        settings = self._settings
        knows_no_ehlo = self.phase is Phase.HELLO and raw.code >= 500 and not self._said_helo
        demands_tls = settings.starttls and not settings.opportunistic
        # RFC 5321 3.2: "a client ... SHOULD ... fall back to HELO" where EHLO is refused for good.
        if knows_no_ehlo and not demands_tls and not settings.username:
            self._said_helo = True
            self._say_hello("HELO")
        elif knows_no_ehlo and demands_tls and raw.code in _UNKNOWN_COMMAND:
            self._leave(Failure(FailureKind.TLS_MISSING))
        else:
            self._leave(Failure(OPENING_FAILURES[self.phase], said=self._reply(raw)))

    def _say_hello(self, verb: str) -> None:
        self.phase = Phase.HELLO
        self._out.append(encode_commands([f"{verb} {self._settings.helo_name}\r\n"]))

    def _secure(self) -> None:
        if self.tls or not self._settings.starttls:
            self._log_in()
        elif self.capabilities.starttls:
            self.phase = Phase.STARTTLS
            self._out.append(b"STARTTLS\r\n")
        elif self._settings.may_go_clear:
            self._log_in()
        else:
            self._leave(Failure(FailureKind.TLS_MISSING))

    def tls_started(self, tls: str) -> None:
        """The handshake is done. RFC 3207 section 4.2: "The client MUST discard any knowledge
        obtained from the server" before it; EHLO is said again."""
        if self.phase is not Phase.HANDSHAKE:
            raise LocalProtocolError(f"TLS was started in phase {self.phase.name}")
        self.tls = tls
        self.capabilities = Capabilities()
        self._say_hello("EHLO")

    def _log_in(self) -> None:
        if not self._login.username:
            self.phase = Phase.READY
            return
        offered = self.capabilities.mechanisms
        dialogue = choose_login(offered, self._login)
        if dialogue is None:
            listed = " ".join(offered)[:200] or "none"
            self._leave(Failure(FailureKind.LOGIN_NOT_OFFERED, listed))
            return
        self._dialogue = dialogue
        self.phase = Phase.LOGIN
        self._out.append(dialogue.command)

    def _take_login(self, raw: RawReply) -> None:
        dialogue = self._dialogue
        if raw.code >= 400 or dialogue is None:
            kind = refusal_kind(raw.code, self._login)
            self._leave(Failure(kind, said=self._reply(raw)))
        elif raw.code < 300:
            dialogue.finish()
            self.phase = Phase.READY
        else:
            self._out.append(dialogue.answer(b"".join(raw.lines)) + b"\r\n")

    # -- a transaction ------------------------------------------------------------------------

    def begin(
        self,
        envelope: Envelope,
        recipients: Sequence[Recipient],
        *,
        size: int,
        whole: Pieces = (),
        chunked: bool = False,
    ) -> None:
        """Offer a message of `size` octets whose `envelope` was made to fit (smtp.client_fit). Its
        `whole` content leaves at once after the 354; `chunked` content goes by BDAT, as binary
        content does. Without recipients: only the sender."""
        if self.phase is not _READY:
            raise LocalProtocolError(f"a transaction was begun in phase {self.phase.name}")
        capabilities = self.capabilities
        self._by_chunks = chunked or envelope.body is Body.BINARY
        self.content_begun = self.content_ended = False
        self._content = () if self._by_chunks else whole
        self._transaction = Transaction(
            mail_command(capabilities, envelope, size_octets=size),
            [rcpt_command(capabilities, each, smtputf8=envelope.smtputf8) for each in recipients],
            data=bool(recipients) and not self._by_chunks,
            pipelining=capabilities.pipelining,
            reset=self._needs_reset,
        )
        self.transactions += 1
        self.phase = _MAIL
        self._out.append(encode_commands(self._transaction.next_group()))

    def _take_envelope(self, raw: RawReply) -> None:
        transaction = self._transaction
        transaction.take(raw)
        if raw.code == SHUTTING_DOWN:
            self._heed_shutdown(raw)
        elif transaction.is_waiting:
            self.phase = COMMAND_PHASES[transaction.next_command]
        else:
            self._proceed()

    def _proceed(self) -> None:
        """All that was sent has its reply: send the next commands, or come to an end."""
        transaction = self._transaction
        if group := transaction.next_group():
            self._out.append(encode_commands(group))
            self.phase = COMMAND_PHASES[transaction.next_command]
        elif transaction.must_end_data:
            self._out.append(b".\r\n")
            self.phase = Phase.ABANDON
        elif transaction.may_send_content:
            self._begin_content()
        else:
            self._end_refused()

    def _begin_content(self) -> None:
        self._writer = DataWriter()
        self.content_begun, self._has_left = True, False
        self.phase = _CONTENT

    def _end_refused(self) -> None:
        mail = self._transaction.mail_reply
        # It is the session that is refused here, not this message.
        if mail is not None and mail.code in _WANTS_LOGIN:
            self._leave(Failure(FailureKind.LOGIN_NEEDED, said=self._reply(mail)))
        else:
            self._end_transaction(is_clean=False)

    def content(self, block: bytes) -> bytes:
        """The octets to write for a block of content after DATA."""
        self._has_left = True
        return self._writer.feed(block)

    def end_content(self) -> bytes:
        """The octets that end DATA; the confirmation is awaited then."""
        if self.phase is Phase.CONTENT:
            self.phase = Phase.CONFIRMATION
            self.content_ended = True
        return self._writer.end()

    def chunk(self, block: bytes, *, last: bool) -> list[bytes]:
        """The octets to write for a block of content as BDAT (RFC 3030); its reply is awaited."""
        self.content_ended, self._has_left = last, True
        self.phase = Phase.CONFIRMATION
        return [b"BDAT %d%b\r\n" % (len(block), b" LAST" if last else b""), block]

    def _take_confirmation(self, raw: RawReply) -> None:
        if 300 <= raw.code < 400:
            raise RemoteProtocolError(f"the reply {raw.code} to the content")
        if self._by_chunks and raw.code < 300 and not self.content_ended:
            self.phase = _CONTENT
            return
        self._transaction.final_reply = raw
        # After a refused chunk the transaction still stands at the server (RFC 3030 section 2).
        self._needs_reset = self._by_chunks and raw.code >= 300
        self.phase = _READY
        if raw.code == SHUTTING_DOWN:
            self._heed_shutdown(raw)

    def _take_early(self, raw: RawReply) -> None:
        """A reply before the content is complete: a refusal can be believed, nothing else, and
        that only where it can be one of the content."""
        if raw.code < 400 or not (self._has_left or raw.code == SHUTTING_DOWN):
            self._transaction.lose_step(raw)
            raise RemoteProtocolError(f"the reply {raw.code} before the content was complete")
        self._transaction.final_reply = raw
        self._fail(Failure(FailureKind.SHUT_DOWN, said=self._reply(raw)))

    def _end_transaction(self, *, is_clean: bool) -> None:
        self._needs_reset = not is_clean
        self.phase = _READY

    def quit(self) -> None:
        """Say good-bye; the server's answer, whatever it is, ends the session."""
        if self.phase is Phase.READY:
            self.phase = Phase.QUIT
            self._out.append(b"QUIT\r\n")
