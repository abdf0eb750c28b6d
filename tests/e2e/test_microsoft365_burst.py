"""A burst into mailboxes of Microsoft 365 with the limits that Microsoft has: what the emulator saw
of it, in true minutes. One worker on SQLite and two on PostgreSQL, by SMTP and by Graph, all at
once: they wait most of the time.
"""

import smtplib
import ssl
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.crash.campaign import report
from tests.e2e.letters import SENDER
from tests.e2e.pair import instance_of
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until
from tests.support.emulator_process import EmulatorProcess

from pillarbox.emulate.config import SAMPLE_SECRET

MESSAGES = 600
CLIENTS = 4
A_MINUTE = 30
MINUTE_SECONDS = 60.0
SMTP_CONNECTIONS, GRAPH_REQUESTS = 2, 4
"""What a route has that says nothing of limits; Microsoft refuses the fourth and the fifth."""

MAILBOXES = {"smtp": "smtp@contoso.example", "graph": "graph@contoso.example"}
TRUE_SECONDS = MESSAGES / A_MINUTE * MINUTE_SECONDS
SPARE_SECONDS = 300.0


def _route(service: Pillarbox, emulator: EmulatorProcess) -> None:
    """Mail for smtp.example goes by SMTP, mail for graph.example by Graph; the usual limits."""
    for way, mailbox in MAILBOXES.items():
        words = ("--to", f"{way}.example", "--other-from", "rewrite")
        route = emulator.route_words(way, [mailbox])
        service.admin("route", "add", *words, *route, stdin=f"{SAMPLE_SECRET}\n")


def _send_share(service: Pillarbox, share: range) -> set[int]:
    """Which workers took it."""
    workers: set[int] = set()
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
        client.login(service.username, service.password)
        for number in share:
            for way in MAILBOXES:
                to = f"bob-{number}@{way}.example"
                text = f"From: {SENDER}\r\nTo: {to}\r\nSubject: {number}\r\n\r\nHello\r\n"
                client.mail(SENDER)
                client.rcpt(to)
                code, said = client.data(text)
                assert code == 250, said
                workers.add(instance_of(said))
    return workers


def _burst(service: Pillarbox) -> int:
    """As fast as it takes them; nothing is refused. How many workers took some."""
    shares = [range(first, MESSAGES, CLIENTS) for first in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as clients:
        return len(set().union(*clients.map(lambda share: _send_share(service, share), shares)))


def _wait(emulator: EmulatorProcess, name: str) -> None:
    last = MESSAGES * len(MAILBOXES)
    wait_until(
        lambda: emulator.ask("GET", f"/messages?after={last - 1}"),
        TRUE_SECONDS + SPARE_SECONDS,
        f"all messages of {name}",
        again_seconds=1.0,
    )


def _check(emulator: EmulatorProcess, name: str) -> None:
    """All of it came, once, and never more than is allowed."""
    copies = Counter(one["recipients"][0] for one in emulator.ask("GET", "/messages"))
    assert copies == {
        f"bob-{number}@{way}.example": 1 for number in range(MESSAGES) for way in MAILBOXES
    }
    statistics, connections = emulator.ask("GET", "/stats"), emulator.ask("GET", "/connections")
    smtp, graph = (statistics[mailbox] for mailbox in MAILBOXES.values())
    for way, one in (("SMTP", smtp), ("Graph", graph)):
        report(f"{name}, {way}: {_told(one)}; connections at most: {connections[way.lower()]}")
        assert _least_seconds(one) >= MINUTE_SECONDS
        assert (one["refused"], one["delayed"], one["throttled"], one["too_early"]) == (0,) * 4
    assert max(smtp["most_connections"], connections["smtp"]["most"]) <= SMTP_CONNECTIONS
    assert max(graph["most_parallel_requests"], connections["graph"]["most"]) <= GRAPH_REQUESTS


def _least_seconds(one: dict[str, Any]) -> float:
    """In which more messages came than are allowed in a minute."""
    arrived: list[float] = one["arrived_at"]
    return min(late - early for early, late in zip(arrived, arrived[A_MINUTE:], strict=False))


def _told(one: dict[str, Any]) -> str:
    seconds = one["arrived_at"][-1] - one["arrived_at"][0]
    return (
        f"{one['accepted']} messages in {seconds:.1f} s, most in 60 s {one['most_in_window']}, "
        f"{A_MINUTE + 1} in {_least_seconds(one):.3f} s at least, sessions at most "
        f"{one['most_connections']}, requests at once at most {one['most_parallel_requests']}"
    )


@pytest.mark.long
@pytest.mark.timeout(2 * TRUE_SECONDS)
def test_600_messages_into_a_mailbox_keep_to_its_limits(
    tmp_path: Path, postgresql_url: str
) -> None:
    """Neither more connections nor more in any minute than Microsoft allows; nothing is refused."""
    workers = {
        "one worker, SQLite": "",
        "two workers, PostgreSQL": f'workers = 2\ndatabase_url = "{postgresql_url}"\n',
    }
    with ExitStack() as stack:
        emulators: dict[str, EmulatorProcess] = {}
        for number, (name, first_lines) in enumerate(workers.items(), start=1):
            folder = tmp_path / name.partition(",")[0].replace(" ", "-")
            folder.mkdir()
            emulator = EmulatorProcess(folder / "emulator", [*MAILBOXES.values()])
            emulators[name] = stack.enter_context(emulator)
            service = stack.enter_context(running(folder, first_lines=first_lines))
            _route(service, emulator)
            assert _burst(service) == number
        for name, emulator in emulators.items():
            _wait(emulator, name)
            _check(emulator, name)
