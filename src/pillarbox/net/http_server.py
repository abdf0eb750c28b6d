"""A small HTTP/1.1 server (h11): one request a connection, small bodies, each step with its limit.

For what is asked now and then: metrics, readiness, settings of clients. An error in a handler
answers 500 and is logged; nothing that a client does gets further than its own connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from functools import partial
from typing import Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from pillarbox.observe.log import log

CONNECTIONS = 100
"""So many clients are served at once."""
HEAD_OCTETS = 16_384
BODY_OCTETS = 65_536
REQUEST_SECONDS = 10.0
"""From the connection to the answer; the handshake of TLS has as long for itself."""
CLOSE_SECONDS = 10.0
"""From the answer to the end: it has to be read, and under TLS the good-bye answered."""
PAUSE_SECONDS = 1.0
READ_OCTETS = 16_384


@dataclass(frozen=True, slots=True)
class Request:
    """A request. HEAD is GET in `method`: the answer goes without its content. `host` is in lower
    case and without a port, "" where none was named; `path` is decoded; of a parameter that comes
    several times the last one counts."""

    method: str
    host: str
    path: str
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """An answer; `headers` are those beside Content-Type and Content-Length."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


def text_response(status: int, text: str) -> Response:
    """An answer for people."""
    return Response(status, "text/plain; charset=utf-8", f"{text}\n".encode())


def wrong_method(allowed: str) -> Response:
    """The answer where something else can only be asked for by this method."""
    methods = "GET, HEAD" if allowed == "GET" else allowed
    headers = {"Allow": methods}
    return replace(text_response(405, f"only {methods}"), headers=headers)


class Gate(Protocol):
    """Decides who is served, by the address."""

    def enter(self, address: str) -> bool:
        """Whether a connection from there is served. If so, it will leave."""
        ...

    def leave(self, address: str) -> None:
        """A connection that was let in is over."""
        ...


class HttpServer:
    """Serves one socket with one handler, at most `connections` clients at once; further ones, and
    those that `gate` does not let in, are cut before they cost anything."""

    def __init__(
        self,
        handler: Handler,
        *,
        connections: int = CONNECTIONS,
        gate: Gate | None = None,
    ) -> None:
        self._handler = handler
        self._connections = connections
        self._gate = gate
        self._accepting: asyncio.Task[None] | None = None
        self._open: set[asyncio.Task[None]] = set()

    def start(
        self, bound: socket.socket, context: Callable[[], ssl.SSLContext | None] = lambda: None
    ) -> None:
        """Take connections from a socket that listens and does not block; `context` is that of the
        next handshake, None: without TLS."""
        self._accepting = asyncio.create_task(self._accept(bound, context))

    async def close(self) -> None:
        """Take no more, and end those that are open."""
        tasks = [task for task in (self._accepting, *self._open) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(
        self, bound: socket.socket, context: Callable[[], ssl.SSLContext | None]
    ) -> None:
        loop = asyncio.get_running_loop()
        with bound:
            while True:
                try:
                    client, peer = await loop.sock_accept(bound)
                except OSError as error:
                    # Too many open files, for one.
                    log.error("http.accept_failed", cause=str(error))
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                if not self._enters(peer[0]):
                    client.close()
                    continue
                task = asyncio.create_task(self._serve(client, context()))
                self._open.add(task)
                task.add_done_callback(partial(self._gone, peer[0]))

    def _enters(self, address: str) -> bool:
        is_full = len(self._open) >= self._connections
        return not is_full and (self._gate is None or self._gate.enter(address))

    def _gone(self, address: str, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        if self._gate is not None:
            self._gate.leave(address)

    async def _serve(self, client: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=HEAD_OCTETS, loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                transport, _ = await loop.connect_accepted_socket(
                    lambda: protocol, client, ssl=context
                )
        except (TimeoutError, OSError):
            # No client of ours: wrong port, or it does not trust the certificate.
            client.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                writer.write(await self._answer(reader, writer))
                await writer.drain()
        except (TimeoutError, OSError):
            # The client went away, or is none.
            transport.abort()
        except asyncio.CancelledError:
            # The service ends, and does not wait for a good-bye.
            transport.abort()
            raise
        finally:
            await _close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_OCTETS)
        is_head = False
        try:
            head = await _next(http, reader)
            if not isinstance(head, h11.Request):
                return b""
            is_head = head.method == b"HEAD"
            if http.they_are_waiting_for_100_continue:
                writer.write(_go_on(head, http))
            request = await _read(head, http, reader)
        except h11.RemoteProtocolError as error:
            refusal = text_response(error.error_status_hint, "that is no request")
            return _octets(http, refusal, is_head=is_head)
        try:
            response = await self._handler(request)
        except Exception:
            log.exception("http.failed", path=request.path)
            response = text_response(500, "that failed; the log of the service says why")
        return _octets(http, response, is_head=is_head)


async def _close(writer: asyncio.StreamWriter) -> None:
    """Until it is closed it has a descriptor, so it keeps its place among the connections."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()
    except (TimeoutError, OSError):
        # It does not read, or does not answer the good-bye of TLS.
        pass
    finally:
        writer.transport.abort()


def _go_on(head: h11.Request, http: h11.Connection) -> bytes:
    """What a client that waits with its body gets first. Raises h11.RemoteProtocolError."""
    if int(dict(head.headers).get(b"content-length", b"0")) > BODY_OCTETS:
        raise _too_large()
    return http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""


def _too_large() -> h11.RemoteProtocolError:
    return h11.RemoteProtocolError("the body is too large", error_status_hint=413)


async def _read(head: h11.Request, http: h11.Connection, reader: asyncio.StreamReader) -> Request:
    """The whole request. Raises h11.RemoteProtocolError."""
    body = b""
    while isinstance(event := await _next(http, reader), h11.Data):
        body += event.data
        if len(body) > BODY_OCTETS:
            raise _too_large()
    headers = dict(head.headers)
    try:
        target = urlsplit(head.target.decode("ascii", "replace"))
    except ValueError as error:
        # A bracket that is not closed, for one.
        raise h11.RemoteProtocolError("the target is no URI") from error
    # RFC 9112 section 3.2.2: with the absolute form a server "MUST ignore the received Host header
    # field (if any)".
    field_host = headers.get(b"host", b"").decode("ascii", "replace")
    host = (target.netloc if target.scheme else field_host).lower()
    return Request(
        "GET" if head.method == b"HEAD" else head.method.decode("ascii"),
        host if host.endswith("]") else host.rpartition(":")[0] or host,
        unquote(target.path),
        dict(parse_qsl(target.query, keep_blank_values=True)),
        body,
    )


async def _next(http: h11.Connection, reader: asyncio.StreamReader) -> object:
    while (event := http.next_event()) is h11.NEED_DATA:
        http.receive_data(await reader.read(READ_OCTETS))
    return event


def _octets(http: h11.Connection, response: Response, *, is_head: bool = False) -> bytes:
    """The whole answer, after which the connection closes."""
    headers = [
        # RFC 9110 section 6.6.1: "An origin server with a clock MUST generate a Date header field".
        ("Date", formatdate(usegmt=True)),
        ("Content-Type", response.content_type),
        ("Content-Length", str(len(response.body))),
        ("Connection", "close"),
        *response.headers.items(),
    ]
    octets = http.send(h11.Response(status_code=response.status, headers=headers)) or b""
    if not is_head:
        octets += http.send(h11.Data(data=response.body)) or b""
    return octets + (http.send(h11.EndOfMessage()) or b"")
