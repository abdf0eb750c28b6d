"""The clock of the machine is set back: what was put off must not wait so much longer."""

import asyncio
from dataclasses import dataclass

import pytest
from tests.support.queueing import HOP, make_message
from tests.support.simulation import FarSide, SimulatedStore, wall
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.mail.envelope import Timestamp
from pillarbox.route import hop_key

HOUR_MS = 3_600_000
FIRST_PAUSE_SECONDS = 60


@dataclass
class TimeOfDay:
    """That of the simulation, set back by hand."""

    back_ms: int = 0

    def __call__(self) -> Timestamp:
        """The time of day."""
        return wall() - self.back_ms


@pytest.mark.parametrize("latency_seconds", [0.05, 10.0])
def test_put_off_mail_comes_in_time_after_the_clock_was_set_back(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker, latency_seconds: float
) -> None:
    """Also if the attempt that put it off had begun before: neither an hour late nor at once."""
    time_of_day = TimeOfDay()
    far.latency_seconds = latency_seconds

    async def run() -> None:
        message = store.keep(make_message(received_at=wall()))
        far.busy.add(message.queue_id)
        async with start_worker(time_of_day=time_of_day) as scheduler:
            scheduler.offer(message)
            await asyncio.sleep(5)
            time_of_day.back_ms = HOUR_MS
            await asyncio.sleep(FIRST_PAUSE_SECONDS / 2)
            assert len(far.attempts) == 1
            far.busy.clear()
            await asyncio.sleep(FIRST_PAUSE_SECONDS)

        assert len(far.deliveries) == 1
        assert len(far.attempts) == 2

    simulate(run())


def test_mail_of_a_lane_that_was_given_back_comes_in_time(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """A lane whose mail waits for long has no owner meanwhile."""
    time_of_day = TimeOfDay()

    async def run() -> None:
        store.lane(hop_key(HOP))
        message = make_message(received_at=wall())
        message.recipients[0].next_attempt_at = wall() + HOUR_MS // 2
        store.keep(message)
        async with start_worker(time_of_day=time_of_day):
            await asyncio.sleep(5)
            time_of_day.back_ms = HOUR_MS
            await asyncio.sleep(HOUR_MS / 2000 + 10)

        assert len(far.deliveries) == 1

    simulate(run())
