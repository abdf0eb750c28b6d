"""Which processors the threads of a worker run on.

With a worker for each processor, each keeps to its own: its event loop and its writer hand the
interpreter to each other at every commit, and across processors each such turn is a wake-up of
the other one. Where there are fewer or more workers than processors the kernel chooses.
"""

import os
from contextlib import suppress

ALLOWED = frozenset(os.sched_getaffinity(0))
"""What this process may use, as it was before any of its threads kept to one."""


def keep_to_own(number: int, workers: int) -> None:
    """Let this thread, and those that it will start, run on the processor of worker `number` (from
    0) of `workers` alone, if there is one for each."""
    if workers == len(ALLOWED) > 1:
        _run_on({sorted(ALLOWED)[number]})


def use_any() -> None:
    """Let this thread run wherever there is room: what it does would keep others waiting."""
    _run_on(ALLOWED)


def _run_on(processors: set[int] | frozenset[int]) -> None:
    # A sandbox may refuse it, and the administrator may have taken processors away since.
    with suppress(OSError):
        os.sched_setaffinity(0, processors)
