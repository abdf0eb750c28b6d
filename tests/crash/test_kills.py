"""kill -9 under load, again and again: nothing that was acknowledged is lost, nothing else comes.

What the service acknowledged and what arrived is in a ledger outside of it (tests.crash.ledger).
The kills fall at random times, and at moments that clients and sink choose: right behind a 250,
between the end of the content and its reply.
"""

from pathlib import Path

import pytest
from tests.crash.campaign import (
    Campaign,
    campaign,
    number_of_kills,
    report,
    seed_of_run,
    share_within,
)
from tests.crash.clients import Load
from tests.crash.verdict import Verdict
from tests.crash.victim import Victim
from tests.e2e.waiting import wait_until

ACCEPTS_AGAIN_SECONDS = 5.0
ACCEPTS_AGAIN_SHARE = 0.95
"""D7, of all starts. The time for which a start stood in the run queue does not count (see
victim.Start): on a quiet machine that is next to nothing, on a busy one it tells of the others. The
time by the clock is in the report."""

SERVICE_KILLS = 1000
ACKNOWLEDGED = 20
"""Messages for each kill, of a long run."""
LOAD_SECONDS = 600.0
"""Should the kills have come too fast for that."""

PAIR_KILLS = 200

WORKER_KILLS = 300
WORKER_KILLS_A_LIFE = 4
"""A supervisor waits longer with each death of its worker in a row, so it is replaced as well."""

SHORT_KILLS = 2
FEW = Load(clients=4, pause_seconds=0.05)


def _kill_services(run: Campaign, kills: int, load: Load, *, acknowledged: int) -> Verdict:
    """Kill so often; the load goes on until so much was acknowledged."""
    rng = run.rng
    with run.clients(load) as clients:
        for _ in range(kills):
            run.kill_service(rng)
        wait_until(
            lambda: clients.acknowledged >= acknowledged,
            LOAD_SECONDS,
            f"{acknowledged} messages are acknowledged",
        )
    return run.end()


def _kill_workers(run: Campaign, kills: int, load: Load) -> Verdict:
    rng = run.rng
    with run.clients(load):
        for number in range(kills):
            if number and number % WORKER_KILLS_A_LIFE == 0:
                run.kill_service(rng)
            run.kill_worker(rng)
    return run.end()


def _accepts_again(run: Campaign) -> bool:
    return share_within(run.victim.starts, ACCEPTS_AGAIN_SECONDS) >= ACCEPTS_AGAIN_SHARE


@pytest.mark.timeout(300)
def test_a_few_kills_lose_nothing(tmp_path: Path) -> None:
    """The short form of what `make crash` does a thousand times."""
    seed = seed_of_run()
    with campaign(tmp_path, seed) as run:
        verdict = _kill_services(run, SHORT_KILLS, FEW, acknowledged=1)

    assert verdict.failures == [], f"seed {seed}: {verdict}"


@pytest.mark.crash
@pytest.mark.timeout(4 * 3600)
def test_kills_of_the_service_lose_nothing(tmp_path: Path) -> None:
    """T1: supervisor and workers at once."""
    seed, kills = seed_of_run(), number_of_kills(SERVICE_KILLS)
    with campaign(tmp_path, seed) as run:
        verdict = _kill_services(run, kills, Load(), acknowledged=ACKNOWLEDGED * kills)
        report(f"T1, seed {seed}: {verdict}; {run.starts(ACCEPTS_AGAIN_SECONDS)}")

    assert verdict.failures == [], seed
    assert _accepts_again(run)


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_kills_of_two_workers_lose_nothing(tmp_path: Path) -> None:
    """T1 with two workers, which share the database, and a lane of the hop for each."""
    seed = seed_of_run()
    kills = min(number_of_kills(PAIR_KILLS), PAIR_KILLS)
    victim = Victim(tmp_path / "data", environment={"PILLARBOX_WORKERS": "2"})
    with campaign(tmp_path, seed, victim) as run:
        verdict = _kill_services(run, kills, Load(), acknowledged=ACKNOWLEDGED * kills)
        report(f"T1, two workers, seed {seed}: {verdict}; {run.starts(ACCEPTS_AGAIN_SECONDS)}")

    assert verdict.failures == [], seed
    assert _accepts_again(run)


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_kills_of_the_worker_lose_nothing(tmp_path: Path) -> None:
    """T2: the supervisor starts another one, with the lanes of the dead."""
    seed = seed_of_run()
    kills = min(number_of_kills(WORKER_KILLS), WORKER_KILLS)
    with campaign(tmp_path, seed) as run:
        verdict = _kill_workers(run, kills, Load())
        report(f"T2, seed {seed}: {verdict}; {run.starts(ACCEPTS_AGAIN_SECONDS)}")

    assert verdict.failures == [], seed
    assert verdict.faults["kill of the worker"] == kills
