"""T9: the next hop dies at each of its replies. Nothing is lost, and a second copy comes only where
the reply to the end of the content was lost: one for each such reply.
"""

from pathlib import Path

import pytest
from tests.crash.campaign import campaign, report, seed_of_run
from tests.crash.clients import Load
from tests.crash.sink import Point
from tests.e2e.waiting import wait_until

MESSAGES = 200
DEATHS_SECONDS = 60.0

LOAD = Load(clients=4, pause_seconds=0.02)


@pytest.mark.crash
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", list(Point))
def test_a_next_hop_that_dies_gets_everything_in_the_end(tmp_path: Path, point: Point) -> None:
    """Connections die at this point while the mail comes in."""
    seed = seed_of_run()
    with campaign(tmp_path, seed) as run:
        sink = run.sink
        sink.dies_at = point
        run.clients(LOAD).send(MESSAGES)
        wait_until(lambda: sink.deaths, DEATHS_SECONDS, f"the sink dies at {point}")
        sink.dies_at = None
        verdict = run.end()
        report(f"T9, {point}, {sink.deaths} deaths, seed {seed}: {verdict}")

    assert verdict.failures == [], seed
    assert verdict.acknowledged == MESSAGES
    assert sink.deaths > 0
    replies_lost = verdict.faults["reply lost"]
    if point in {Point.END, Point.INSIDE_REPLY}:
        assert replies_lost == sink.deaths
    else:
        assert verdict.copies_beyond_first == replies_lost == 0
