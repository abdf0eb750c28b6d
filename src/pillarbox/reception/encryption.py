"""How one connection comes to be encrypted: at once, after STARTTLS, or because it is expected to.

Lives from the start of a handshake to its end; the connection is told what came of it.
"""

import asyncio
import os
import socket
from collections.abc import Coroutine
from typing import Any, Protocol, cast

from pillarbox.explain.refusals import Refusal
from pillarbox.reception.handshake import HandshakeError, encrypt_socket, encrypt_transport
from pillarbox.reception.last_words import Handshake
from pillarbox.reception.services import Door
from pillarbox.reception.wrong_port import hears_tls

SILENT = (
    "the client said nothing: it waits for a greeting in plain text, so STARTTLS or no encryption"
    " is set where SSL/TLS is meant"
)


class Shell(Protocol):
    """What is asked of the connection."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None] | None":
        """Run what can not be done at once."""
        ...

    def encrypted(self, transport: asyncio.Transport) -> None:
        """The connection that began in plain text goes on over this transport."""
        ...

    def handshake_failed(self, error: HandshakeError) -> None:
        """The connection is closed."""
        ...


class Encryption:
    """The handshake of one connection; one of the three methods below begins it."""

    __slots__ = ("_door", "_handshake", "_protocol", "_shell", "_task")

    def __init__(self, shell: Shell, door: Door) -> None:
        self._shell = shell
        # It is what the octets inside TLS are for.
        self._protocol = cast("asyncio.Protocol", shell)
        self._door = door
        self._handshake: Handshake | None = None
        self._task: asyncio.Task[None] | None = None

    def begin_on(self, accepted: socket.socket, session_id: str) -> None:
        """From the first octet: the connection is told by its `connection_made`."""
        self._handshake = Handshake(self._door, accepted.send, session_id)
        self._task = self._shell.spawn(self._encrypt_socket(accepted, self._handshake))

    def begin_after_starttls(self, transport: asyncio.Transport) -> None:
        """The transport must not be reading."""
        self._task = self._shell.spawn(self._encrypt_transport(transport))

    def begin_if_it_comes(self, accepted: socket.socket, address: str) -> None:
        """The client may begin with TLS; in either case the connection is told by its
        `connection_made`."""
        self._task = self._shell.spawn(self._await_hello(accepted, address))

    def break_silence(self) -> None:
        """Tell a client that has not said anything yet in plain text, and end its connection."""
        if self._handshake is None or not self._handshake.is_silent:
            return
        self._handshake.say_it_in_plain_text()
        self.cancel()
        self._shell.handshake_failed(HandshakeError(Refusal.PLAIN_ON_TLS_PORT, SILENT))

    def cancel(self) -> None:
        """The connection is over."""
        if self._task is not None:
            self._task.cancel()

    async def _encrypt_socket(self, accepted: socket.socket, handshake: Handshake) -> None:
        try:
            await encrypt_socket(accepted, self._protocol, handshake)
        except HandshakeError as error:
            self._shell.handshake_failed(error)

    async def _await_hello(self, accepted: socket.socket, address: str) -> None:
        loop, services = asyncio.get_running_loop(), self._door.services
        try:
            if await hears_tls(accepted, services.limits.wrong_port_wait_seconds):
                if not services.handshakes.may_begin(address):
                    accepted.close()
                    self._shell.handshake_failed(HandshakeError(Refusal.TOO_MANY_HANDSHAKES, ""))
                    return
                await self._encrypt_socket(accepted, Handshake(self._door, accepted.send))
            else:
                await loop.connect_accepted_socket(lambda: self._protocol, accepted)
        except BaseException:
            accepted.close()
            raise

    async def _encrypt_transport(self, transport: asyncio.Transport) -> None:
        if transport.is_closing():
            return
        fileno = transport.get_extra_info("socket").fileno
        handshake = Handshake(self._door, lambda octets: os.write(fileno(), octets))
        try:
            secure = await encrypt_transport(transport, self._protocol, handshake)
        except HandshakeError as error:
            self._shell.handshake_failed(error)
        else:
            self._shell.encrypted(secure)
