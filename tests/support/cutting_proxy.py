"""A TCP proxy that breaks a connection at the moment of a COMMIT."""

import asyncio
from contextlib import suppress
from enum import Enum, auto
from typing import Self


class Cut(Enum):
    """What happens to the next COMMIT."""

    NEVER = auto()
    BEFORE = auto()
    """It does not reach the server."""
    AFTER = auto()
    """The server carries it out; its answer does not reach the client."""
    LATE = auto()
    """It reaches the server when `let_through` is called; the client is cut off at once."""


class CuttingProxy:
    """Passes everything on between a client and `port` until told to cut."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.cut = Cut.NEVER
        self.is_reachable = True
        self.port = 0
        self._let_through = asyncio.Event()
        self.late_end = asyncio.Event()
        """Set once the server was sent the late COMMIT and has closed that connection."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        if self.is_reachable:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            back = asyncio.ensure_future(_pass_on(far_reader, writer))
            with suppress(OSError, asyncio.CancelledError):
                await self._forward(reader, far_reader, far_writer, back, writer)
            back.cancel()
            far_writer.close()
        writer.close()
        self._tasks.discard(task)

    def let_through(self) -> None:
        """Send the late COMMIT."""
        self._let_through.set()

    async def _send_late(
        self, octets: bytes, far_reader: asyncio.StreamReader, far_writer: asyncio.StreamWriter
    ) -> None:
        await self._let_through.wait()
        with suppress(OSError):
            far_writer.write(octets)
            far_writer.write_eof()
            while await far_reader.read(65536):
                pass
        self.late_end.set()

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
        back: "asyncio.Task[None]",
        near_writer: asyncio.StreamWriter,
    ) -> None:
        """Client to server, until somebody closes or the cut is made."""
        while octets := await reader.read(65536):
            if b"COMMIT" in octets and self.cut is not Cut.NEVER:
                cut, self.cut = self.cut, Cut.NEVER
                self.is_reachable = False
                if cut is Cut.LATE:
                    back.cancel()
                    near_writer.close()
                    await self._send_late(octets, far_reader, far_writer)
                    return
                if cut is Cut.AFTER:
                    back.cancel()
                    with suppress(asyncio.CancelledError):
                        await back
                    far_writer.write(octets)
                    await far_reader.read(65536)
                return
            far_writer.write(octets)
            await far_writer.drain()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while octets := await reader.read(65536):
            writer.write(octets)
            await writer.drain()
