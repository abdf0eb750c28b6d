"""The scheduler is told of a change: orders and routes are followed at once and together."""

import asyncio

import pytest
from tests.support.ordering import SimulatedOrders
from tests.support.queueing import HOP, NOW, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.route import Route, SmartHost, TlsMode, hop_key
from pillarbox.store.hop_orders import HopOrder
from pillarbox.store.records import Tenant

NEW = SmartHost("new.far.example", 25, TlsMode.NONE)


class SlowDirectory(SimulatedDirectory):
    """One that takes its time, or can not be read."""

    read_seconds = 0.0
    is_away = False

    async def tenant(self, tenant_id: int) -> Tenant | None:
        """See TenantStore."""
        await asyncio.sleep(self.read_seconds)
        if self.is_away:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "away")
        return await super().tenant(tenant_id)


@pytest.fixture
def directory() -> SlowDirectory:
    """Three tenants, as those of the other tests."""
    return SlowDirectory(*(make_tenant(tenant_id=number) for number in (1, 2, 3)))


def test_a_report_goes_by_a_route_that_was_just_followed(
    store: SimulatedStore, far: FarSide, directory: SlowDirectory, start_worker: StartWorker
) -> None:
    """Between two looks of its own the scheduler is told of it; else the report is captured."""
    far.refuses = {"bob@far.example"}
    known = Route(1, "", "far.example", HOP)
    directory.change(make_tenant(known))

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message("eve@far.example")))
            await asyncio.sleep(5.5)
            directory.change(make_tenant(known, Route(2, "", "here.example", NEW)))
            await scheduler.follow_changes()
            scheduler.offer(store.keep(make_message("bob@far.example")))
            await asyncio.sleep(5)
        assert [one.hop for one in far.deliveries] == [hop_key(HOP), hop_key(NEW)]

    simulate(run())


def test_a_report_on_an_attempt_that_began_before_a_change_goes_by_the_new_route(
    store: SimulatedStore, far: FarSide, directory: SlowDirectory, start_worker: StartWorker
) -> None:
    """It stands in the lane of that route at once; else it is captured, or waits in a dead lane."""
    far.refuses, far.latency_seconds = {"bob@far.example"}, 2.0
    known = Route(1, "", "far.example", HOP)
    directory.change(make_tenant(known))

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message("bob@far.example")))
            await asyncio.sleep(1)
            assert far.attempts
            directory.change(make_tenant(known, Route(2, "", "here.example", NEW)))
            await scheduler.follow_changes()
            await asyncio.sleep(10)
        ((report,),) = (one.dsns for one in store.settlements if one.dsns)
        assert report.recipients[0].lane_id == store.lane(hop_key(NEW))
        assert [one.hop for one in far.deliveries] == [hop_key(NEW)]

    simulate(run())


def test_a_pause_holds_with_the_route_it_came_with(
    store: SimulatedStore,
    orders: SimulatedOrders,
    far: FarSide,
    directory: SlowDirectory,
    start_worker: StartWorker,
) -> None:
    """There is no moment at which only the route is known: nothing leaves before it is resumed."""
    name = hop_key(NEW)
    lane = store.lane(name)
    orders.read_seconds = directory.read_seconds = 0.1

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(5.5)
            directory.change(make_tenant(Route(1, "", "", NEW)))
            orders.orders[name] = HopOrder(paused_at=NOW)
            following = asyncio.create_task(scheduler.follow_changes())
            for _ in range(100):
                scheduler.offer(store.keep(make_message(lane=lane)))
                await asyncio.sleep(0.01)
            await following
            await asyncio.sleep(20)
            assert len(far.attempts) == 1
            orders.orders.clear()
            directory.generation += 1
            await asyncio.sleep(20)
        assert [one.hop for one in far.deliveries] == [hop_key(HOP)] + [name] * 100

    simulate(run())


def test_who_is_second_to_follow_waits_for_the_first(
    store: SimulatedStore, far: FarSide, directory: SlowDirectory, start_worker: StartWorker
) -> None:
    """The scheduler may be at it already by itself: who asks knows the new routes nevertheless."""
    store.lane(hop_key(NEW))

    async def run() -> None:
        async with start_worker() as scheduler:
            for number in (1, 2, 3):
                scheduler.offer(store.keep(make_message(tenant_id=number)))
            await asyncio.sleep(5.5)
            directory.read_seconds = 0.2
            begun = asyncio.get_running_loop().time()
            directory.change(make_tenant(Route(1, "", "", NEW), tenant_id=3))
            first = asyncio.create_task(scheduler.follow_changes())
            await asyncio.sleep(0.1)
            await scheduler.follow_changes()
            assert asyncio.get_running_loop().time() - begun >= 3 * directory.read_seconds
            assert first.done()
        assert len(far.deliveries) == 3

    simulate(run())


def test_a_change_of_routes_is_not_missed_where_the_store_fails_in_between(
    store: SimulatedStore, far: FarSide, directory: SlowDirectory, start_worker: StartWorker
) -> None:
    """What was not read is read at the next look; mail behind a dead hop goes elsewhere then."""
    far.down = {HOP.host}

    async def run() -> None:
        store.lane(hop_key(HOP))
        for _ in range(50):
            store.keep(make_message())
        async with start_worker() as scheduler:
            await asyncio.sleep(60.5)
            directory.is_away = True
            directory.change(make_tenant(Route(1, "", "", NEW)))
            await scheduler.follow_changes()
            directory.is_away = False
            await asyncio.sleep(30)
            assert {one.hop for one in far.deliveries} == {hop_key(NEW)}
            assert len(far.deliveries) > 40

    simulate(run())
