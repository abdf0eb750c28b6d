"""net.http_server: what comes in is bounded, and what fails stays with its own connection."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from email.parser import BytesHeaderParser
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from pillarbox.net import http_server
from pillarbox.net.http_server import (
    Gate,
    Handler,
    HttpServer,
    Request,
    Response,
    text_response,
    wrong_method,
)

GET = b"GET /a%20b?x=1&x=2 HTTP/1.1\r\nHost: Corp.Example:8443\r\n\r\n"


async def _echo(request: Request) -> Response:
    if request.path == "/fails":
        raise RuntimeError("a fault of the handler")
    seen = f"{request.method} {request.host} {request.path} {dict(request.query)}"
    return Response(200, "text/plain", seen.encode() + b" " + request.body)


@asynccontextmanager
async def _serving(
    *,
    connections: int = 100,
    gate: Gate | None = None,
    tls: Path | None = None,
    handler: Handler = _echo,
) -> AsyncIterator[int]:
    """A server at this port; `tls` is a folder with its certificate."""
    server = HttpServer(handler, connections=connections, gate=gate)
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    context = None
    if tls is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(tls / "certificate.pem", tls / "key.pem")
    server.start(bound, lambda: context)
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


async def test_a_client_that_waits_with_its_body_is_told_to_go_on() -> None:
    """RFC 9110 section 10.1.1: programs by .NET and curl wait for a while."""
    request = b"POST" + GET[3:-2] + b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\n"

    async with _serving() as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request)
        told = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"body")
        answer = await reader.read()
        writer.close()

    assert told.startswith(b"HTTP/1.1 100 ")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"{'x': '2'} body")


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent() -> None:
    """Where the client asks first."""
    request = b"POST" + GET[3:-2] + b"Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n"

    async with _serving() as port, asyncio.timeout(20):
        assert (await _ask(port, request)).startswith(b"HTTP/1.1 413 ")


async def test_an_answer_has_its_date() -> None:
    """RFC 9110 section 6.6.1: caches and clients count from it; a refusal has it, too."""
    async with _serving() as port:
        answers = [await _ask(port, GET), await _ask(port, b"GET / HTTP/1.1\r\n\r\n")]

    for answer in answers:
        date = BytesHeaderParser().parsebytes(answer.partition(b"\r\n")[2])["Date"]
        assert date.endswith(" GMT")
        assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 60


async def test_the_host_of_an_absolute_target_counts() -> None:
    """RFC 9112 section 3.2.2: who asks as if through a proxy writes it so."""
    async with _serving() as port:
        answer = await _ask(
            port, b"GET https://Other.Example:8443/x HTTP/1.1\r\nHost: corp.example\r\n\r\n"
        )

    assert answer.endswith(b"GET other.example /x {} ")


async def test_head_is_get_without_the_content() -> None:
    """RFC 9110 section 9.3.2: whoever watches the service asks so."""
    async with _serving() as port:
        head, _, content = (await _ask(port, b"HEAD" + GET[3:])).partition(b"\r\n\r\n")
        whole = await _ask(port, GET)

    assert (head, content) == (whole.partition(b"\r\n\r\n")[0], b"")
    assert b"HTTP/1.1 200" in head


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


class _Mute:
    """A client that never says that it is done: TLS by hand, so that the server's good-bye gets no
    answer."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        self._tls = context.wrap_bio(self._in, self._out, server_hostname="localhost")

    async def begin(self) -> None:
        """Ask, and read nothing of the answer."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._until(self._tls.do_handshake)
        self._tls.write(GET)
        self._writer.write(self._out.read())

    async def ask(self) -> bytes:
        """The answer up to the good-bye; b"" where there is no place."""
        answer = b""
        try:
            await self.begin()
            while octets := await self._until(self._tls.read):
                answer += octets
        except (ConnectionResetError, ssl.SSLEOFError):
            return b""
        return answer

    async def _until(self, step: Callable[[], Any]) -> Any:
        while True:
            try:
                return step()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                self._writer.write(self._out.read())
                octets = await self._reader.read(65_536)
                if octets:
                    self._in.write(octets)
                else:
                    self._in.write_eof()

    async def wait_for_the_end(self) -> None:
        """Of the connection."""
        with suppress(ConnectionResetError):
            await self._reader.read()

    def close(self) -> None:
        """Leave."""
        self._writer.close()


async def test_who_was_answered_keeps_its_place_until_it_is_gone(issuer_ca: Path) -> None:
    """A connection costs a descriptor until both ends have closed it."""

    async def ask_once() -> bytes:
        with closing(_Mute(port, issuer_ca)) as other:
            return await other.ask()

    async with _serving(connections=1, tls=issuer_ca) as port, asyncio.timeout(20):
        with closing(_Mute(port, issuer_ca)) as mute:
            assert (await mute.ask()).startswith(b"HTTP/1.1 200")

            assert await ask_once() == b""

        while not (answer := await ask_once()):
            pass
        assert answer.startswith(b"HTTP/1.1 200")


async def test_who_does_not_close_is_cut(issuer_ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Well before the half minute that TLS would wait for an answer to its good-bye."""
    monkeypatch.setattr(http_server, "CLOSE_SECONDS", 0.2)

    async with _serving(tls=issuer_ca) as port, asyncio.timeout(20):
        with closing(_Mute(port, issuer_ca)) as mute:
            await mute.ask()

            await mute.wait_for_the_end()


async def test_the_end_waits_for_nobody(issuer_ca: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for a client that would not answer the good-bye."""
    monkeypatch.setattr(http_server, "CLOSE_SECONDS", 60.0)
    asked = asyncio.Event()

    async def never(_: Request) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(20):
        async with _serving(tls=issuer_ca, handler=never) as port:
            mute = _Mute(port, issuer_ca)
            await mute.begin()
            await asked.wait()

        with closing(mute):
            await mute.wait_for_the_end()


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


class _OneAtATime:
    """Lets one connection in, and tells when it has gone."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.left = asyncio.Event()

    def enter(self, address: str) -> bool:
        if self.inside:
            return False
        self.inside.append(address)
        return True

    def leave(self, address: str) -> None:
        self.inside.remove(address)
        self.left.set()


async def test_the_gate_decides_by_the_address() -> None:
    """Who is not let in is cut; who was let in leaves when the connection is over."""
    gate = _OneAtATime()

    async with _serving(gate=gate) as port, asyncio.timeout(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET[:-1])

        assert await _ask(port, GET) in (b"", b"cut")
        assert gate.inside == ["127.0.0.1"]

        writer.write(GET[-1:])
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        await gate.left.wait()
        assert not gate.inside


def test_another_method_is_refused_with_those_there_are() -> None:
    """RFC 9110 section 15.5.6: "MUST generate an Allow header field"."""
    refusals = [wrong_method(method) for method in ("GET", "POST")]

    assert [one.status for one in refusals] == [405, 405]
    assert [one.headers for one in refusals] == [{"Allow": "GET, HEAD"}, {"Allow": "POST"}]


def test_text_is_for_people() -> None:
    """In UTF-8, with a line end."""
    assert text_response(404, "größer").body == "größer\n".encode()
