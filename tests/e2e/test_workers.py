"""Several workers of one service: all of them serve, caps hold for all together, one may die."""

import os
import signal
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from uuid import uuid4

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

SECONDS = 60.0
WORKERS = 2
CONNECTIONS = 24
"""At once, so that a worker that is busy with one leaves others to the other."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with two workers."""
    pillarbox = Pillarbox(tmp_path_factory.mktemp("pillarbox"))
    text = pillarbox.config.read_text()
    pillarbox.config.write_text(f"workers = {WORKERS}\n{text}")
    try:
        pillarbox.start()
        yield pillarbox
    finally:
        code = pillarbox.stop()
    assert code == 0, pillarbox.log[-4000:]


def _send(service: Pillarbox, domain: str, *, connections: int = CONNECTIONS) -> list[bytes]:
    """A message over each of many connections that are open at the same time; their marks."""
    context = ssl.create_default_context(cafile=service.ca_file)
    marks = []
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60)
            )
            for _ in range(connections)
        ]
        for client in clients:
            client.login(service.username, service.password)
            mark = uuid4().hex
            text = f"From: {service.username}\r\nSubject: {mark}\r\n\r\nHello\r\n"
            assert client.sendmail(service.username, [f"bob@{domain}"], text) == {}
            marks.append(mark.encode())
    return marks


def _route(service: Pillarbox, hop: NextHop, *options: str) -> str:
    """A route of its own domain to a next hop; the domain."""
    domain = f"d{uuid4().hex[:12]}.example"
    target = f"127.0.0.1:{hop.port}"
    words = ("--to", domain, "--smarthost", target, "--tls", "none")
    before = len(service.events("directory.changed"))
    service.admin("route", "add", *words, *options)
    # Each worker looks for changes once a second.
    wait_until(
        lambda: len(service.events("directory.changed")) >= before + WORKERS,
        SECONDS,
        "the route to be known to all workers",
    )
    return domain


def _arrive(hop: NextHop, marks: list[bytes]) -> None:
    wait_until(lambda: all(hop.copies(mark) for mark in marks), SECONDS, "all messages")
    assert [hop.copies(mark) for mark in marks] == [1] * len(marks)


def _workers(service: Pillarbox) -> list[int]:
    return [event["pid"] for event in service.events("worker.started")]


def _counted(service: Pillarbox, name: str) -> float:
    lines = service.get("/metrics")[1].splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_mail_arrives_once_and_is_counted_once(service: Pillarbox, next_hop: NextHop) -> None:
    """Whichever worker took it: metrics are the sums over all workers."""
    next_hop.open()
    domain = _route(service, next_hop)
    name = "pillarbox_reception_accepted_messages_total"
    before = _counted(service, name)

    marks = _send(service, domain)

    _arrive(next_hop, marks)
    assert _counted(service, name) - before == len(marks)


def test_a_cap_that_can_not_be_divided_has_one_owner(service: Pillarbox, next_hop: NextHop) -> None:
    """Mail that the other worker took reaches the one lane, and the cap holds for both together."""
    next_hop.open()
    domain = _route(service, next_hop, "--connections", "1")

    marks = _send(service, domain)

    _arrive(next_hop, marks)
    assert next_hop.most_connections == 1


def test_mail_of_a_dead_worker_goes_on(service: Pillarbox, next_hop: NextHop) -> None:
    """One worker is killed with mail in its lane; the other serves, and nothing is lost."""
    domain = _route(service, next_hop)
    marks = _send(service, domain)

    os.kill(_workers(service)[-1], signal.SIGKILL)
    wait_until(lambda: len(_workers(service)) == WORKERS + 1, SECONDS, "a new worker")
    marks += _send(service, domain, connections=4)
    next_hop.open()
    wait_until(lambda: service.get("/readyz")[0] == 200, SECONDS, "readiness")
    service.admin("queue", "retry", "--domain", domain)

    wait_until(lambda: all(next_hop.copies(mark) for mark in marks), SECONDS, "all messages")
    assert not service.admin_json("queue", "list", "--domain", domain)


def test_readiness_is_that_of_the_service(service: Pillarbox) -> None:
    """/readyz names the listeners, and is ready while a worker is."""
    status, text = service.get("/readyz")

    assert status == 200
    assert str(service.tls_port) in text


@pytest.fixture
def next_hop() -> Iterator[NextHop]:
    """A next hop of the test's own, which does not listen yet."""
    hop = NextHop()
    yield hop
    hop.shut()


def test_the_file_of_turns_is_private(service: Pillarbox) -> None:
    """Nobody else may stop the workers by holding it."""
    assert [file.stat().st_mode & 0o077 for file in service.folder.glob("*-turns")] == [0]
