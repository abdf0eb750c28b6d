"""`pillarbox readyz` against a real HTTP endpoint (pillarbox.cli.readyz)."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from pillarbox.cli.root import root


@contextmanager
def _endpoint(status: int, text: str) -> Iterator[int]:
    """An endpoint that answers every request so; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        yield server.server_port
        thread.join()


def _readyz(tmp_path: Path, port: int, *arguments: str) -> Result:
    file = tmp_path / "pillarbox.toml"
    file.write_text(f'host_name = "mail.example.org"\nmetrics.port = {port}\n')
    return CliRunner().invoke(root, ["--config", str(file), "readyz", *arguments])


def test_ready_service_is_0(tmp_path: Path) -> None:
    """200: it takes mail."""
    with _endpoint(200, '{"ready": true, "problems": []}') as port:
        result = _readyz(tmp_path, port)

    assert (result.exit_code, result.stdout) == (0, "The service is ready.\n")


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["people", "json"])
def test_service_in_trouble_is_75_with_its_reason(tmp_path: Path, arguments: list[str]) -> None:
    """503: it runs, and says why it takes nothing now."""
    with _endpoint(503, '{"ready": false, "problems": ["spool: full"]}') as port:
        result = _readyz(tmp_path, port, *arguments)

    assert result.exit_code == 75
    assert "spool: full" in result.stderr
    if arguments:
        assert json.loads(result.stdout) == {"ready": False, "problems": ["spool: full"]}


def test_other_program_on_the_port_is_69(tmp_path: Path) -> None:
    """What answers is not Pillarbox."""
    with _endpoint(200, "<html>") as port:
        result = _readyz(tmp_path, port)

    assert result.exit_code == 69
    assert "metrics.port" in result.stderr


def test_service_that_does_not_run_is_69(tmp_path: Path) -> None:
    """Nobody listens: the fix is to start it."""
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        port = server.server_port

    result = _readyz(tmp_path, port)

    assert result.exit_code == 69
    assert "pillarbox serve" in result.stderr
