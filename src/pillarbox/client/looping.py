"""The wire of the asynchronous client: a transport of the event loop."""

import asyncio
import socket
from typing import cast

from pillarbox.client.session import Session
from pillarbox.client.steps import (
    READ_OCTETS,
    Ended,
    Probe,
    Progress,
    Pull,
    Read,
    Script,
    Step,
    Steps,
    T,
    Write,
)

ADDRESS_SECONDS = 5.0
"""For one address of a name, where there are others to try."""

BUFFER_OCTETS = 4 * READ_OCTETS
"""A server that says more than anybody reads has to wait."""

WRITE_BUFFER_OCTETS = 512 * 1024
"""Above this the content of a large message waits for the server."""

_NOTHING = Progress()
_CLOSED = Progress(ended=Ended.CLOSED)
_TIMED_OUT = Progress(ended=Ended.TIMED_OUT)


async def connect(host: str, port: int, *, seconds: float) -> "AsyncWire":
    """Connect to the first address that answers. Raises OSError."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    async with asyncio.timeout_at(deadline):
        infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    error = OSError()
    for left, (family, _, _, _, address) in zip(range(len(infos), 0, -1), infos, strict=True):
        until = min(deadline, loop.time() + ADDRESS_SECONDS) if left > 1 else deadline
        try:
            async with asyncio.timeout_at(until):
                _, wire = await loop.create_connection(
                    AsyncWire, str(address[0]), port, family=family
                )
            if wire.peer_address:
                return wire
            # The server reset it before anybody could ask who it is.
            wire.close()
            error = ConnectionResetError("the connection was reset")
        except OSError as exc:
            error = exc
    raise error


class AsyncWire(asyncio.Protocol):
    """Carries out the steps of one session; one task at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._waiter: asyncio.Future[bool] | None = None
        self._came: list[bytes] = []
        self._octets = 0
        self._is_over = False
        self._is_full = False
        self._deadline = 0.0
        self._peer = ("", 0)
        self.local_address = ""

    # -- what the event loop calls ------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, and between which addresses it is."""
        self._transport = made = cast(asyncio.Transport, transport)
        # Who it is nobody can say any more of a connection that was reset.
        if (peer := made.get_extra_info("peername")) is not None:
            self._peer = str(peer[0]), int(peer[1])
        if (local := made.get_extra_info("sockname")) is not None:
            self.local_address = str(local[0])
        raw: socket.socket | None = made.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.set_write_buffer_limits(high=WRITE_BUFFER_OCTETS)

    def data_received(self, data: bytes) -> None:
        """Keep what came until it is asked for."""
        self._came.append(data)
        self._octets += len(data)
        if self._octets > BUFFER_OCTETS:
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Nothing more comes."""
        self._is_over = True
        self._wake()

    def pause_writing(self) -> None:
        """The server is slower than we are."""
        self._is_full = True

    def resume_writing(self) -> None:
        """It took most of it."""
        self._is_full = False
        self._wake()

    # -- what the client calls ----------------------------------------------------------------

    @property
    def peer_address(self) -> str:
        """The address of the server, "" where it went at once."""
        return self._peer[0]

    async def run(self, steps: Steps[T]) -> T:
        """Carry out all steps. Raises what reading a file of content raises."""
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._carry_out(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def peek(self) -> Progress:
        """Take what has come, without waiting."""
        return self._take() if self._came or self._is_over else Progress()

    def close(self) -> None:
        """Drop the connection, behind what was written."""
        if self._is_full:
            self._transport.abort()
        self._transport.close()

    def leave(self, session: Session) -> None:
        """Say good-bye where the session stands, and close, without waiting for anything."""
        if session.core.is_ready:
            self._transport.write(session.last_words())
            self._transport.close()
        else:
            self._transport.abort()

    async def _carry_out(self, step: Step) -> Progress:
        match step:
            case Script():
                return await self._follow(step)
            case Write():
                return await self._write(step)
            case Read():
                self._set_deadline(step.seconds, is_fresh=step.is_fresh)
                return await self._read()
            case Pull():
                return Progress(await asyncio.to_thread(next, step.source, b""))
            case Probe():
                return await self._probe(step)

    async def _follow(self, script: Script) -> Progress:
        tls = script.tls
        for octets, _, _, is_content in script.turns:
            out = octets if tls is None else tls.seal(octets)
            seconds = script.content_seconds if is_content else script.answer_seconds
            progress = await self._write(Write(out, script.seconds, answer_seconds=seconds))
            if not script.hears(progress):
                return progress
        return _NOTHING

    async def _read(self) -> Progress:
        while not self._came and not self._is_over:
            if not await self._wait():
                return _TIMED_OUT
        return self._take()

    async def _write(self, step: Write) -> Progress:
        """Nothing is left unsent here: the transport has the rest and goes on with it."""
        progress = await self._drain(step)
        if not step.answer_seconds or progress.ended is not None:
            return progress
        self._set_deadline(step.answer_seconds, is_fresh=True)
        return progress if progress.came else await self._read()

    async def _drain(self, step: Write) -> Progress:
        if not self._is_over and step.octets:
            self._transport.write(step.octets)
        self._set_deadline(step.seconds, is_fresh=step.is_fresh)
        while self._is_full and not self._came and not self._is_over:
            if not await self._wait():
                return _TIMED_OUT
        # What the server said before it closed still counts: it is read next.
        return self._take() if self._is_full and self._came else _NOTHING

    def _take(self) -> Progress:
        if not self._came:
            return _CLOSED
        came = b"".join(self._came)
        self._came.clear()
        if self._octets > BUFFER_OCTETS and not self._is_over:
            self._transport.resume_reading()
        self._octets = 0
        return Progress(came)

    def _set_deadline(self, seconds: float, *, is_fresh: bool) -> None:
        if is_fresh:
            self._deadline = self._loop.time() + seconds

    async def _wait(self) -> bool:
        """Wait until something happens; False where time is over."""
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        timer = self._loop.call_at(self._deadline, _settle, waiter)
        try:
            return await waiter
        finally:
            self._waiter = None
            timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(True)

    async def _probe(self, step: Probe) -> Progress:
        host, port = self._peer
        try:
            async with asyncio.timeout(step.seconds):
                reader, writer = await asyncio.open_connection(host, port)
                try:
                    writer.write(step.octets)
                    return Progress(await reader.read(READ_OCTETS))
                finally:
                    writer.transport.abort()
        except OSError:
            return Progress()


def _settle(waiter: "asyncio.Future[bool]") -> None:
    if not waiter.done():
        waiter.set_result(False)
