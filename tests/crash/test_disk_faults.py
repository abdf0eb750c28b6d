"""Syncs and writes that fail: no false 250, nothing lost, nothing that was refused is delivered.

The calls of the running worker fail as strace says; what it starts anew is left alone.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.strace_faults import SYNCS, Faults
from tests.crash.strace_service import (
    LARGE_OCTETS,
    SMALL_OCTETS,
    WatchedPillarbox,
    watched,
)

SEED = int(os.environ.get("CRASH_SEED", "1"))
FIRST_WRITES, SOME_WRITES, LAST_WRITES = 20, 60, 10
PAGE_OCTETS = 16_384
RANDOM_SECONDS = float(os.environ.get("CRASH_SECONDS", "600"))

pytestmark = [pytest.mark.crash, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedPillarbox]:
    """One service for all tests: each leaves it well again."""
    with watched(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def faults(service: WatchedPillarbox, tmp_path: Path) -> Faults:
    """For one test."""
    return Faults(service, tmp_path)


def _every(faults: Faults, calls: str, error: str, sizes: list[int]) -> int:
    """Let the 1st, 2nd, 3rd … call of a thread fail until there is none; how many failed."""
    number = 0
    while True:
        number += 1
        worker = faults.service.worker
        tracer = faults.send(f"{calls}:error={error}:when={number}", sizes)
        if not tracer.count("(INJECTED)"):
            return number - 1
        if faults.service.worker != worker:
            # Afresh, since the supervisor would wait longer each time.
            faults.service.stop()
            faults.service.start()


@pytest.mark.parametrize("size", [SMALL_OCTETS, LARGE_OCTETS])
def test_each_sync_of_a_message_fails_once(faults: Faults, size: int) -> None:
    """T4: those of the content, of the message, of its delivery, and of the database."""
    count = _every(faults, SYNCS, "EIO", [size])

    # Message, delivery, log and database; a large one comes in two chunks before.
    assert count >= (4 if size == SMALL_OCTETS else 6)
    assert {sent.code for sent in faults.sent} <= {250, 451}
    # A delivery that could not be recorded is made again.
    faults.check(most_copies=2)


def test_each_write_of_a_message_finds_no_room_once(faults: Faults) -> None:
    """T5: 452 4.3.1, and the same worker goes on."""
    worker = faults.service.worker

    count = _every(faults, "pwrite64", "ENOSPC", [SMALL_OCTETS])

    assert count >= 10
    _check_no_room(faults, worker)


def test_writes_of_a_large_message_find_no_room_once(faults: Faults) -> None:
    """T5: the first writes, the last ones, and some of the hundreds between: each costs seconds,
    until the service has found room again and the log is in the database."""
    worker = faults.service.worker
    count = _writes(faults, LARGE_OCTETS)
    between = random.Random(SEED).sample(range(FIRST_WRITES, count - LAST_WRITES), SOME_WRITES)

    for number in (*range(1, FIRST_WRITES), *between, *range(count - LAST_WRITES, count + 1)):
        faults.send(f"pwrite64:error=ENOSPC:when={number}", [LARGE_OCTETS])

    assert count >= LARGE_OCTETS // PAGE_OCTETS
    _check_no_room(faults, worker)


def _writes(faults: Faults, size: int) -> int:
    """How many writes of one thread a message of this size takes, where none fails."""
    tracer = faults.send("pwrite64:error=ENOSPC:when=65535", [size])
    threads = [line.split()[0] for line in tracer.lines() if " pwrite64(" in line]
    return max(Counter(threads).values())


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
    deadline = time.monotonic() + RANDOM_SECONDS
    while time.monotonic() < deadline:
        calls, error = rand.choice(
            [(SYNCS, "EIO"), (SYNCS, "ENOSPC"), ("pwrite64", "EIO"), ("pwrite64", "ENOSPC")]
        )
        # Lack of room that lasts would be waited out.
        lasting = "" if (calls, error) == ("pwrite64", "ENOSPC") else rand.choice(["", "+", "+7"])
        when = f"{rand.randint(1, 60)}{lasting}"
        sizes = [
            rand.choice([SMALL_OCTETS] * 9 + [LARGE_OCTETS]) for _ in range(rand.randint(1, 30))
        ]
        worker = faults.service.worker
        faults.send(f"{calls}:error={error}:when={when}", sizes, sessions=4)
        if faults.service.worker != worker:
            faults.service.stop()
            faults.service.start()
    faults.check(most_copies=3)
