"""The short form of the tests with traces: one service, some power cuts, some faults.

The long form is `test_power_cut`, `test_strace_order`, `test_disk_faults` and `test_strace_kills`.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.strace_attach import attached
from tests.crash.strace_faults import DISK, QUIET_SECONDS, SYNCS, Faults
from tests.crash.strace_order import check_order
from tests.crash.strace_recording import check_cuts, mixed_load, random_cuts, recording
from tests.crash.strace_service import SMALL_OCTETS, WatchedPillarbox, watched
from tests.e2e.waiting import wait_until

SEED = int(os.environ.get("CRASH_SEED", "1"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedPillarbox]:
    """One service for all tests: each leaves it well again."""
    with watched(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def faults(service: WatchedPillarbox, tmp_path: Path) -> Faults:
    """For one test."""
    return Faults(service, tmp_path)


def test_a_power_cut_loses_nothing_that_was_acknowledged(
    service: WatchedPillarbox, tmp_path: Path
) -> None:
    """T7 and T8: after any of these power cuts each message is there whose 250 went out before;
    and in the trace each 250 comes after the sync of its message."""
    with recording(service, tmp_path / "trace") as made:
        mixed_load(made, 13, sessions=4, large=2)
    service.wait_until_settled()

    order = check_order(made)
    assert order.broken == []
    assert order.messages == 30
    assert check_cuts(made, random_cuts(made, 20, SEED), SEED) == 20


def test_after_a_failed_sync_nothing_is_acknowledged(faults: Faults) -> None:
    """D8: 451, the worker gives up and starts again from what is durable, and takes mail."""
    gave_up = len(faults.service.events("worker.gives_up"))

    tracer = faults.send(f"{SYNCS}:error=EIO:when=1", [SMALL_OCTETS])

    assert [sent.code for sent in faults.sent] == [451]
    assert tracer.count("-wal>", "(INJECTED)")
    assert len(faults.service.events("worker.gives_up")) == gave_up + 1
    faults.check()


def test_a_disk_without_room_heals_in_the_same_worker(faults: Faults) -> None:
    """452 as long as it lasts, at MAIL as well as at the end of the content."""
    service = faults.service
    worker = service.worker
    inject = "pwrite64:error=ENOSPC"
    with attached(faults.folder / "trace", worker, trace=DISK, inject=inject):
        faults.sent += [service.submit() for _ in range(3)]
    wait_until(service.takes_mail, QUIET_SECONDS, "room again")

    assert {sent.code for sent in faults.sent} == {452}
    assert {sent.text[:5] for sent in faults.sent} == {"4.3.1"}
    faults.check()
    assert service.worker == worker
