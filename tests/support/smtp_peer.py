"""A next hop that does what a test says: a real socket, real TLS, a script for each connection."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias, cast

LINE_LIMIT = 1 << 26
"""Content is read as one line."""

PATIENCE_SECONDS = 60
"""No step of a script may take longer: a test that hangs fails by name."""


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.commands: list[str] = []
        self.contents: list[bytes] = []

    @property
    def client(self) -> str:
        """The address that the connection comes from."""
        return str(self._writer.get_extra_info("peername")[0])

    def send(self, *lines: str) -> None:
        """Write reply lines in one piece."""
        self.send_raw("".join(f"{line}\r\n" for line in lines).encode())

    def send_raw(self, octets: bytes) -> None:
        """Write octets as they are."""
        self._writer.write(octets)

    async def line(self) -> str:
        """The next command line; "" at the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            octets = await self._reader.readline()
        command = octets.decode().removesuffix("\r\n")
        if octets:
            self.commands.append(command)
        return command

    async def expect(self, beginning: str) -> str:
        """The next command, which must begin like this."""
        command = await self.line()
        assert command.startswith(beginning), f"expected {beginning}, got {command!r}"
        return command

    async def greet(self, *extensions: str) -> None:
        """Greeting and EHLO."""
        self.send("220 peer.test ESMTP")
        await self.hello(*extensions)

    async def hello(self, *extensions: str) -> None:
        """The answer to EHLO."""
        await self.expect("EHLO ")
        texts = ["peer.test", *extensions]
        self.send(*(f"250-{text}" for text in texts[:-1]), f"250 {texts[-1]}")

    async def content(self) -> bytes:
        """What DATA carries, with its dots and its end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            octets = await self._reader.readuntil(b".\r\n")
            while not (octets == b".\r\n" or octets.endswith(b"\r\n.\r\n")):
                octets += await self._reader.readuntil(b".\r\n")
        self.contents.append(octets)
        return octets

    async def octets(self, count: int) -> bytes:
        """So many octets of a BDAT chunk."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(count)

    async def some(self) -> bytes:
        """What comes next; b"" at the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read(65_536)

    async def take_message(self, *, reply: str = "250 2.0.0 taken") -> bytes:
        """One message in a pipelined group; every command is answered by 250."""
        while not (command := await self.line()).startswith("DATA"):
            assert command, "the connection ended before DATA"
            self.send("250 ok")
        self.send("354 go")
        octets = await self.content()
        self.send(reply)
        return octets

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands as the server."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._writer.start_tls(context)

    async def until_closed(self) -> bytes:
        """Read what still comes, to the end of the connection."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    def cut(self) -> None:
        """Close at once."""
        self._writer.close()

    def abort(self) -> None:
        """The same without the good-bye of TLS, for which the other side may never wait."""
        self._writer.transport.abort()

    def pause(self) -> None:
        """Read nothing for the time being."""
        cast(asyncio.ReadTransport, self._writer.transport).pause_reading()

    def resume(self) -> None:
        """Read again."""
        cast(asyncio.ReadTransport, self._writer.transport).resume_reading()


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


@dataclass
class Server:
    """A running server. `peers` are its connections in their order."""

    port: int
    peers: list[Peer] = field(default_factory=list)

    @property
    def commands(self) -> list[str]:
        """What all connections were told."""
        return [command for peer in self.peers for command in peer.commands]


@asynccontextmanager
async def serve(
    *scripts: Script,
    tls: ssl.SSLContext | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[Server]:
    """Serve connection 1 with script 1 and so on, the last one for all further connections.

    A script that raises fails the test at the end. `tls` is for TLS from the first octet.
    """
    failures: list[BaseException] = []
    tasks: set[asyncio.Task[None]] = set()
    server = Server(0)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer = Peer(reader, writer)
        script = scripts[min(len(server.peers), len(scripts) - 1)]
        server.peers.append(peer)
        try:
            await script(peer)
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError):
            # The other side may go at any time, and the test is over when it ends.
            pass
        except BaseException as exc:  # noqa: BLE001 - told below
            failures.append(exc)
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, address, port, ssl=tls, limit=LINE_LIMIT)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in server.peers:
            peer.abort()
        await listener.wait_closed()
    if failures:
        raise failures[0]
