"""Connections as a pair of read and write, in the clear and under TLS.

TLS runs over memory, not over the socket: octets that came in the clear before the handshake are
fed to it and make it fail; they can not be taken for what was said under TLS.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, TypeVar

READ_OCTETS = 16_384

Result = TypeVar("Result")


class Stream(Protocol):
    """One connection. Both methods raise OSError."""

    async def read(self) -> bytes:
        """Some octets; b"" at the end."""

    async def write(self, octets: bytes) -> None:
        """Write all of the octets."""


class PlainStream:
    """A connection in the clear."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def local_address(self) -> str:
        """The address of this end."""
        return str(self._writer.get_extra_info("sockname")[0])

    async def read(self) -> bytes:
        """As Stream.read."""
        return await self._reader.read(READ_OCTETS)

    async def write(self, octets: bytes) -> None:
        """As Stream.write."""
        self._writer.write(octets)
        await self._writer.drain()

    def close(self) -> None:
        """Drop the connection; what was written and not sent is lost."""
        self._writer.transport.abort()


class TlsStream:
    """A connection under TLS, over one in the clear."""

    def __init__(self, below: PlainStream, context: ssl.SSLContext, server_name: str) -> None:
        self._below = below
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    async def shake_hands(self) -> None:
        """Raises ssl.SSLError, which is an OSError, where there is no safe connection."""
        await self._run(self.tls.do_handshake)

    async def read(self) -> bytes:
        """As Stream.read."""
        try:
            return await self._run(lambda: self.tls.read(READ_OCTETS))
        except ssl.SSLZeroReturnError:
            return b""

    async def write(self, octets: bytes) -> None:
        """As Stream.write."""
        await self._run(lambda: self.tls.write(octets))

    async def _run(self, step: Callable[[], Result]) -> Result:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            except ssl.SSLError:
                await self._flush()
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if octets := self._outgoing.read():
            await self._below.write(octets)

    async def _fill(self) -> None:
        if octets := await self._below.read():
            self._incoming.write(octets)
        else:
            self._incoming.write_eof()
