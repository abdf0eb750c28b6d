"""/metrics and /readyz, on the loopback as a rule. It speaks to scrapers only.

/readyz answers 200 while the service takes mail and 503 otherwise, with a JSON object that says
what is wrong: `{"ready": false, "problems": ["spool: full: …"], "listeners": {…}}`.
"""

import socket
from collections.abc import Awaitable, Callable

from prometheus_client import CONTENT_TYPE_LATEST

from pillarbox.net.http_server import HttpServer, Request, Response, text_response, wrong_method
from pillarbox.observe.log import log
from pillarbox.observe.readiness import Readiness


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
        self._server = HttpServer(self._answer)

    async def start(self, address: str, port: int) -> None:
        """Listen; a port that is taken costs the metrics, never the mail."""
        try:
            bound = socket.create_server(
                (address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET
            )
        except OSError as error:
            log.error("metrics.not_served", address=address, port=port, cause=str(error.strerror))
            return
        bound.setblocking(False)
        self._server.start(bound)
        bound_address, bound_port = bound.getsockname()[:2]
        log.info("metrics.bound", address=bound_address, port=bound_port)

    async def close(self) -> None:
        """Stop listening."""
        await self._server.close()

    async def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return wrong_method("GET")
        match request.path:
            case "/metrics":
                return Response(200, CONTENT_TYPE_LATEST, await self._metrics())
            case "/readyz":
                readiness = await self._readiness()
                status = 503 if readiness.problems else 200
                return Response(status, "application/json", readiness.to_json())
            case _:
                return text_response(404, "there are /metrics and /readyz")
