"""Mail in the lane of another worker: its owner is told, and does not have to look."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e.next_hop import NextHop
from tests.e2e.pair import arrive, route_to, send_by_all, worker_pair
from tests.e2e.service import Pillarbox
from tests.support.constants import environment_with

HOUR_MS = 3_600_000

NEVER_LOOKS = {
    "pillarbox.scheduler.orphans:ORPHAN_SECONDS": HOUR_MS // 1000,
    "pillarbox.scheduler.loader:_LEAST_PAUSE_MS": HOUR_MS,
}
"""An owner looks into the store each five seconds for mail of others, and each second while mail of
the lane is under way: both would hide that it was not told."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Pillarbox]:
    """Two workers that look once an hour."""
    with worker_pair(tmp_path, environment_with(NEVER_LOOKS)) as pillarbox:
        yield pillarbox


def test_an_owner_is_woken_by_the_worker_that_took_the_mail(
    service: Pillarbox, next_hop: NextHop
) -> None:
    """A hop with a cap of one connection has one lane: half of its mail comes to the worker that
    does not own it."""
    next_hop.open()
    domain = route_to(service, next_hop, "--connections", "1")

    arrive(next_hop, send_by_all(service, domain))
