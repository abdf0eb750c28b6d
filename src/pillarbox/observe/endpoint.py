"""A small HTTP server on the loopback for /metrics and /readyz. It speaks to scrapers only.

/readyz answers 200 while the service takes mail and 503 otherwise, with a JSON object that says
what is wrong: `{"ready": false, "problems": ["spool: full: …"], "listeners": {…}}`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field

import orjson
from prometheus_client import CONTENT_TYPE_LATEST

from pillarbox.observe.log import log

REQUEST_OCTETS = 8192
REQUEST_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the service takes mail, and why not. `listeners`: name to address and port."""

    problems: list[str] = field(default_factory=list)
    listeners: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """The body of /readyz."""
        return orjson.dumps(
            {"ready": not self.problems, **asdict(self)}, option=orjson.OPT_APPEND_NEWLINE
        )


class Endpoint:
    """The HTTP server; `metrics` (in the text format of Prometheus) and `readiness` are asked at
    every request."""

    def __init__(
        self,
        metrics: Callable[[], Awaitable[bytes]],
        readiness: Callable[[], Awaitable[Readiness]],
    ) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._server: asyncio.Server | None = None

    async def start(self, address: str, port: int) -> None:
        """Listen; a port that is taken costs the metrics, never the mail."""
        try:
            self._server = await asyncio.start_server(
                self._answer, address, port, limit=REQUEST_OCTETS
            )
        except OSError as error:
            log.error("metrics.not_served", address=address, port=port, cause=str(error.strerror))
            return
        bound = self._server.sockets[0].getsockname()
        log.info("metrics.bound", address=bound[0], port=bound[1])

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._respond(head.partition(b"\r\n")[0]))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            # The scraper went away, or is none.
            return
        finally:
            writer.close()

    async def _respond(self, request_line: bytes) -> bytes:
        """The whole answer to a request line like `GET /metrics HTTP/1.1`."""
        method, _, rest = request_line.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method != b"GET":
            return _response("405 Method Not Allowed", "text/plain", b"only GET\n")
        match path:
            case b"/metrics":
                return _response("200 OK", CONTENT_TYPE_LATEST, await self._metrics())
            case b"/readyz":
                readiness = await self._readiness()
                status = "503 Service Unavailable" if readiness.problems else "200 OK"
                return _response(status, "application/json", readiness.to_json())
            case _:
                return _response("404 Not Found", "text/plain", b"there are /metrics and /readyz\n")


def _response(status: str, content_type: str, body: bytes) -> bytes:
    """An HTTP/1.1 answer after which the connection closes (RFC 9112)."""
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
