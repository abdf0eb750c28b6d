"""TCP for the emulator's servers: streams that can be turned into TLS, cut, and closed."""

import asyncio
import contextlib
import errno
import ssl
from collections.abc import Awaitable, Callable
from typing import cast

HANDSHAKE_SECONDS = 20.0
BUFFER_OCTETS = 256 * 1024


class Stream:
    """One connection: read, write, upgrade, end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._plain: asyncio.StreamWriter | None = None

    @property
    def address(self) -> str:
        """The address of the other side."""
        peer = self._writer.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    @property
    def tls(self) -> str:
        """The version of TLS, "" without."""
        secure = self._writer.get_extra_info("ssl_object")
        return str(secure.version()) if secure else ""

    async def read(self) -> bytes:
        """The next octets, b"" at the end."""
        try:
            return await self._reader.read(BUFFER_OCTETS)
        except OSError:
            return b""

    async def write(self, octets: bytes) -> None:
        """Write, and wait while the other side does not take it. Raises OSError."""
        if octets:
            self._writer.write(octets)
            await self._writer.drain()

    def pause(self) -> None:
        """Leave what comes next to the handshake."""
        cast("asyncio.Transport", self._writer.transport).pause_reading()

    async def upgrade(self, context: ssl.SSLContext) -> None:
        """Shake hands. Raises OSError (of which ssl.SSLError is one) where that fails."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=BUFFER_OCTETS)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport = await loop.start_tls(
            self._writer.transport,
            protocol,
            context,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        if transport is None:
            raise ConnectionAbortedError("the connection ended in the handshake")
        protocol.connection_made(transport)
        # A writer that is forgotten closes the connection under the one that follows.
        self._plain = self._writer
        self._reader = reader
        self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)

    def cut(self) -> None:
        """End the connection at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """End the connection when all is written."""
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(1.0):
                await self._writer.wait_closed()


class TcpServer:
    """Serves each connection by `serve`, in a task of its own, until `stop`. `open` counts those
    that there are, with a login or without; `most_open` is the most at once."""

    def __init__(self, serve: Callable[[Stream], Awaitable[None]]) -> None:
        self._serve = serve
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self.port = 0
        self.open = 0
        self.most_open = 0

    async def start(self, port: int, context: ssl.SSLContext | None = None) -> None:
        """Listen on 127.0.0.1, with TLS from the first octet where there is a context; 0 takes a
        free port. Raises OSError."""
        try:
            self._server = await asyncio.start_server(
                self._accept, "127.0.0.1", port, ssl=context, limit=BUFFER_OCTETS
            )
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            raise OSError(exc.errno, f"127.0.0.1:{port} is in use") from exc
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and end every connection."""
        if self._server is None:
            return
        self._server.close()
        # Who was let in a moment ago comes to _accept in the next turns of the loop.
        self._is_stopping = True
        await asyncio.sleep(0)
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """No coroutine: a task that is cancelled before it begins would leave the socket open."""
        stream = Stream(reader, writer)
        if self._is_stopping:
            stream.cut()
            return
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        task = asyncio.get_running_loop().create_task(self._run(stream))
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._close(task, stream))

    def _close(self, task: asyncio.Task[None], stream: Stream) -> None:
        """Also after a task that was cancelled before it began."""
        self._tasks.discard(task)
        self.open -= 1
        stream.cut()

    async def _run(self, stream: Stream) -> None:
        try:
            await self._serve(stream)
        except OSError:
            # The client went away.
            pass
        except asyncio.CancelledError:
            # The server stops.
            pass

    def forget(self) -> None:
        """Count the most connections anew."""
        self.most_open = self.open
