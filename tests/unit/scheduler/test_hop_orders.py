"""What administrators order for a next hop: it is paused, and tried at once."""

import asyncio
from dataclasses import replace

from tests.support.ordering import SimulatedOrders
from tests.support.queueing import HOP, LANE, NOW, make_message
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.route import hop_key
from pillarbox.store.hop_orders import HopOrder

NAME = hop_key(HOP)


def _keep(store: SimulatedStore, count: int) -> None:
    """Mail that waits for the hop since before the start."""
    store.lane(NAME)
    for _ in range(count):
        store.keep(make_message("bob@far.example", lane=LANE))


def test_a_paused_next_hop_gets_nothing_until_it_is_resumed(
    store: SimulatedStore,
    orders: SimulatedOrders,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """From the first moment of a worker on; what is accepted meanwhile waits, too."""
    orders.orders[NAME] = HopOrder(paused_at=NOW)

    async def run() -> None:
        _keep(store, 20)
        async with start_worker() as scheduler:
            await asyncio.sleep(30)
            scheduler.offer(store.keep(make_message("eve@far.example", lane=LANE)))
            await asyncio.sleep(30)
            assert far.attempts == []

            orders.orders.clear()
            directory.generation += 1
            await asyncio.sleep(5)
            assert len(far.delivered()) == 21

    simulate(run())


def test_a_pause_that_comes_while_mail_flows_ends_by_itself(
    store: SimulatedStore,
    orders: SimulatedOrders,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """What is under way ends; the rest goes on at the time that was said."""

    async def run() -> None:
        _keep(store, 1000)
        async with start_worker():
            await asyncio.sleep(1)
            orders.orders[NAME] = HopOrder(paused_at=NOW, paused_until=NOW + 60_000)
            directory.generation += 1
            await asyncio.sleep(2)
            begun = len(far.attempts)
            assert 0 < begun < 1000
            await asyncio.sleep(50)
            assert len(far.attempts) == begun
            await asyncio.sleep(60)
            assert len(far.delivered()) == 1000

    simulate(run())


def test_a_next_hop_that_is_down_is_tried_at_once_when_somebody_says_so(
    store: SimulatedStore,
    orders: SimulatedOrders,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """In place of minutes later; an order that was seen does nothing again."""
    far.down.add(HOP.host)

    async def run() -> None:
        _keep(store, 5)
        async with start_worker():
            await asyncio.sleep(120)
            orders.orders[NAME] = HopOrder(tried_at=NOW)
            directory.generation += 1
            await asyncio.sleep(2)
            before = len(far.attempts)
            await asyncio.sleep(4)
            assert len(far.attempts) == before
            far.down.clear()
            orders.orders[NAME] = replace(orders.orders[NAME], tried_at=NOW + 1)
            directory.generation += 1
            await asyncio.sleep(3)
            assert far.deliveries

    simulate(run())
