"""T12: the clock of the machine is set an hour forward and back under load.

Mail goes on, each recipient is tried when its pause is over and not before, and nothing comes
twice: no kill happens here that could excuse it.
"""

import random
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest
from tests.crash.campaign import Campaign, campaign, report, seed_of_run
from tests.crash.clients import Load
from tests.crash.ledger import Fault
from tests.crash.letters import Kind
from tests.crash.preloaded import build
from tests.crash.victim import Victim

HOUR = 3600
JUMPS = 30
SHORTEST_SECONDS, LONGEST_SECONDS = 1.0, 4.0
RESTS_EVERY, REST_SECONDS = 3, 20.0
"""Each third time that the clock was set back it is left alone for so long."""

STALL_SECONDS = 12.0
"""What is deferred is tried again sooner: its pause is a second or two."""

LEAST_PAUSE_SECONDS = 0.8
"""A first pause of a second, with jitter."""

WAITING = 20
PUT_OFF = Load(clients=2, pause_seconds=0.01, kinds={Kind.PUT_OFF: 1}, most_recipients=1)
LOAD = Load(
    clients=3, pause_seconds=0.3, kinds={Kind.TAKEN: 0.6, Kind.LATE: 0.3, Kind.REFUSED: 0.1}
)


class Clock:
    """The time of day that a process sees (clock.c)."""

    def __init__(self, folder: Path) -> None:
        self.offset_seconds = 0
        self._file = folder / "clock"
        self._file.write_bytes(bytes(8))
        self._library = build("clock.c", folder)

    @property
    def environment(self) -> dict[str, str]:
        """What makes a process see it."""
        return {"LD_PRELOAD": str(self._library), "CRASH_CLOCK": str(self._file)}

    def set(self, offset_seconds: int) -> None:
        """So much before or behind the true time, from now on."""
        self.offset_seconds = offset_seconds
        with self._file.open("r+b") as file:
            file.write(offset_seconds.to_bytes(8, sys.byteorder, signed=True))


@pytest.fixture
def clock(tmp_path: Path) -> Clock:
    """A clock that shows the true time."""
    return Clock(tmp_path)


@pytest.fixture
def run(tmp_path: Path, clock: Clock) -> Iterator[Campaign]:
    """A service that sees this clock."""
    victim = Victim(tmp_path / "data", environment=clock.environment)
    with campaign(tmp_path, seed_of_run(), victim) as made:
        yield made


def _jump(run: Campaign, clock: Clock, rng: random.Random, number_back: int) -> int:
    """Set the clock, never more than an hour from the true time, and wait; the step.

    `number_back`: how often it was set back before.
    """
    step = -clock.offset_seconds or rng.choice([-HOUR, HOUR])
    clock.set(clock.offset_seconds + step)
    # It ends before it begins, so it excuses no second copy.
    run.ledger.note(Fault(f"clock {step:+d} s", until=0.0))
    rests = step < 0 and number_back % RESTS_EVERY == 0
    time.sleep(REST_SECONDS if rests else rng.uniform(SHORTEST_SECONDS, LONGEST_SECONDS))
    return step


@pytest.mark.crash
@pytest.mark.timeout(1200)
def test_jumps_of_the_clock_neither_lose_nor_stall_nor_repeat(run: Campaign, clock: Clock) -> None:
    """An hour forward or back, many times."""
    rng = run.rng
    run.clients(PUT_OFF, name="/off").send(WAITING)
    with run.clients(LOAD):
        steps: list[int] = []
        while len(steps) < JUMPS:
            steps.append(_jump(run, clock, rng, sum(step < 0 for step in steps)))
    # The command line, which is to have everything tried, does not see this clock.
    clock.set(0)
    tries = list(run.sink.put_off_at.values())
    run.sink.takes_all = True
    verdict = run.end()
    report(f"T12, seed {run.seed}: {verdict}; {len(tries)} put off, tried {_describe(tries)}")

    assert verdict.failures == [], run.seed
    assert verdict.copies_beyond_first == 0
    forward = sum(step > 0 for step in steps)
    for times in tries:
        pauses = [later - sooner for sooner, later in pairwise(times)]
        assert max(pauses) < STALL_SECONDS
        assert sum(pause < LEAST_PAUSE_SECONDS for pause in pauses) <= forward


def _describe(tries: list[list[float]]) -> str:
    pauses = sorted(later - sooner for times in tries for sooner, later in pairwise(times))
    return f"every {median(pauses):.1f} s, pauses from {pauses[0]:.2f} to {pauses[-1]:.2f} s"
