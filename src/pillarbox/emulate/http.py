"""HTTP/1.1 for the authority, Graph and the control API: h11 over a stream.

A handler may cut the connection or let it hang, which servers for everyday use do not do.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import h11

from pillarbox.emulate.faults import Action, Service, Stage
from pillarbox.emulate.streams import Stream
from pillarbox.emulate.world import World

IDLE_SECONDS = 75.0
BODY_SECONDS = 60.0
DISCARD_OCTETS = 64 * 1024 * 1024
"""So much of a body that is too large is read, to say so; then the connection ends."""

JSON = "application/json; charset=utf-8"


class CutError(ConnectionError):
    """The connection is to end without an answer."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(status, json.dumps(value, indent=1).encode() + b"\n", JSON, headers or {})


class Request:
    """A request; its body is read when it is asked for."""

    def __init__(self, event: h11.Request, connection: "_Connection") -> None:
        self._connection = connection
        self.method = event.method.decode("ascii")
        target = urlsplit(event.target.decode("ascii", "replace"))
        self.path = target.path
        self.segments = tuple(unquote(part) for part in target.path.split("/")[1:]) or ("",)
        self.query = dict(parse_qsl(target.query, keep_blank_values=True))
        self.headers = {
            name.decode("ascii").lower(): value.decode("latin-1") for name, value in event.headers
        }

    async def body(self, limit_octets: int) -> bytes | None:
        """All of it; None where there is more. Raises OSError where the client goes away."""
        return await self._connection.body(limit_octets)

    async def wait_for_end(self) -> None:
        """Wait until the client has given up."""
        await self._connection.wait_for_end()

    async def form(self, limit_octets: int = 65_536) -> dict[str, str]:
        """The fields of application/x-www-form-urlencoded."""
        body = await self.body(limit_octets) or b""
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]


async def meet_fault(
    world: World, service: Service, stage: Stage, request: Request, mailbox: str = ""
) -> Response | None:
    """The answer that a fault gives at this stage, None for the usual one. Raises CutError."""
    fault = world.faults.take(service, stage, mailbox=mailbox, path=request.path)
    if fault is None:
        return None
    match fault.action:
        case Action.CUT:
            raise CutError("ordered")
        case Action.HANG:
            await request.wait_for_end()
            raise CutError("the client has given up")
        case Action.DELAY:
            await asyncio.sleep(fault.seconds)
            return None
        case Action.REPLY:
            return Response(fault.status, fault.body.encode(), JSON, fault.headers)


class HttpServer:
    """Serves connections with one handler."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    async def serve(self, stream: Stream) -> None:
        """One connection to its end. Raises OSError where the client goes away."""
        connection = _Connection(stream)
        try:
            while (request := await connection.next_request()) is not None:
                response = await self._handler(request)
                await connection.body(0)
                if not await connection.answer(response):
                    break
            await stream.close()
        except (CutError, TimeoutError):
            stream.cut()
        except h11.RemoteProtocolError:
            await stream.write(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
            await stream.close()


class _Connection:
    """h11 and the stream below it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)
        self._body: bytes | None = None
        self._is_read = False

    async def next_request(self) -> Request | None:
        """None where the client has nothing more to say."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                event = await self._event()
        except TimeoutError:
            return None
        if not isinstance(event, h11.Request):
            return None
        self._is_read = False
        return Request(event, self)

    async def body(self, limit_octets: int) -> bytes | None:
        """The body of the request, once; None where it is larger than the limit."""
        if self._is_read:
            return self._body
        self._is_read = True
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._stream.write(self._http.send(go_on) or b"")
        parts: list[bytes] = []
        size = 0
        async with asyncio.timeout(BODY_SECONDS):
            while isinstance(event := await self._event(), h11.Data):
                size += len(event.data)
                if size <= limit_octets:
                    parts.append(bytes(event.data))
                elif size > DISCARD_OCTETS:
                    raise CutError("the body has no end")
        if not isinstance(event, h11.EndOfMessage):
            raise CutError("the client went away in the body")
        self._body = b"".join(parts) if size <= limit_octets else None
        return self._body

    async def answer(self, response: Response) -> bool:
        """Send it; whether another request may follow."""
        headers = [("Content-Length", str(len(response.body))), *response.headers.items()]
        if response.content_type:
            headers.append(("Content-Type", response.content_type))
        http = self._http
        octets = http.send(h11.Response(status_code=response.status, headers=headers)) or b""
        if response.body:
            octets += http.send(h11.Data(data=response.body)) or b""
        await self._stream.write(octets + (http.send(h11.EndOfMessage()) or b""))
        if http.our_state is not h11.DONE or http.their_state is not h11.DONE:
            return False
        http.start_next_cycle()
        return True

    async def wait_for_end(self) -> None:
        """Read what comes and give no answer, until the client goes away."""
        while await self._stream.read():
            pass

    async def _event(self) -> object:
        """The next event of h11."""
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.read())
        if event is h11.PAUSED:
            raise CutError("the client did not wait for the answer")
        return event
