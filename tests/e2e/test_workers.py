"""Several workers of one service: all of them serve, caps hold for all together, one may die."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.pair import (
    SECONDS,
    arrive,
    route_to,
    send,
    send_by_all,
    worker_pair,
    worker_pids,
)
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with two workers."""
    with worker_pair(tmp_path_factory.mktemp("pillarbox"), {}) as pillarbox:
        yield pillarbox


def _counted(service: Pillarbox, name: str) -> float:
    lines = service.get("/metrics")[1].splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(f"{name} "))


def test_all_workers_take_mail_which_is_counted_once(service: Pillarbox, next_hop: NextHop) -> None:
    """Each of them answers sessions; metrics are the sums over all workers."""
    next_hop.open()
    domain = route_to(service, next_hop)
    name = "pillarbox_reception_accepted_messages_total"
    before = _counted(service, name)

    messages = send_by_all(service, domain)

    arrive(next_hop, messages)
    assert _counted(service, name) - before == len(messages)


def test_a_cap_that_can_not_be_divided_has_one_owner(service: Pillarbox, next_hop: NextHop) -> None:
    """Mail that the other worker took reaches the one lane, and the cap holds for both together."""
    next_hop.open()
    domain = route_to(service, next_hop, "--connections", "1")

    arrive(next_hop, send_by_all(service, domain))

    assert next_hop.most_connections == 1


def _order(service: Pillarbox, *words: str) -> None:
    """Order something for a next hop, and wait until all workers know."""
    before = len(service.events("directory.changed"))
    service.admin("queue", *words)
    wait_until(
        lambda: len(service.events("directory.changed")) >= before + 2, SECONDS, f"{words} known"
    )


def test_a_next_hop_is_seen_and_overridden_for_all_workers(
    service: Pillarbox, next_hop: NextHop
) -> None:
    """Paused it gets nothing; a cap then holds for mail that both had taken before."""
    next_hop.open()
    domain = route_to(service, next_hop, "--connections", "8")
    hop = f"smarthost:127.0.0.1:{next_hop.port}:none"
    _order(service, "pause", hop, "--reason", "they move")
    messages = send_by_all(service, domain)

    def all_wait() -> dict[str, Any]:
        """Each worker has its lane by then; a claim takes a commit."""
        [found] = service.admin_json("queue", "hops", "--domain", domain)["hops"]
        return found if found["recipients"] == len(messages) else {}

    paused = wait_until(all_wait, 20, "all mail to wait")
    assert (paused["hop"], paused["in_flight"]) == (hop, 0)
    assert paused["state"] == "paused by order: they move"
    assert paused["connections"]["cap"] == 8
    assert not next_hop.begun
    _order(service, "cap", hop, "--connections", "1")
    service.admin("queue", "resume", hop)

    arrive(next_hop, messages)
    assert next_hop.most_connections == 1
    [found] = service.admin_json("queue", "hops", "--hop", hop)["hops"]
    assert found["last_reply"].startswith("250")
    assert found["ordered_caps"]["connections"] == 1
    assert (service.folder / "service.socket").stat().st_mode & 0o777 == 0o600


def test_mail_of_a_dead_worker_goes_on(service: Pillarbox, next_hop: NextHop) -> None:
    """One worker is killed with mail in its lane; the other serves, and nothing is lost."""
    domain = route_to(service, next_hop)
    messages = send_by_all(service, domain)

    started = len(worker_pids(service))
    os.kill(worker_pids(service)[-1], signal.SIGKILL)
    wait_until(lambda: len(worker_pids(service)) == started + 1, SECONDS, "a new worker")
    messages += send(service, domain, connections=4)
    next_hop.open()
    wait_until(lambda: service.get("/readyz")[0] == 200, SECONDS, "readiness")
    service.admin("queue", "retry", "--domain", domain)

    arrive(next_hop, messages)
    assert not service.admin_json("queue", "list", "--domain", domain)


def test_readiness_is_that_of_the_service(service: Pillarbox) -> None:
    """/readyz names the listeners, and is ready while a worker is."""
    status, text = service.get("/readyz")

    assert status == 200
    assert str(service.tls_port) in text


def test_the_file_of_turns_is_private(service: Pillarbox) -> None:
    """Nobody else may stop the workers by holding it."""
    assert [file.stat().st_mode & 0o077 for file in service.folder.glob("*-turns")] == [0]
