"""Syncs and writes that fail: no false 250, nothing lost, nothing that was refused is delivered.

The calls of the running worker fail as strace says; what it starts anew is left alone.
"""

import asyncio
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.content_fault import ContentFault
from tests.crash.content_folder import content_damage, content_files
from tests.crash.strace_faults import QUIET_SECONDS, SYNCS, Faults
from tests.crash.strace_service import (
    LARGE_OCTETS,
    MIDDLE_OCTETS,
    SMALL_OCTETS,
    WatchedPillarbox,
    watched,
)
from tests.e2e.waiting import wait_until

from pillarbox.mail.spooled import CHUNK_OCTETS

SEED = int(os.environ.get("CRASH_SEED", "1"))
RANDOM_SECONDS = float(os.environ.get("CRASH_SECONDS", "600"))

FILE_FAULTS = [("EIO", "451 4.3.0"), ("ENOSPC", "452 4.3.1"), ("EDQUOT", "452 4.3.1")]
LIMITS = (0, 1, CHUNK_OCTETS, CHUNK_OCTETS + 1, MIDDLE_OCTETS - 1)
"""So many octets a file of content may have; for what is longer there is no room."""

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedPillarbox]:
    """One service for all tests: each leaves it well again, and all of them no file."""
    with watched(tmp_path_factory.mktemp("service")) as service:
        yield service
        service.stop()
        assert asyncio.run(content_damage(service.database)) == []


@pytest.fixture
def faults(service: WatchedPillarbox, tmp_path: Path) -> Faults:
    """For one test."""
    return Faults(service, tmp_path)


def _every(
    faults: Faults, calls: str, error: str, sizes: list[int], *, of_content: bool | None = None
) -> int:
    """Let the 1st, 2nd, 3rd … call of a thread fail until there is none; how many failed."""
    number = 0
    while True:
        number += 1
        worker = faults.service.worker
        inject = f"{calls}:error={error}:when={number}"
        tracer = faults.send(inject, sizes, of_content=of_content)
        if not tracer.count("(INJECTED)"):
            return number - 1
        if faults.service.worker != worker:
            # Afresh, since the supervisor would wait longer each time.
            faults.service.stop()
            faults.service.start()


@pytest.mark.parametrize("size", [SMALL_OCTETS, LARGE_OCTETS])
def test_each_sync_of_a_message_fails_once(faults: Faults, size: int) -> None:
    """T4: those of the content, of the message, of its delivery, and of the database."""
    counts = {call: _every(faults, call, "EIO", [size]) for call in SYNCS.split(",")}

    # Message, delivery, log and database; each chunk of a file.
    assert counts["fsync"] >= 4
    assert (counts["fdatasync"] > 1) == (size == LARGE_OCTETS)
    assert {sent.code for sent in faults.sent} <= {250, 451}
    # A delivery that could not be recorded is made again.
    faults.check(most_copies=2)


def test_each_sync_of_a_message_with_a_file_fails_once(faults: Faults) -> None:
    """T4: that of its row fails where those of its file did not."""
    assert _every(faults, SYNCS, "EIO", [MIDDLE_OCTETS], of_content=False) >= 4
    assert {sent.code for sent in faults.sent} <= {250, 451}
    faults.check(most_copies=2)


@pytest.mark.parametrize(("error", "reply"), FILE_FAULTS)
def test_each_sync_of_a_file_of_content_fails_once(faults: Faults, error: str, reply: str) -> None:
    """T4: of the file and of its folder. Its message is refused, and the same worker goes on."""
    worker = faults.service.worker

    # strace counts each kind of call for itself.
    counts = [
        _every(faults, call, error, [MIDDLE_OCTETS], of_content=True) for call in SYNCS.split(",")
    ]

    assert counts == [1, 1]
    _check_refused(faults, worker, reply, 2)


@pytest.mark.parametrize(("error", "reply"), FILE_FAULTS)
def test_a_file_of_content_that_can_not_grow(tmp_path: Path, error: str, reply: str) -> None:
    """T5: its first write fails, or its last, or one is cut short before. The message is refused,
    small ones pass, and the same worker goes on."""
    (tmp_path / "service").mkdir()
    fault = ContentFault(tmp_path)
    with watched(tmp_path / "service", environment=fault.environment) as service:
        faults = Faults(service, tmp_path)
        worker = service.worker
        for most in LIMITS:
            fault.begin(error, most)
            large = [service.submit(MIDDLE_OCTETS + most), service.submit(LARGE_OCTETS + most)]
            assert [sent.code for sent in large] == [int(reply[:3])] * 2
            faults.sent += [*large, service.submit()]
            fault.end()
            faults.sent.append(service.submit(LARGE_OCTETS))
        _check_refused(faults, worker, reply, 2 * len(LIMITS))


def _check_refused(faults: Faults, worker: int, reply: str, count: int) -> None:
    """So many messages were refused in this way, nothing of them is left, and all others came."""
    refused = [sent for sent in faults.sent if sent.is_refused]
    assert [f"{sent.code} {sent.text}"[: len(reply)] for sent in refused] == [reply] * count
    faults.check()
    service = faults.service
    assert service.worker == worker
    wait_until(lambda: not content_files(service.database), QUIET_SECONDS, "no file is left")


@pytest.mark.parametrize("size", [SMALL_OCTETS, LARGE_OCTETS])
def test_each_write_of_a_message_finds_no_room_once(faults: Faults, size: int) -> None:
    """T5: 452 4.3.1, and the same worker goes on."""
    worker = faults.service.worker

    count = _every(faults, "pwrite64", "ENOSPC", [size])

    assert count >= 10
    _check_no_room(faults, worker)


def _check_no_room(faults: Faults, worker: int) -> None:
    assert {sent.code for sent in faults.sent} == {250, 452}
    assert all(sent.text.startswith("4.3.1") for sent in faults.sent if sent.is_refused)
    assert faults.service.worker == worker
    faults.check()


@pytest.mark.parametrize("error", ["EIO", "EDQUOT"])
def test_each_write_of_a_message_fails_once(faults: Faults, error: str) -> None:
    """T5: as after a failed sync the worker starts again. SQLite does not tell a quota that is
    used up from a disk that fails."""
    assert _every(faults, "pwrite64", error, [SMALL_OCTETS]) >= 10
    assert {sent.code for sent in faults.sent} <= {250, 451}
    faults.check(most_copies=2)


def test_syncs_and_writes_that_fail_at_random(faults: Faults) -> None:
    """T4 and T5 for minutes: any call, any error, mail by several sessions."""
    rand = random.Random(SEED)
    errors = [(SYNCS, "EIO"), (SYNCS, "ENOSPC"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC")]
    errors += [("fdatasync", "EIO"), ("fdatasync", "EDQUOT")]
    deadline = time.monotonic() + RANDOM_SECONDS
    while time.monotonic() < deadline:
        calls, error = rand.choice(errors)
        # Lack of room that lasts would be waited out.
        lasting = "" if (calls, error) == ("pwrite64", "ENOSPC") else rand.choice(["", "+", "+7"])
        when = f"{rand.randint(1, 60)}{lasting}"
        mixed = [SMALL_OCTETS] * 8 + [MIDDLE_OCTETS, LARGE_OCTETS]
        sizes = rand.choices(mixed, k=rand.randint(1, 30))
        worker = faults.service.worker
        faults.send(f"{calls}:error={error}:when={when}", sizes, sessions=4)
        if faults.service.worker != worker:
            faults.service.stop()
            faults.service.start()
    faults.check(most_copies=3)
