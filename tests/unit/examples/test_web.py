"""The examples for FastAPI and Flask, as services in this process, with a real mail server."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pillarbox.testing import SmtpServer

EXAMPLES = Path(__file__).parents[3] / "examples"
LETTER = {"to": "ann@example.net", "subject": "Hi", "text": "Hello"}


def load(name: str) -> Any:
    """The module of an example."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(autouse=True)
def environment(smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the first lines of the examples export."""
    monkeypatch.setenv("MAIL_SERVER", f"smtp://{smtp_server.host}:{smtp_server.port}")
    monkeypatch.setenv("MAIL_USER", smtp_server.username)
    monkeypatch.setenv("MAIL_PASSWORD", smtp_server.password)
    monkeypatch.setenv("MAIL_CA_FILE", str(smtp_server.ca_file))
    monkeypatch.setenv("MAIL_ADMIN", "admin@example.net")


@pytest.fixture
def fastapi_service() -> Iterator[TestClient]:
    """The service of FastAPI, started and stopped."""
    with TestClient(load("fastapi").app) as client:
        yield client


@pytest.fixture
def flask_app() -> Iterator[Any]:
    """The service of Flask."""
    app = load("flask").create_app()
    yield app
    for handler in app.logger.handlers:
        handler.close()
    app.extensions["pillarbox"].close()


def test_fastapi_mails_a_letter(fastapi_service: TestClient, smtp_server: SmtpServer) -> None:
    """All requests share a connection."""
    answers = [fastapi_service.post("/letters", json=LETTER) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert smtp_server.wait_for_count(3)[0].text == "Hello\n"
    assert smtp_server.connections == 1


def test_fastapi_tells_refusals_from_what_may_go_later(
    fastapi_service: TestClient, smtp_server: SmtpServer
) -> None:
    """422 for good, also for what is no address; 503 with a time."""
    smtp_server.fail("rcpt", "550 5.1.1 Gone")
    smtp_server.fail("rcpt", "450 4.2.1 Busy")

    refused = fastapi_service.post("/letters", json=LETTER)
    later = fastapi_service.post("/letters", json=LETTER)
    wrong = fastapi_service.post("/letters", json={**LETTER, "to": "a@b\r\nBcc: c@d"})

    assert (refused.status_code, refused.json()["detail"]["code"]) == (422, "refused")
    assert (wrong.status_code, wrong.json()["detail"]["code"]) == (422, "argument")
    assert later.status_code == 503
    assert int(later.headers["Retry-After"]) > 0


def test_flask_mails_a_letter(flask_app: Any, smtp_server: SmtpServer) -> None:
    """And says what the mail server said."""
    answer = flask_app.test_client().post("/letters", data=LETTER)

    assert answer.status_code == 200
    assert list(answer.json) == ["ann@example.net"]
    assert smtp_server.wait_for(subject="Hi").text == "Hello\n"


def test_flask_mails_its_errors_to_the_admin(flask_app: Any, smtp_server: SmtpServer) -> None:
    """What does not go now is told to who can mend it."""
    smtp_server.fail("mail", "450 4.3.2 Not now")

    answer = flask_app.test_client().post("/letters", data=LETTER)
    for handler in flask_app.logger.handlers:
        handler.flush()

    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    told = smtp_server.wait_for(recipient="admin@example.net")
    assert told.subject.startswith("ERROR: mail does not go: ")
