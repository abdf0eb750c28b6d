"""net.http_server: what comes in is bounded, and what fails stays with its own connection."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pillarbox.net import http_server
from pillarbox.net.http_server import HttpServer, Request, Response, text_response

GET = b"GET /a%20b?x=1&x=2 HTTP/1.1\r\nHost: Corp.Example:8443\r\n\r\n"


async def _echo(request: Request) -> Response:
    if request.path == "/fails":
        raise RuntimeError("a fault of the handler")
    seen = f"{request.method} {request.host} {request.path} {dict(request.query)}"
    return Response(200, "text/plain", seen.encode() + b" " + request.body)


@asynccontextmanager
async def _serving(
    *, connections: int = 100, admits: Callable[[str], bool] | None = None
) -> AsyncIterator[int]:
    server = HttpServer(_echo, connections=connections, admits=admits)
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    server.start(bound)
    yield bound.getsockname()[1]
    await server.close()


async def _ask(port: int, request: bytes) -> bytes:
    """All that comes back until the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionResetError:
        return b"cut"
    finally:
        writer.close()


async def test_a_request_is_read_whole() -> None:
    """Host without its port, path decoded, the last of equal parameters, the body."""
    request = b"POST" + GET[3:-2] + b"Content-Length: 4\r\n\r\nbody"

    async with _serving() as port:
        at_once = await _ask(port, request)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for octet in request:
            writer.write(bytes([octet]))
            await writer.drain()
        in_pieces = await reader.read()
        writer.close()

    assert at_once == in_pieces
    assert at_once.startswith(b"HTTP/1.1 200")
    assert at_once.endswith(b"POST corp.example /a b {'x': '2'} body")


@pytest.mark.parametrize(
    ("request_octets", "status"),
    [
        (b"EHLO client\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET //[x HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000, b"431"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, b"413"),
        (b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70_000, b"413"),
        (b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (b"GET /fails HTTP/1.1\r\nHost: x\r\n\r\n", b"500"),
    ],
)
async def test_what_can_not_be_served_is_refused(request_octets: bytes, status: bytes) -> None:
    """With a status that says why, and the next client is served."""
    async with _serving() as port:
        answer = await _ask(port, request_octets)
        after = await _ask(port, GET)

    assert answer.split(b" ", 2)[1] == status
    assert after.startswith(b"HTTP/1.1 200")


async def test_a_client_that_says_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not keep its place."""
    monkeypatch.setattr(http_server, "REQUEST_SECONDS", 0.2)

    async with _serving(connections=1) as port:
        assert await _ask(port, GET[:-1]) in (b"", b"cut")
        assert (await _ask(port, GET)).startswith(b"HTTP/1.1 200")


async def test_no_more_are_served_at_once_than_may() -> None:
    """One over the number is cut."""
    async with _serving(connections=1) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET[:-1])
        await writer.drain()

        assert await _ask(port, GET) in (b"", b"cut")

        writer.write(GET[-1:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_who_is_not_admitted_is_cut() -> None:
    """By its address."""
    asked = []

    def admits(address: str) -> bool:
        asked.append(address)
        return False

    async with _serving(admits=admits) as port:
        assert await _ask(port, GET) in (b"", b"cut")

    assert asked == ["127.0.0.1"]


def test_text_is_for_people() -> None:
    """In UTF-8, with a line end."""
    assert text_response(404, "größer").body == "größer\n".encode()
