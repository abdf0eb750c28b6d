"""net.https: a request ends in time, whatever the server does; net.https_session goes on."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pillarbox.net.https import MAX_ANSWER_OCTETS, Answer, HttpsFailed, request
from pillarbox.net.https_session import HttpsSession
from pillarbox.net.tls import client_context, server_context

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]
SOON = 0.5


@asynccontextmanager
async def serving(folder: Path, answer: Answering) -> AsyncIterator[str]:
    """A server that answers each request like this; its address."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    tls = server_context(folder / "certificate.pem", folder / "key.pem")
    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://localhost:{listener.sockets[0].getsockname()[1]}/"
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def context(issuer_ca: Path) -> ssl.SSLContext:
    """Trusts the server."""
    return client_context(verify=True, ca_file=str(issuer_ca / "ca.pem"))


async def trickle_head(writer: asyncio.StreamWriter) -> None:
    """A header without end, an octet at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def trickle_body(writer: asyncio.StreamWriter) -> None:
    """A body without end, an octet at a time."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def be_silent(writer: asyncio.StreamWriter) -> None:
    """Nothing."""
    del writer
    await asyncio.Event().wait()


@pytest.mark.parametrize("answer", [trickle_head, trickle_body, be_silent])
async def test_a_server_that_trickles_gets_no_more_time(
    issuer_ca: Path, context: ssl.SSLContext, answer: Answering
) -> None:
    """The limit is for the whole request: each octet would buy more time else."""
    async with serving(issuer_ca, answer) as url:
        with pytest.raises(HttpsFailed, match=r"no answer within 0\.5 seconds"):
            async with asyncio.timeout(20):
                await request("GET", url, context=context, seconds=SOON)


async def test_a_handshake_that_hangs_leaves_no_connection(context: ssl.SSLContext) -> None:
    """It has half of the time; what was begun is closed, not left to the collector."""
    gone = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        gone.set()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with listener, asyncio.timeout(20):
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
        with pytest.raises(HttpsFailed, match="no connection within 1 seconds"):
            await request("GET", url, context=context, seconds=2)
        await gone.wait()


async def test_an_answer_without_end_is_cut(issuer_ca: Path, context: ssl.SSLContext) -> None:
    """It would fill the memory."""

    async def flood(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(2 * MAX_ANSWER_OCTETS // 65_536):
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(issuer_ca, flood) as url:
        with pytest.raises(HttpsFailed, match="no end"):
            await request("GET", url, context=context)


async def test_a_redirection_is_not_followed(issuer_ca: Path, context: ssl.SSLContext) -> None:
    """The form with its secrets goes to the address of the route only."""

    async def redirect(writer: asyncio.StreamWriter) -> None:
        where = b"Location: https://other.test/"
        writer.write(b"HTTP/1.1 307 Go\r\n%b\r\nContent-Length: 0\r\n\r\n" % where)

    async with serving(issuer_ca, redirect) as url:
        answer = await request("POST", url, context=context, data={"secret": "x"})

    assert answer.status == 307


@pytest.mark.parametrize(
    "octets", [b"220 mx.test ESMTP\r\n", b"HTTP/1.1 200\r\nno field\r\n\r\n", b""]
)
async def test_what_is_no_http_is_named(
    issuer_ca: Path, context: ssl.SSLContext, octets: bytes
) -> None:
    """Something else listens there."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(octets)

    async with serving(issuer_ca, answer) as url:
        with pytest.raises(HttpsFailed):
            await request("GET", url, context=context)


async def test_a_cookie_that_nobody_can_send_back_ends_no_session(
    issuer_ca: Path, context: ssl.SSLContext
) -> None:
    """Cookies are not kept; the next requests would all fail else."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        fields = b"Set-Cookie: \xff=1\r\nConnection: close"
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: 0\r\n\r\n" % fields)

    session = HttpsSession(context, connect_seconds=20, total_seconds=20)
    async with serving(issuer_ca, answer) as url:
        answers = [await session.request("POST", url, headers={}) for _ in range(2)]
        await session.close()

    assert [each.status for each in answers if isinstance(each, Answer)] == [200, 200]
