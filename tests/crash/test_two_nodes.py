"""T11: two nodes over one PostgreSQL database; one is stopped for longer than its leases last.

The other takes its mail over. When the stopped one goes on it must not finish what it does not own
any more, but for what it had under way, at most a message on each connection: a second copy is
excused by the stop alone.
"""

import random
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.crash.campaign import Campaign, campaign, report, seed_of_run
from tests.crash.clients import Load
from tests.crash.victim import Twin, Victim

from pillarbox.hop_caps import USUAL_CAPS
from pillarbox.scheduler.leases import LEASE_SECONDS
from pillarbox.scheduler.orphans import ORPHAN_SECONDS

STOPS = 12
STOP_SECONDS = LEASE_SECONDS + ORPHAN_SECONDS + 2
"""Long enough for the other node to find and take the lanes."""

LOAD = Load(clients=3, pause_seconds=0.3)


def _stop(run: Campaign, node: Victim, rng: random.Random) -> None:
    """Stop a node for a while."""

    def go_on() -> None:
        time.sleep(STOP_SECONDS)
        node.signal_group(signal.SIGCONT)

    def stop() -> None:
        node.signal_group(signal.SIGSTOP)

    run.strike("stop of a node", stop, rng, go_on, under_way=USUAL_CAPS.connections)


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_node_that_was_stopped_does_not_finish_what_it_lost(
    tmp_path: Path, postgresql_url: str
) -> None:
    """Nothing is lost or comes again without a stop that excuses it."""
    seed = seed_of_run()
    one = Victim(tmp_path / "data", database_url=postgresql_url)
    two = Twin(tmp_path / "twin", one)
    with campaign(tmp_path, seed, one) as run, ExitStack() as at_end:
        at_end.callback(two.stop)
        two.start()
        rng = run.rng
        with run.clients(LOAD), run.clients(LOAD, "/twin", two):
            for number in range(STOPS):
                _stop(run, (one, two)[number % 2], rng)
        verdict = run.end()
        report(f"T11, seed {seed}: {verdict}")

    assert verdict.failures == [], seed
    assert verdict.acknowledged > 0
