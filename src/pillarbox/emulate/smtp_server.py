"""smtp.office365.com: the shell around the protocol core, one object for each connection.

Lines go to the core one at a time, so that AUTH, which the core would take otherwise, can be taken
here (emulate.smtp_login); content goes to it as it comes.
"""

import asyncio
import secrets
import ssl

from pillarbox.emulate import smtp_login
from pillarbox.emulate.faults import Action, Fault, Stage
from pillarbox.emulate.headers import read_addresses
from pillarbox.emulate.messages import Arrival, MailboxStatistics
from pillarbox.emulate.replies import REPLIES, Place
from pillarbox.emulate.rules import Principal, check_password, check_token, may_send_as
from pillarbox.emulate.smtp_voice import ANNOUNCED_OCTETS, Voice
from pillarbox.emulate.streams import Stream
from pillarbox.emulate.submission import judge, take
from pillarbox.emulate.world import World
from pillarbox.mail.reply import Reply, ReplyClass, split_enhanced
from pillarbox.smtp.events import (
    Content,
    ContentAbort,
    ContentEnd,
    ContentStart,
    MailFrom,
    RcptTo,
    ServerEvent,
    StartTls,
)
from pillarbox.smtp.server import ServerProtocol, ServerSettings

IDLE_SECONDS = 300.0
LINE_OCTETS = 16_384
"""A token in base64 fits; a longer line ends the session."""

_OLD_TLS = frozenset({"TLSv1", "TLSv1.1"})
_TLS_BEGINS = b"\x16\x03"


class CutError(ConnectionError):
    """The connection is to end here and now."""


