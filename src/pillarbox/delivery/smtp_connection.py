"""The connection to a next hop: moves octets between a transport and ClientProtocol.

One coroutine at a time works with a connection: it waits in step() or drain(). No streams and no
task: what is read goes to the core in the read callback, and the coroutine is woken only when
there is something to decide. One timer serves all time limits.
"""

import asyncio
import socket
import ssl
from contextlib import suppress
from typing import cast

from pillarbox.delivery.timeouts import Timeouts
from pillarbox.net.tls import describe
from pillarbox.smtp.client import ClientProtocol
from pillarbox.smtp.client_phase import STANDING, Phase

_IDLE = frozenset({Phase.READY, Phase.CLOSED})

WRITE_BUFFER_OCTETS = 512 * 1024
"""Above this the content of a large message waits for the next hop."""


class SmtpConnection(asyncio.Protocol):
    """One connection; `core` is set once it may speak."""

    core: ClientProtocol

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._limits = timeouts.by_phase
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._below: asyncio.Transport
        """That of the socket, which TLS goes over."""
        self._waiter: asyncio.Future[None] | None = None
        self._closed = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._paused = False
        self._started = False
        self._early = b""

    # -- what the event loop calls ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport; each write leaves at once."""
        # Not asked with isinstance: uvloop's transports do not inherit from asyncio's.
        self._transport = self._below = transport = cast(asyncio.Transport, transport)
        raw: socket.socket | None = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(high=WRITE_BUFFER_OCTETS)

    def data_received(self, data: bytes) -> None:
        """Feed the core, write its answer, wake who waits."""
        if not self._started:
            # A server that greets at once; more than a greeting is not due yet.
            self._early += data
            if len(self._early) > WRITE_BUFFER_OCTETS:
                self._transport.abort()
            return
        core = self.core
        replies = core.replies
        core.receive(data)
        phase = core.phase
        if phase in STANDING:
            self._wake()
            return
        if out := core.data_to_send():
            self._transport.write(out)
        if core.replies != replies:
            # Only a whole reply buys more time: octets that trickle in do not.
            self._allow(self._limits[phase])

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Tell the core; nobody waits any longer."""
        if self._started:
            self.core.connection_lost()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._closed.done():
            self._closed.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        """The next hop is slower than the content comes."""
        self._paused = True

    def resume_writing(self) -> None:
        """The next hop took most of it."""
        self._paused = False
        self._wake()

    # -- what the courier calls ---------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a transaction can begin on it."""
        return self._started and self.core.is_ready and not self._transport.is_closing()

    @property
    def stands(self) -> bool:
        """Whether one can, now or after the one that is under way."""
        if not self._started or self._transport.is_closing():
            return False
        return self.core.is_ready or self.core.phase not in _IDLE

    @property
    def local_address(self) -> str:
        """The address of this end; "" where the connection is gone."""
        name = self._transport.get_extra_info("sockname")
        return str(name[0]) if name else ""

    @property
    def tls_object(self) -> ssl.SSLObject:
        """The TLS side of a connection that was upgraded."""
        return cast(ssl.SSLObject, self._transport.get_extra_info("ssl_object"))

    @property
    def was_greeted_early(self) -> bool:
        """Whether the server spoke although it was not yet listened to."""
        return bool(self._early)

    def start(self, core: ClientProtocol) -> None:
        """Let `core` speak from now on; it gets what has come already."""
        self.core = core
        self._started = True
        if self._closed.done():
            core.connection_lost()
        elif self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    async def start_tls(self, context: ssl.SSLContext, server_name: str) -> str:
        """Shake hands; gives the description. Raises what the handshake raises."""
        upgraded = await self._loop.start_tls(
            self._transport,
            self,
            context,
            server_hostname=server_name,
            ssl_handshake_timeout=self._timeouts.handshake,
            ssl_shutdown_timeout=self._timeouts.quit,
        )
        if upgraded is None:
            raise ConnectionResetError
        self._transport = upgraded
        upgraded.set_write_buffer_limits(high=WRITE_BUFFER_OCTETS)
        return describe(upgraded.get_extra_info("ssl_object"))

    async def step(self) -> None:
        """Write what the core has to say and wait until the next move is ours."""
        core = self.core
        if out := core.data_to_send():
            self._transport.write(out)
        while core.phase not in STANDING:
            await self._wait(self._limits[core.phase])
        if core.phase is Phase.CLOSED:
            self.drop()

    def write(self, octets: bytes) -> None:
        """Write content. The transport keeps it until the next hop takes it."""
        self._transport.write(octets)

    async def drain(self) -> None:
        """Wait until the next hop has taken most of what was written."""
        core = self.core
        while self._paused and not core.is_closed:
            await self._wait(self._timeouts.block)
        if core.is_closed:
            self.drop()

    async def close(self) -> None:
        """Say good-bye where a session stands, and close."""
        try:
            if self.is_open:
                self.core.quit()
                await self.step()
            self._transport.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeouts.quit):
                    await self._closed
        finally:
            # Whoever is cancelled leaves it closed, too.
            self.abort()

    def drop(self) -> None:
        """Close without waiting, behind the last words of the core if it has some."""
        if self._transport.is_closing():
            return
        if self._started and (out := self.core.data_to_send()):
            self._transport.write(out)
            self._transport.close()
            # Under TLS it would wait for the other side's good-bye, which RFC 8446 section 6.1 does
            # not ask for.
            self._below.close()
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Drop the connection at once: what was written and not taken is lost."""
        self._transport.abort()
        if not self._closed.done():
            self.connection_lost(None)

    # -- waiting ------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> asyncio.Future[None]:
        """What to await until there is something to decide."""
        if self._closed.done():
            self.core.connection_lost()
            return self._closed
        self._allow(seconds)
        self._waiter = waiter = self._loop.create_future()
        return waiter

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _allow(self, seconds: float) -> None:
        """The server has so much time from now. The timer is moved only to an earlier moment: it
        fires, finds that the limit is later by now, and follows it."""
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is None or self._timer_at > deadline:
            self._arm(deadline)

    def _arm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_at(deadline, self._check_deadline)

    def _check_deadline(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._arm(self._deadline)
            return
        self.core.timed_out()
        self._wake()
