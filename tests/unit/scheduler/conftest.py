"""A worker in a simulation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest
from tests.support.ordering import SimulatedOrders
from tests.support.queueing import make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore, wall
from tests.support.suspending import SimulatedSuspensions

from pillarbox.delivery.attempt import WallClock
from pillarbox.mail.identifier import IdGenerator
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores

StartWorker: TypeAlias = Callable[..., AbstractAsyncContextManager[Scheduler]]


@pytest.fixture
def store() -> SimulatedStore:
    """The store of all workers."""
    return SimulatedStore()


@pytest.fixture
def suspensions(store: SimulatedStore) -> SimulatedSuspensions:
    """What the store says of suspended lanes."""
    return SimulatedSuspensions(store)


@pytest.fixture
def orders() -> SimulatedOrders:
    """What is ordered for next hops."""
    return SimulatedOrders()


@pytest.fixture
def far() -> FarSide:
    """The next hops."""
    return FarSide()


@pytest.fixture
def directory() -> SimulatedDirectory:
    """Three tenants whose mail all goes to the same next hop."""
    return SimulatedDirectory(*(make_tenant(tenant_id=number) for number in (1, 2, 3)))


@pytest.fixture
def start_worker(
    store: SimulatedStore,
    suspensions: SimulatedSuspensions,
    orders: SimulatedOrders,
    far: FarSide,
    directory: SimulatedDirectory,
) -> StartWorker:
    """Start a worker, to be used with `async with` inside `simulate`."""

    @asynccontextmanager
    async def start(
        owner: str = "worker",
        *,
        ready_messages: int = 1000,
        drain_seconds: float = 30,
        time_of_day: WallClock = wall,
    ) -> AsyncIterator[Scheduler]:
        scheduler = Scheduler(
            SchedulerSettings("relay.here.example", owner, ready_messages=ready_messages),
            SchedulerStores(store, store, directory, lambda: store.trouble, suspensions, orders),
            SchedulerMeans(far.courier_for, IdGenerator(7).next_id, time_of_day, lambda: 0.5),
        )
        running = asyncio.create_task(scheduler.run())
        await asyncio.sleep(0)
        try:
            yield scheduler
        finally:
            await scheduler.drain(drain_seconds)
            await running

    return start
