"""What a next hop allows in a time, measured there: a burst into one mailbox, also with two workers
of which the one that delivers is killed."""

import os
import re
import signal
import smtplib
import ssl
from pathlib import Path

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

CONNECTIONS = 2


def _route(service: Pillarbox, hop: NextHop, window: str) -> None:
    target = f"127.0.0.1:{hop.port}"
    limits = ("--connections", str(CONNECTIONS), "--window", window)
    service.admin("route", "add", "--smarthost", target, "--tls", "none", *limits)


def _burst(service: Pillarbox, count: int) -> None:
    """As fast as one client can; nothing is refused to it."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
        client.login(service.username, service.password)
        for number in range(count):
            text = f"From: {service.username}\r\nSubject: burst-{number}.\r\n\r\nHello\r\n"
            assert client.sendmail(service.username, ["bob@far.example"], text) == {}


def _subjects(hop: NextHop) -> set[bytes]:
    return {found[0] for one in hop.taken for found in [re.findall(rb"burst-\d+\.", one.octets)]}


def _check(hop: NextHop, amount: int, seconds: float) -> None:
    """Never more transactions in any so many seconds, and never more connections."""
    assert hop.most_connections <= CONNECTIONS
    begun = sorted(hop.begun)
    spans = [late - early for early, late in zip(begun, begun[amount:], strict=False)]
    assert min(spans) >= seconds


def _wait(hop: NextHop, count: int, seconds: float) -> None:
    wait_until(lambda: len(_subjects(hop)) == count, seconds, f"{count} messages at the next hop")


def test_a_burst_into_a_window_is_spread_by_the_window(tmp_path: Path, next_hop: NextHop) -> None:
    """All of it is taken at once, none of it is lost, and the next hop never sees more."""
    next_hop.open()
    with running(tmp_path) as service:
        _route(service, next_hop, "40 messages in 1 s")
        _burst(service, 120)
        _wait(next_hop, 120, 60)

        [route] = service.admin_json("route", "list")
        [window] = service.admin_json("route", "show", route["id"])["windows"]
        assert (window["amount"], window["seconds"]) == (40, 1)
    _check(next_hop, 40, 1)
    assert len(next_hop.taken) == 120


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_workers_keep_to_the_window_when_the_owner_dies(
    tmp_path: Path, next_hop: NextHop, postgresql_url: str
) -> None:
    """Both are killed in turn, so the one that delivers is among them; the other one goes on where
    the window stands. What was under way may arrive twice."""
    next_hop.open()
    first_lines = f'workers = 2\ndatabase_url = "{postgresql_url}"\n'
    with running(tmp_path, first_lines=first_lines) as service:
        _route(service, next_hop, "20 messages in 3 s")
        _burst(service, 60)
        wait_until(lambda: len(next_hop.taken) > 10, 30, "the first messages")
        for victim in _workers(service):
            before = len(_workers(service))
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(_workers(service)) > before, 30, "the next worker")  # noqa: B023
        _wait(next_hop, 60, 90)
    _check(next_hop, 20, 3)


def _workers(service: Pillarbox) -> list[int]:
    return [event["pid"] for event in service.events("worker.started")]


@pytest.mark.long
@pytest.mark.timeout(3000)
def test_600_messages_into_a_mailbox_with_30_a_minute(tmp_path: Path, next_hop: NextHop) -> None:
    """In true minutes: twenty of them, and one kill of everything in the middle."""
    next_hop.open()
    with running(tmp_path) as service:
        _route(service, next_hop, "30 messages in 60 s")
        _burst(service, 600)
        wait_until(lambda: len(next_hop.taken) > 305, 900, "half of it")
        service.kill()
        service.start()
        _wait(next_hop, 600, 1500)
    _check(next_hop, 30, 60)
