"""A service with two workers, and mail for it over many connections at once."""

import smtplib
import ssl
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

from pillarbox.mail.identifier import INSTANCES, parse_id

SECONDS = 60.0
WORKERS = 2
CONNECTIONS = 24
"""At once, so that a worker that is busy with one leaves others to the other."""

_SEQUENCE_BITS = 12


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message that was answered with 250: a text in it, and who took it."""

    mark: bytes
    instance: int


@contextmanager
def worker_pair(folder: Path, environment: Mapping[str, str]) -> Iterator[Pillarbox]:
    """Start it with this in its environment, too; it must end well."""
    pillarbox = Pillarbox(folder)
    pillarbox.environment |= environment
    text = pillarbox.config.read_text()
    pillarbox.config.write_text(f"workers = {WORKERS}\n{text}")
    try:
        pillarbox.start()
        wait_until(lambda: len(worker_pids(pillarbox)) == WORKERS, SECONDS, "all workers")
        yield pillarbox
    finally:
        code = pillarbox.stop()
    assert code == 0, pillarbox.log[-4000:]


def worker_pids(service: Pillarbox) -> list[int]:
    """Of all that were started so far."""
    return [event["pid"] for event in service.events("worker.started")]


def route_to(service: Pillarbox, hop: NextHop, *options: str) -> str:
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


def send(service: Pillarbox, domain: str, *, connections: int = CONNECTIONS) -> list[Accepted]:
    """A message over each of many connections that are open at the same time."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(
                smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60)
            )
            for _ in range(connections)
        ]
        return [_send_one(service, client, domain) for client in clients]


def _send_one(service: Pillarbox, client: smtplib.SMTP, domain: str) -> Accepted:
    mark = uuid4().hex
    client.login(service.username, service.password)
    client.mail(service.username)
    client.rcpt(f"bob@{domain}")
    text = f"From: {service.username}\r\nSubject: {mark}\r\n\r\nHello\r\n"
    code, said = client.data(text)
    assert code == 250, said
    return Accepted(mark.encode(), instance_of(said))


def instance_of(said: bytes) -> int:
    """The number of the worker that took a message: its id is made there, and tells it."""
    queue_id = parse_id(said.decode().rsplit(maxsplit=1)[-1])
    return queue_id >> _SEQUENCE_BITS & INSTANCES - 1


def send_by_all(service: Pillarbox, domain: str) -> list[Accepted]:
    """Messages of which each worker has accepted some."""
    accepted: list[Accepted] = []

    def all_did() -> bool:
        accepted.extend(send(service, domain))
        return len({message.instance for message in accepted}) == WORKERS

    wait_until(all_did, SECONDS, "all workers to have taken mail")
    return accepted


def arrive(hop: NextHop, messages: list[Accepted]) -> None:
    """Each of them comes, once."""
    marks = [message.mark for message in messages]
    wait_until(lambda: all(hop.copies(mark) for mark in marks), SECONDS, "all messages")
    assert [hop.copies(mark) for mark in marks] == [1] * len(marks)
