"""One connection: the shell that moves octets between a transport and the protocol core.

Each time octets come it feeds the core, lets the dialogue answer what is asked, and writes all
replies in one piece (some clients take one TLS record for one reply). Nothing here waits: what
takes time calls `proceed` when it is done, so a session costs no task of its own. One deadline
stands at any time; the listener looks at it once a second.
"""

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.refusals import Refusal
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.policy.authenticate import Grant
from pillarbox.policy.denial import Denial
from pillarbox.policy.source import plain_address
from pillarbox.reception.deadlines import BLOCK_OCTETS, Deadline
from pillarbox.reception.dialogue import Dialogue
from pillarbox.reception.encryption import Encryption
from pillarbox.reception.handshake import HandshakeError, agreed
from pillarbox.reception.own_look import client_of
from pillarbox.reception.registry import Admission, Registry
from pillarbox.reception.returns_dialogue import ReturnsDialogue, dialogue_for
from pillarbox.reception.services import Door
from pillarbox.reception.sessions import Story
from pillarbox.reception.wrong_port import WrongPorts
from pillarbox.route import TlsMode
from pillarbox.smtp.server import ServerProtocol

ROUND_EVENTS = 200
"""So much is decided for one client, then others get their turn."""

LINGER_SECONDS = 0.5
"""After an error input is thrown away for this long: a connection that is closed while octets
arrive is reset, and the reset takes the reply with it."""


