"""The scheduler as a whole, in virtual time: accepted mail reaches its end, once."""

import asyncio

from tests.support.queueing import make_message
from tests.support.simulation import FarSide, SimulatedStore
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.mail.envelope import RecipientState


def test_offered_message_is_delivered_at_once(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """From the commit to the next hop without a poll."""

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(0.5)
            assert len(far.deliveries) == 1
            assert store.states() == {RecipientState.DELIVERED: 1}

    simulate(run())
