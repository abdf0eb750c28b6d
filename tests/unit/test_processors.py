"""Which processors the threads of a worker run on."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pillarbox.processors import ALLOWED, keep_to_own, use_any

PROCESSORS = sorted(ALLOWED)


def in_a_worker(number: int, workers: int, then: Callable[[], object] = lambda: None) -> set[int]:
    """Where a thread may run that `then` begins with, started by the loop of that worker."""

    def loop() -> set[int]:
        keep_to_own(number, workers)
        with ThreadPoolExecutor(1, initializer=then) as started:
            return started.submit(os.sched_getaffinity, 0).result()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(loop).result()


def test_each_worker_has_a_processor_of_its_own() -> None:
    """As many workers as processors do not wake each other's, and leave none idle."""
    found = [in_a_worker(number, len(PROCESSORS)) for number in range(len(PROCESSORS))]

    assert found == [{processor} for processor in PROCESSORS]


@pytest.mark.parametrize("workers", [1, len(PROCESSORS) + 1])
def test_the_kernel_chooses_where_workers_and_processors_do_not_match(workers: int) -> None:
    """A single worker, or one too many, is not bound to where others may be busy."""
    assert in_a_worker(0, workers) == ALLOWED


def test_what_would_keep_others_waiting_runs_anywhere() -> None:
    """As hashes of passwords, that may take a second of computing together."""
    assert in_a_worker(0, len(PROCESSORS), use_any) == ALLOWED
