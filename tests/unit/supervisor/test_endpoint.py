"""The endpoint serves metrics and readiness over HTTP."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator

import pytest

from pillarbox.observe.metrics import exposition
from pillarbox.observe.readiness import Readiness
from pillarbox.supervisor.endpoint import Endpoint


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _metrics() -> bytes:
    return exposition()


async def _ready() -> Readiness:
    return Readiness()


@pytest.fixture
async def served() -> AsyncIterator[tuple[int, list[str]]]:
    """An endpoint on a free port, and the list of problems that it tells."""
    problems: list[str] = []

    async def readiness() -> Readiness:
        return Readiness(problems, {"submission": "127.0.0.1:587"})

    endpoint = Endpoint(_metrics, readiness)
    port = _free_port()
    await endpoint.start("127.0.0.1", port)
    yield port, problems
    await endpoint.close()


async def _ask(port: int, request: bytes) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    content_type = re.search(rb"Content-Type: ([^\r]+)", head)
    assert content_type is not None
    return int(head.split(b" ")[1]), content_type[1].decode(), body


async def test_metrics_are_served(served: tuple[int, list[str]]) -> None:
    """GET /metrics answers in the text format of Prometheus."""
    status, content_type, body = await _ask(served[0], b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status == 200
    assert content_type.startswith("text/plain")
    assert b"pillarbox_reception_accepted_messages_total" in body


async def test_a_service_without_problems_is_ready(served: tuple[int, list[str]]) -> None:
    """GET /readyz answers 200 and names the listeners."""
    status, content_type, body = await _ask(
        served[0], b"GET /readyz?x=1 HTTP/1.1\r\nHost: x\r\n\r\n"
    )

    assert (status, content_type) == (200, "application/json")
    assert json.loads(body) == {
        "ready": True,
        "problems": [],
        "listeners": {"submission": "127.0.0.1:587"},
    }


async def test_readyz_says_what_is_wrong(served: tuple[int, list[str]]) -> None:
    """With a problem GET /readyz answers 503 and the problem."""
    port, problems = served
    problems.append("spool: full: 3 MiB are free")

    status, _, body = await _ask(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert status == 503
    assert json.loads(body)["problems"] == ["spool: full: 3 MiB are free"]


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /", 404), (b"POST /metrics", 405)],
)
async def test_other_requests_are_refused(
    served: tuple[int, list[str]], request_line: bytes, status: int
) -> None:
    """There is nothing else to get."""
    answer = await _ask(served[0], request_line + b" HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer[0] == status


async def test_a_taken_port_does_not_stop_the_service(served: tuple[int, list[str]]) -> None:
    """Without its port the endpoint is missing, and mail goes on."""
    other = Endpoint(_metrics, _ready)

    await other.start("127.0.0.1", served[0])

    await other.close()
