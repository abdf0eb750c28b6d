"""One connection to the SMTP server for tests: the shell around the protocol core."""

import asyncio
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from pillarbox.emulate.faults import Action, Faults, Stage
from pillarbox.emulate.streams import Stream
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import Reply, ReplyClass, split_enhanced
from pillarbox.smtp.events import (
    Content,
    ContentAbort,
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
from pillarbox.smtp.sasl_mechanisms import PASSWORD_MECHANISMS, SCRAM_MECHANISMS, TOKEN_MECHANISMS
from pillarbox.smtp.server import ServerProtocol, ServerSettings
from pillarbox.testing.inbox import Inbox
from pillarbox.testing.received import Received
from pillarbox.testing.scram import ScramProof

IDLE_SECONDS = 300.0

_GREETINGS = (b"EHLO", b"HELO")


class CutError(ConnectionError):
    """The connection is to end here and now."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the server behaves.

    `accounts` are passwords by user name, `tokens` those of OAuth2. A login is only offered where
    the connection is encrypted. `starttls` False offers none on the plain port; `require_tls`
    takes no mail without TLS, `require_login` none without a login.
    """

    host_name: str = "mail.example.com"
    starttls: bool = True
    require_tls: bool = False
    require_login: bool = False
    accounts: Mapping[str, str] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)
    mechanisms: tuple[str, ...] = (*PASSWORD_MECHANISMS, *SCRAM_MECHANISMS, *TOKEN_MECHANISMS)
    size_limit_octets: int = 35 * 1024 * 1024
    recipient_limit: int = 100

    @property
    def core_settings(self) -> ServerSettings:
        """The same for the protocol core."""
        return ServerSettings(
            host_name=self.host_name,
            size_limit_octets=self.size_limit_octets,
            recipient_limit=self.recipient_limit,
            starttls=self.starttls,
            require_tls=self.require_tls,
            login_mechanisms=self.mechanisms,
        )


@dataclass(frozen=True, slots=True)
class House:
    """What all connections of a server share."""

    options: Options
    inbox: Inbox
    faults: Faults
    context: ssl.SSLContext


