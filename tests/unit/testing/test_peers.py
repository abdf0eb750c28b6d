"""The servers of tests (tests.support): nothing of them is left open when they end. What is left is
found by the collector of garbage, whose warning fails whatever test runs by then."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from tests.support.mail_world import World, page
from tests.support.smtp_peer import Peer, serve

Opened = AbstractAsyncContextManager[int]


@asynccontextmanager
async def _smtp(world: World) -> AsyncIterator[int]:
    async def greet(peer: Peer) -> None:
        peer.send("220 mx.test ESMTP")

    async with serve(greet, tls=world.tls("mx.test")) as server:
        yield server.port


@asynccontextmanager
async def _web(world: World) -> AsyncIterator[int]:
    await world.web("mx.test", {"/": page("x")})
    yield world.port("mx.test", 443)
    await world.stop()


@pytest.mark.parametrize("open_server", [_smtp, _web])
async def test_connections_end_with_their_server(
    open_server: Callable[[World], Opened], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the client does not answer the good-bye of TLS."""
    taken: list[socket.socket] = []
    accept = socket.socket.accept

    def remember(listening: socket.socket) -> tuple[socket.socket, object]:
        connection, address = accept(listening)
        taken.append(connection)
        return connection, address

    monkeypatch.setattr(socket.socket, "accept", remember)
    world, incoming, outgoing = World(), ssl.MemoryBIO(), ssl.MemoryBIO()
    client = world.trust.wrap_bio(incoming, outgoing, server_hostname="mx.test")
    async with open_server(world) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for step in (client.do_handshake, lambda: client.write(b"GET / HTTP/1.1\r\n\r\n")):
            while True:
                try:
                    step()
                except ssl.SSLWantReadError:
                    writer.write(outgoing.read())
                    incoming.write(await reader.read(65_536))
                else:
                    writer.write(outgoing.read())
                    break
        incoming.write(await reader.read(65_536))

    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [connection.fileno() for connection in taken] == [-1]
    writer.close()