class Connection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        *("_core", "_deadline", "_dialogue", "_door", "_early", "_handshake", "_has_more"),
        *("_in_round", "_is_closing", "_is_ended", "_is_eof", "_is_paused", "_is_shaking"),
        *("_is_stopping", "_registry", "_story", "_transport", "_write_paused", "_wrong_ports"),
        "source",
    )

    def __init__(self, door: Door, registry: Registry, wrong_ports: WrongPorts) -> None:
        self._door = door
        self._registry = registry
        self._wrong_ports = wrong_ports
        self._transport: asyncio.Transport | None = None
        self._core: ServerProtocol | None = None
        self._dialogue: Dialogue | ReturnsDialogue | None = None
        self._early = b""
        self._handshake: Encryption | None = None
        self._has_more = self._in_round = self._is_closing = self._is_ended = self._is_eof = False
        self._is_paused = self._is_shaking = self._is_stopping = self._write_paused = False
        self.source = ""
        services = door.services
        self._deadline = Deadline(services.limits, services.clock)
        now = services.clock.timestamp()
        self._story = Story(
            services.ids.next_id(now), door.listener.name, "", now, services.clock.seconds()
        )

    # What the event loop tells

    def accepted(self, accepted: socket.socket, address: str) -> None:
        """A client has connected to a listener with TLS from the first octet."""
        if not self._admit(address):
            accepted.close()
        elif not self._door.services.handshakes.may_begin(self._story.address):
            # Nothing can be said before TLS, and TLS is what there is too much of.
            accepted.close()
            self._story.refusals.append(Refusal.TOO_MANY_HANDSHAKES)
            self._end("")
        else:
            self._deadline.expect_hello()
            self._shake().begin_on(accepted, self._story.text_id)

    # Transports of uvloop are not of this class but do the same.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected, or has finished its handshake."""
        if self._is_ended:
            transport.abort()
            return
        self._transport = transport
        if self._is_shaking:
            self._is_shaking, self._handshake = False, None
            tls = agreed(transport)
            if self._door.listener.tls is not TlsMode.TLS:
                tls = self._wrong_ports.settle(self.source, tls, self._door, self._story)
            self._begin(tls)
            return
        address = client_of(transport)
        if address and self._admit(address):
            taken = self._wrong_ports.take_over(self._transport, self.source, self._door)
            if taken is None:
                self._begin("")
            else:
                self._transport = None
                self._shake().begin_if_it_comes(taken, self._story.address)
        else:
            self._is_ended = True
            self._transport.abort()

    def _admit(self, address: str) -> bool:
        self._story.address = plain_address(address)
        return self._registry.admit(self, self._story.address) is not Admission.DROPPED

    def data_received(self, data: bytes) -> None:
        """Octets came."""
        core = self._core
        if core is None or self._is_shaking:
            # Inside TLS, before the end of its handshake has been noticed here.
            self._early += data
            return
        if self._is_closing:
            return
        if core.reader is not None:
            self._deadline.hear(len(data))
        if not core.receive(data):
            # It keeps these, but no more.
            self._pause()
        self.proceed()

    def eof_received(self) -> bool:
        """The client has ended its side, and may read on: it gets the answer that it waits for.
        Of TLS both event loops end both sides at once."""
        core, self._is_eof = self._core, True
        return core is not None and core.awaiting is not None and not core.tls

    def pause_writing(self) -> None:
        """The client does not read its replies: then it gets no more of them."""
        self._write_paused = True
        self._pause()

    def resume_writing(self) -> None:
        """It has read some."""
        self._write_paused = False
        self.proceed()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; behind the last reply clients may leave as they like."""
        has_broken = exc is not None and not self._is_closing
        self._end(f"the connection broke: {type(exc).__name__}" if has_broken else "")

    # What the listener tells

    @property
    def deadline(self) -> float:
        """The time (of the services' clock) at which `expire` is due."""
        core, deadline = self._core, self._deadline
        if core is not None and deadline.moved_at is not None:
            deadline.move(in_content=core.in_content)
        return deadline.due(seems_ended=core is not None and core.seems_ended)

    def expire(self) -> None:
        """The deadline has passed."""
        core = self._core
        if core is None and self._handshake is not None:
            # The handshake has a timeout of its own.
            self._deadline.stop()
            self._handshake.break_silence()
        elif core is None or self._is_closing or self._is_shaking:
            self.abort()
        elif not (self._is_busy() and self._deadline.is_put_off()):
            core.time_out()
            self.proceed()

    def stop(self) -> None:
        """The service stops: end the session between two commands."""
        self._is_stopping = True
        core = self._core
        if core is None or self._is_shaking:
            self.abort()
        else:
            core.shutdown(Refusal.SHUTTING_DOWN.reply(self._story.text_id))
            self.proceed()

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
        """Run what can not be done at once. Its failure ends the session."""
        return self._door.spawn(self._guard(work))

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - logged in _fail
            metrics.TASK_FAILURES.inc()
            # Not here: what fails in a task of the listeners ends them all.
            asyncio.get_running_loop().call_soon(self._fail, error)

    def _fail(self, error: Exception) -> None:
        """A fault of ours: say so and end the session, or it would wait for ever."""
        log.error("reception.failed", session_id=self._story.text_id, exc_info=error)
        core = self._core
        if core is None or self._is_shaking:
            self.abort()
        else:
            core.note(Refusal.INTERNAL)
            core.abort(Refusal.INTERNAL.reply(self._story.text_id))
            self.proceed()

    # The session

    def _begin(self, tls: str) -> None:
        door = self._door
        self._core = core = ServerProtocol(door.settings, session_id=self._story.text_id, tls=tls)
        self._dialogue = dialogue_for(door, core, self._story, self)
        self._deadline.begin()
        refusal = self._registry.refusal(self)
        if refusal is not None:
            core.note(refusal)
            core.abort(refusal.reply(self._story.text_id))
            self.proceed()
        elif door.listener.network_login:
            grant = door.services.networks.recall(self._story.address)
            if grant is None:
                self.spawn(self._find_network())
            else:
                self._trust(grant)
        else:
            self._greet()

    async def _find_network(self) -> None:
        self._trust(await self._door.services.networks.find(self._story.address))

    def _trust(self, grant: Grant | Denial | None) -> None:
        """The network of the client is known: greet it as who it is."""
        core = self._core
        if core is not None and self._dialogue is not None and not self._is_ended:
            if isinstance(grant, Denial):
                self._story.blame(grant.cause)
                core.note(grant.refusal)
                core.abort(grant.reply(self._story.text_id))
                self.proceed()
                return
            if grant is not None:
                self._dialogue.trust(grant)
            self._greet()

    def _greet(self) -> None:
        core = self._core
        if core is not None and not core.closing:
            core.greet()
            self.proceed()

    def proceed(self) -> None:
        """Something came or was answered: decide all that can be, then write what comes of it."""
        core, dialogue, transport = self._core, self._dialogue, self._transport
        if self._in_round or core is None or dialogue is None or transport is None:
            return
        self._in_round, self._has_more = True, False
        try:
            for _ in range(ROUND_EVENTS):
                # The core need not be asked when all input was read and nothing is left to decide.
                if not (core.unread or core.events) or (event := core.next_event()) is None:
                    break
                dialogue.handle(event)
            else:
                self._has_more = True
                asyncio.get_running_loop().call_soon(self.proceed)
        except Exception as error:  # noqa: BLE001 - logged in _fail
            self._fail(error)
        finally:
            self._in_round = False
        out = core.out
        if out:
            core.out = b""
            transport.write(out)
        if core.closing or (self._is_eof and core.awaiting is None):
            self._close()
        elif dialogue.wants_tls:
            self._begin_tls()
        else:
            deadline = self._deadline
            if (out or deadline.octets >= BLOCK_OCTETS) and (core.login or core.recipients):
                deadline.moved_at = deadline.seconds()
                if core.reader is None:
                    deadline.in_content = False
            if self._is_paused or self._write_paused or core.unread or dialogue.content:
                self._update_reading()

    # Reading

    def _is_busy(self) -> bool:
        """Whether the client waits for us and not we for it."""
        return self._core is not None and (not self._core.wants_input or self._is_blocked())

    def _is_blocked(self) -> bool:
        return self._dialogue is not None and self._dialogue.is_blocked

    def _update_reading(self) -> None:
        core = self._core
        if self._write_paused or self._has_more or self._is_blocked():
            self._pause()
        elif core is not None and core.awaiting is not None and core.unread:
            # With TLS that a client ends behind its QUIT the way of its 250 ends: see that later.
            self._pause()
        elif self._is_paused and core is not None and core.wants_input:
            self._is_paused = False
            if self._transport is not None and not self._transport.is_closing():
                self._deadline.go_on()
                self._transport.resume_reading()

    def _pause(self) -> None:
        transport = self._transport
        if not self._is_paused and transport is not None and not transport.is_closing():
            self._is_paused = True
            self._deadline.hold()
            transport.pause_reading()

    # TLS

    def _begin_tls(self) -> None:
        """The 220 of STARTTLS has left. RFC 3207 section 4: what follows is the handshake, so
        nothing is read in plain text from here on. Once: a turn may end behind the decision."""
        if self._transport is not None and not (self._is_shaking or self._write_paused):
            self._shake().begin_after_starttls(self._transport)

    def _shake(self) -> Encryption:
        """Nothing is read until the handshake is over."""
        self._is_shaking, self._early = True, b""
        self._pause()
        self._handshake = Encryption(self, self._door)
        return self._handshake

    def encrypted(self, transport: asyncio.Transport) -> None:
        """The handshake of a connection that began in plain text is done."""
        if self._is_ended:
            transport.abort()
            return
        self._transport, self._handshake = transport, None
        self._is_shaking = self._is_paused = False
        core, dialogue = self._core, self._dialogue
        if core is None or dialogue is None:
            raise LocalProtocolError("STARTTLS before the session has begun")
        dialogue.tls_started(agreed(transport))
        early, self._early = self._early, b""
        if early:
            core.receive(early)
        self._deadline.go_on()
        self.proceed()

    def handshake_failed(self, error: HandshakeError) -> None:
        """There is nobody to talk to any more."""
        metrics.HANDSHAKE_FAILURES.inc()
        self._story.refusals.append(error.refusal)
        self._end(error.cause)

    # The end

    def _close(self) -> None:
        core, transport = self._core, self._transport
        if self._is_closing or core is None or transport is None:
            return
        self._is_closing = True
        self._deadline.close()
        if Refusal.WRONG_PORT in core.refusals and not core.helo:
            self._wrong_ports.remember(self.source, self._door, self._story)
        if not core.refusals or self._is_eof or self._is_stopping or transport.is_closing():
            transport.close()
            return
        if self._is_paused:
            self._is_paused = False
            transport.resume_reading()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.close)

    def abort(self) -> None:
        """End the connection at once."""
        if self._handshake is not None:
            self._handshake.cancel()
        if self._transport is not None:
            self._transport.abort()
        self._end("")

    def _end(self, cause: str) -> None:
        """Once, however the connection ended."""
        if self._is_ended:
            return
        self._is_ended = True
        story, core = self._story, self._core
        if self._dialogue is not None:
            self._dialogue.over()
        self._registry.remove(self)
        if core is not None:
            core.lose()
            story.helo, story.login, story.tls = core.helo, core.login, core.tls
            story.refusals = [*core.refusals, *story.refusals]
        if cause:
            story.blame(cause)
        self._door.services.sessions.closed(story)
        # They refer to this connection, and to the state of TLS, which is large: without these
        # circles all of it goes now, not when the collector comes.
        self._core = self._dialogue = self._handshake = self._transport = None