class Session:
    """One connection, from the greeting to its end."""

    def __init__(self, house: House, stream: Stream) -> None:
        self._house = house
        self._stream = stream
        self._id = secrets.token_hex(6)
        self._core = ServerProtocol(
            house.options.core_settings, session_id=self._id, tls=stream.tls
        )
        if not house.options.require_login:
            self._core.trust()
        self._content: list[bytes] = []
        self._mechanism = ""
        self._scram_user = ""
        self._proof: ScramProof | None = None

    async def run(self) -> None:
        """Serve the connection to its end. Raises OSError where the client goes away."""
        core = self._core
        try:
            await self._greet()
            while not core.closing:
                async with asyncio.timeout(IDLE_SECONDS):
                    octets = await self._stream.read()
                if not octets:
                    return
                await self._take(octets)
                await self._flush()
            await self._stream.close()
        except (TimeoutError, CutError):
            self._stream.cut()

    async def _greet(self) -> None:
        fault = await self._fault(Stage.CONNECT)
        self._core.greet()
        if fault is not None:
            self._core.data_to_send()
            self._core.abort(fault)
        await self._flush()

    async def _take(self, octets: bytes) -> None:
        core = self._core
        # The core asks nobody about a greeting. It comes alone: EHLO ends its group.
        if not core.in_content and octets[:4].upper() in _GREETINGS:
            fault = await self._fault(Stage.EHLO)
            if fault is not None:
                await self._say(fault)
                return
        core.receive(octets)
        while (event := core.next_event()) is not None:
            await self._act(event)

    async def _say(self, reply: Reply) -> None:
        """Answer what the core has not seen."""
        if reply.code == 421:
            self._core.abort(reply)
        else:
            await self._stream.write(reply.encode())

    async def _flush(self) -> None:
        await self._stream.write(self._core.data_to_send())

    async def _act(self, event: ServerEvent) -> None:
        match event:
            case StartTls():
                await self._start_tls()
            case Login() | TokenLogin() | ScramFirst() | ScramFinal() | ScramEnd():
                await self._log_in(event)
            case MailFrom():
                path = event.envelope.reverse_path
                self._answer(await self._fault(Stage.MAIL, path.address if path else ""))
            case RcptTo():
                address = event.recipient.forward_path.address
                self._answer(await self._fault(Stage.RCPT, address))
            case ContentStart():
                self._content.clear()
                self._answer(await self._fault(Stage.DATA))
            case Content(octets):
                self._content.append(octets)
            case ContentAbort():
                self._content.clear()
            case ContentEnd():
                await self._end_content()
            case _:
                pass

    def _answer(self, fault: Reply | None) -> None:
        if fault is None or fault.category is ReplyClass.POSITIVE:
            self._core.accept(fault)
        else:
            self._core.refuse(fault)

    async def _start_tls(self) -> None:
        fault = await self._fault(Stage.STARTTLS)
        if fault is not None:
            self._core.refuse(fault)
            return
        self._stream.pause()
        self._core.accept()
        await self._flush()
        if self._core.closing:
            return
        await self._stream.upgrade(self._house.context)
        self._core.tls_started(self._stream.tls)

    # AUTH

    async def _log_in(self, event: Login | TokenLogin | ScramFirst | ScramFinal | ScramEnd) -> None:
        match event:
            case Login(shown):
                password = self._house.options.accounts.get(shown.username)
                is_right = password is not None and password == shown.password
                await self._judge(shown.mechanism, shown.username, is_right=is_right)
            case TokenLogin(shown):
                token = self._house.options.tokens.get(shown.username)
                is_right = token is not None and token == shown.token
                await self._judge(shown.mechanism, shown.username, is_right=is_right)
            case ScramFirst(username, message):
                password = self._house.options.accounts.get(username, secrets.token_hex(16))
                self._scram_user = username
                self._proof = ScramProof(message, password)
                self._core.challenge(self._proof.challenge())
            case ScramFinal(message):
                signature = self._proof.signature(message) if self._proof else None
                if signature is None:
                    self._core.refuse(Refusal.LOGIN_FAILED.reply(self._id))
                else:
                    self._core.challenge(signature)
            case ScramEnd():
                await self._judge(SCRAM_MECHANISMS[0], self._scram_user, is_right=True)

    async def _judge(self, mechanism: str, username: str, *, is_right: bool) -> None:
        fault = await self._fault(Stage.AUTH, username)
        core, options = self._core, self._house.options
        if fault is not None:
            core.refuse(fault)
        elif not is_right:
            is_token = mechanism in TOKEN_MECHANISMS
            refusal = Refusal.TOKEN_REFUSED if is_token else Refusal.LOGIN_FAILED
            core.refuse(refusal.reply(self._id))
        else:
            self._mechanism = mechanism
            core.set_account(
                username,
                size_limit_octets=options.size_limit_octets,
                recipient_limit=options.recipient_limit,
            )
            core.accept()

    # The message

    async def _end_content(self) -> None:
        fault = await self._fault(Stage.CONTENT)
        if fault is not None:
            self._content.clear()
            self._answer(fault)
            return
        self._house.inbox.put(self._received())
        self._answer(await self._fault(Stage.TAKEN))

    def _received(self) -> Received:
        core = self._core
        envelope = core.envelope
        path = envelope.reverse_path if envelope else None
        raw = b"".join(self._content)
        self._content.clear()
        return Received(
            raw=raw,
            sender=path.address if path else "",
            recipients=tuple(r.forward_path.address for r in core.recipients),
            login=core.login if core.authenticated else "",
            mechanism=self._mechanism if core.authenticated else "",
            tls=self._stream.tls,
            helo=core.helo,
            envelope=envelope,
            envelope_recipients=tuple(core.recipients),
        )

    # Faults

    async def _fault(self, stage: Stage, only: str = "") -> Reply | None:
        """The reply that a fault gives instead of the usual one. Raises CutError where it cuts."""
        fault = self._house.faults.take("smtp", stage, mailbox=only)
        if fault is None:
            return None
        match fault.action:
            case Action.REPLY:
                enhanced, text = split_enhanced(fault.reply[4:])
                return Reply(int(fault.reply[:3]), enhanced, (text,))
            case Action.DELAY:
                await asyncio.sleep(fault.seconds)
                return None
            case Action.HANG:
                await self._flush()
                while await self._stream.read():
                    pass
        raise CutError("ordered")