class SmtpSession:
    """One session. `context` is for its handshake."""

    def __init__(self, world: World, context: ssl.SSLContext, stream: Stream) -> None:
        self._world = world
        self._context = context
        self._stream = stream
        host, session_id = world.config.host_name, secrets.token_hex(8).upper()
        self._voice = Voice(Place(host, session_id, world.now()), stream.address)
        settings = ServerSettings(
            host_name=host,
            size_limit_octets=ANNOUNCED_OCTETS,
            recipient_limit=world.limits.recipients_a_message,
            line_limit_octets=LINE_OCTETS,
            # AUTH is taken here before the core sees it.
            login_mechanisms=(),
        )
        self._core = ServerProtocol(settings, session_id=session_id)
        self._input = b""
        self._content: list[bytes] = []
        self._exchange: smtp_login.Exchange | None = None
        self._principal: Principal | None = None
        self._statistics: MailboxStatistics | None = None

    async def run(self) -> None:
        """Serve the connection to its end. Raises OSError where the client goes away."""
        try:
            await self._greet()
            while not self._core.closing:
                async with asyncio.timeout(IDLE_SECONDS):
                    octets = await self._stream.read()
                if not octets:
                    return
                self._input += octets
                while self._input and not self._core.closing and await self._take():
                    await self._flush()
                await self._flush()
            self._leave()
            await self._stream.close()
        except (TimeoutError, CutError):
            self._stream.cut()
        finally:
            self._leave()

    def _leave(self) -> None:
        """The mailbox has one connection less."""
        if self._statistics is not None:
            self._statistics.sessions.remove(self)
            self._statistics = None

    # Input

    async def _greet(self) -> None:
        fault = await self._fault(Stage.CONNECT)
        self._core.greet()
        self._core.data_to_send()
        if fault is not None:
            self._core.abort(fault)
            await self._flush()
        else:
            await self._stream.write(self._voice.greeting(self._world.now()))

    async def _take(self) -> bool:
        """Take content, or one line, from the input. False where its end has not come."""
        core = self._core
        if core.in_content:
            octets, self._input = self._input, b""
            await self._feed(octets)
            return True
        end = self._input.find(b"\n") + 1
        if end == 0:
            if self._input.startswith(_TLS_BEGINS) or len(self._input) > LINE_OCTETS:
                await self._feed(self._input)
            return False
        line, self._input = self._input[:end], self._input[end:]
        await self._take_line(line)
        return True

    async def _take_line(self, line: bytes) -> None:
        verb, _, argument = line.strip().decode("latin-1").partition(" ")
        verb = verb.upper()
        if self._core.tls in _OLD_TLS and self._switch("tls_legacy") == "refuse":
            self._core.abort(self._named("tls-too-old"))
        elif self._exchange is not None:
            await self._go_on(self._exchange, line.strip().decode("latin-1"))
        elif verb == "AUTH":
            await self._auth(argument)
        elif verb in ("EHLO", "HELO") and (fault := await self._fault(Stage.EHLO)):
            await self._say(fault)
        else:
            await self._feed(line)

    async def _feed(self, octets: bytes) -> None:
        self._core.receive(octets)
        while (event := self._core.next_event()) is not None:
            await self._act(event)

    async def _flush(self) -> None:
        said = self._core.data_to_send()
        await self._stream.write(self._voice.say(said, encrypted=bool(self._core.tls)))

    async def _say(self, reply: Reply) -> None:
        """Answer what the core has not seen."""
        if reply.code == 421:
            self._core.abort(reply)
        else:
            await self._stream.write(reply.encode())

    def _named(self, name: str, **facts: str) -> Reply:
        return self._voice.named(name, self._world.now(), **facts)

    def _switch(self, name: str) -> str:
        targets = self._principal.owner.targets if self._principal else ()
        return self._world.switches.get(name, *targets)

    # AUTH

    async def _auth(self, argument: str) -> None:
        core = self._core
        if not core.tls:
            await self._say(self._named("mechanism"))
        elif self._principal is not None or core.in_transaction or not core.helo:
            await self._say(self._named("sequence"))
        else:
            exchange = smtp_login.Exchange()
            await self._step(exchange, exchange.start(argument))

    async def _go_on(self, exchange: smtp_login.Exchange, line: str) -> None:
        if line == "*":
            await self._step(exchange, smtp_login.Refused("arguments"))
        else:
            await self._step(exchange, exchange.answer(line))

    async def _step(self, exchange: smtp_login.Exchange, outcome: smtp_login.Outcome) -> None:
        self._exchange = None
        match outcome:
            case smtp_login.Asked(text):
                self._exchange = exchange
                await self._stream.write(f"334 {text}\r\n".encode("ascii"))
            case smtp_login.Refused(name):
                await self._say(self._named(name))
            case smtp_login.Presented():
                await self._log_in(outcome)

    async def _log_in(self, shown: smtp_login.Presented) -> None:
        fault = await self._fault(Stage.AUTH, mailbox=shown.username)
        if fault is not None:
            self._voice.failed_login = fault
            await self._say(fault)
            return
        check = check_token if shown.mechanism == "XOAUTH2" else check_password
        principal = check(self._world, shown.username, shown.secret)
        if isinstance(principal, str):
            self._voice.failed_login = self._named(principal)
            await self._say(self._voice.failed_login)
            return
        self._principal = principal
        address, limits = principal.owner.mailbox.address, self._world.limits
        self._statistics = self._world.statistics[address]
        self._statistics.connected(self)
        self._core.trust()
        self._core.set_account(
            address,
            size_limit_octets=min(limits.message_octets, ANNOUNCED_OCTETS),
            recipient_limit=limits.recipients_a_message,
        )
        await self._say(self._named("logged-in"))

    # Events of the core

    async def _act(self, event: ServerEvent) -> None:
        match event:
            case StartTls():
                await self._start_tls()
            case MailFrom():
                await self._mail(event)
            case RcptTo():
                self._answer(await self._fault(Stage.RCPT) or self._named("recipient-ok"))
            case ContentStart():
                self._content.clear()
                fault = await self._fault(Stage.DATA)
                if fault is None:
                    self._core.accept()
                else:
                    self._answer(fault)
            case Content(octets):
                self._content.append(octets)
            case ContentAbort():
                self._content.clear()
            case ContentEnd():
                await self._content_end()
            case _:
                pass

    def _answer(self, reply: Reply) -> None:
        if reply.category is ReplyClass.POSITIVE:
            self._core.accept(reply)
        else:
            self._core.refuse(reply)

    async def _start_tls(self) -> None:
        fault = await self._fault(Stage.STARTTLS)
        if fault is not None:
            self._core.refuse(fault)
            return
        if self._input:
            raise CutError("there were octets behind STARTTLS")
        self._stream.pause()
        self._core.accept()
        await self._flush()
        await self._stream.upgrade(self._context)
        self._core.tls_started(self._stream.tls)

    async def _mail(self, event: MailFrom) -> None:
        fault = await self._fault(Stage.MAIL)
        path, principal = event.envelope.reverse_path, self._principal
        if fault is not None:
            self._answer(fault)
        elif (
            path is not None
            and principal is not None
            and self._switch("send_as_refusal") == "mail"
            and not may_send_as(self._world, principal.owner, path.key)
        ):
            self._core.refuse(self._named("send-as-mail"))
        else:
            self._core.accept(self._named("sender-ok"))

    async def _content_end(self) -> None:
        fault = await self._fault(Stage.CONTENT)
        principal, statistics = self._principal, self._statistics
        if fault is not None or principal is None or statistics is None:
            self._answer(fault or self._named("not-logged-in"))
            return
        arrival = self._arrival(principal)
        addresses = read_addresses(arrival.raw)
        if statistics.sessions.index(self) >= self._world.limits.smtp_connections:
            statistics.refused += 1
            self._core.refuse(self._named("many-connections"))
            return
        denial = judge(self._world, principal.owner, arrival, addresses)
        if denial is not None:
            statistics.refused += 1
            facts = {"login": principal.login, "sender": denial.address}
            self._core.refuse(self._named(denial.name, **facts))
            return
        message = await take(self._world, principal.owner, arrival, addresses)
        # Until the answer is out nobody knows of the message.
        message.is_answered = False
        fault = await self._fault(Stage.TAKEN)
        message.is_answered = fault is None or fault.category is ReplyClass.POSITIVE
        message_id = f"{message.id:016x}@{self._world.config.host_name}"
        self._answer(fault or self._named("taken", message_id=message_id))

    def _arrival(self, principal: Principal) -> Arrival:
        core = self._core
        path = core.envelope.reverse_path if core.envelope else None
        raw = b"".join(self._content)
        self._content.clear()
        return Arrival(
            way="smtp",
            mailbox=principal.owner.mailbox.address,
            login=principal.login,
            mechanism=principal.mechanism,
            sender=path.key if path else "",
            recipients=tuple(r.forward_path.address for r in core.recipients),
            raw=raw,
            received_at=self._world.clock(),
            app_id=principal.app_id,
            tls=core.tls,
        )

    # Faults

    async def _fault(self, stage: Stage, *, mailbox: str = "") -> Reply | None:
        """The reply that a fault gives instead of the usual one. Raises CutError where it cuts."""
        if not mailbox and self._principal is not None:
            mailbox = self._principal.owner.mailbox.address
        fault = self._world.faults.take("smtp", stage, mailbox=mailbox)
        if fault is None:
            return None
        match fault.action:
            case Action.REPLY:
                return self._reply_of(fault)
            case Action.DELAY:
                await asyncio.sleep(fault.seconds)
                return None
            case Action.HANG:
                while await self._stream.read():
                    pass
        raise CutError("ordered")

    def _reply_of(self, fault: Fault) -> Reply:
        if fault.reply in REPLIES:
            login = self._principal.login if self._principal else ""
            facts = dict.fromkeys(("sender", "recipient", "message_id"), "")
            return self._named(fault.reply, login=login, **facts)
        enhanced, text = split_enhanced(fault.reply[4:])
        return Reply(int(fault.reply[:3]), enhanced, (text,))
