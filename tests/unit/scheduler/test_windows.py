"""What a next hop allows in a time holds whatever becomes of workers, in virtual time."""

import asyncio
from contextlib import suppress

import pytest
from tests.support.ordering import SimulatedOrders
from tests.support.queueing import HOP, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore, wall
from tests.support.suspending import SimulatedSuspensions
from tests.support.virtual_time import simulate

from pillarbox.mail.identifier import IdGenerator
from pillarbox.route import Counted, HopCaps, Route, SmartHost, TlsMode, Window, hop_key
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores

OTHER = SmartHost("other.far.example", 25, TlsMode.NONE)
CAPS = HopCaps(connections=2, windows=(Window(Counted.MESSAGES, 30, 60),))


class House:
    """Workers over one store; all mail for far.example goes to a next hop with a window."""

    def __init__(self, caps: HopCaps = CAPS) -> None:
        self.store = SimulatedStore()
        self.far = FarSide(latency_seconds=0.2)
        self.directory = SimulatedDirectory(
            make_tenant(Route(1, "", "", HOP, caps), Route(2, "", "other.example", OTHER))
        )
        self.owners = 0

    async def start(self) -> tuple[Scheduler, "asyncio.Task[None]"]:
        """Another worker."""
        self.owners += 1
        scheduler = Scheduler(
            SchedulerSettings("relay.here.example", f"worker-{self.owners}"),
            SchedulerStores(
                self.store,
                self.store,
                self.directory,
                lambda: self.store.trouble,
                SimulatedSuspensions(self.store),
                SimulatedOrders(),
            ),
            SchedulerMeans(
                self.far.courier_for, IdGenerator(self.owners).next_id, wall, lambda: 0.5
            ),
        )
        task = asyncio.get_running_loop().create_task(scheduler.run())
        await asyncio.sleep(0.01)
        return scheduler, task

    async def kill(self, scheduler: Scheduler, task: "asyncio.Task[None]") -> None:
        """A worker dies; timers of its lanes are all that is left of it here."""
        scheduler._group = None
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self.far.open = 0

    def put(self, scheduler: Scheduler, count: int) -> None:
        """So many messages are accepted."""
        for _ in range(count):
            scheduler.offer(self.store.keep(make_message(received_at=wall())))

    def check(self, count: int) -> None:
        """All of it has arrived; no minute had more than 30 attempts, wherever it began."""
        assert len(self.far.delivered()) == count
        assert self.far.most_open <= 2
        times = sorted(at for at, _ in self.far.attempts)
        for early, late in zip(times, times[30:], strict=False):
            assert late - early > 60


@pytest.mark.parametrize("after_seconds", [0.5, 30, 64])
@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_the_next_worker_goes_on_with_the_window(ending: str, after_seconds: float) -> None:
    """In the middle of a burst the owner of the lane ends in order, or dies without a word."""

    async def run() -> None:
        house = House()
        first, task = await house.start()
        house.put(first, 100)
        await asyncio.sleep(after_seconds)
        if ending == "stop":
            await first.drain(5)
            await task
        else:
            await house.kill(first, task)
        second, task = await house.start()
        await asyncio.sleep(300)
        house.check(100)
        await second.drain(5)
        await task

    simulate(run())


@pytest.mark.parametrize("caps", [CAPS, HopCaps(connections=2)])
@pytest.mark.parametrize("ending", ["stop", "kill"])
def test_the_next_worker_waits_for_as_long_as_the_hop_has_said(ending: str, caps: HopCaps) -> None:
    """Whoever is asked to come again in 50 seconds does not come sooner by dying."""

    async def run() -> None:
        house = House(caps)
        first, task = await house.start()
        house.far.retry_after = 50.0
        house.put(first, 10)
        await asyncio.sleep(1)
        house.far.retry_after = 0.0
        seen = len(house.far.attempts)
        if ending == "stop":
            await first.drain(5)
            await task
        else:
            await house.kill(first, task)
        second, task = await house.start()
        await asyncio.sleep(48)
        assert len(house.far.attempts) == seen < 10
        await asyncio.sleep(10)
        house.check(10)
        await second.drain(5)
        await task

    simulate(run())


def test_without_the_store_nothing_begins_that_it_does_not_know() -> None:
    """While it does not answer only what is reserved goes; then it goes on by itself."""

    async def run() -> None:
        house = House()
        scheduler, task = await house.start()
        house.put(scheduler, 20)
        await asyncio.sleep(0.45)
        house.store.keeps_usage = False
        await asyncio.sleep(5)
        stuck = len(house.far.attempts)
        await asyncio.sleep(3)
        assert len(house.far.attempts) == stuck < 20
        house.store.keeps_usage = True
        await asyncio.sleep(10)
        house.check(20)
        await scheduler.drain(5)
        await task

    simulate(run())


def test_a_full_window_slows_no_other_lane() -> None:
    """Mail for other next hops goes at once."""

    async def run() -> None:
        house = House()
        scheduler, task = await house.start()
        house.put(scheduler, 100)
        await asyncio.sleep(10)
        begun = asyncio.get_running_loop().time()
        other = house.store.lane(hop_key(OTHER))
        for _ in range(50):
            message = make_message("bob@other.example", lane=other, received_at=wall())
            scheduler.offer(house.store.keep(message))
        await asyncio.sleep(5)
        times = [one.at - begun for one in house.far.deliveries if one.hop == hop_key(OTHER)]
        assert len(times) == 50
        assert max(times) < 4
        await scheduler.drain(5)
        await task

    simulate(run())


@pytest.mark.parametrize("seconds", [50, 3600])
def test_a_limit_that_is_raised_lets_waiting_mail_go_at_once(seconds: int) -> None:
    """Whether it waits in memory or in the store, nobody waits for what was allowed before."""

    async def run() -> None:
        house = House()
        narrow = HopCaps(connections=2, windows=(Window(Counted.MESSAGES, 10, seconds),))
        house.directory.change(make_tenant(Route(1, "", "", HOP, narrow)))
        scheduler, task = await house.start()
        house.put(scheduler, 25)
        await asyncio.sleep(10)
        assert len(house.far.deliveries) == 10
        house.directory.change(make_tenant(Route(1, "", "", HOP, HopCaps(connections=2))))
        await asyncio.sleep(10)
        assert len(house.far.deliveries) == 25
        await scheduler.drain(5)
        await task

    simulate(run())


def test_a_message_larger_than_what_is_reserved_goes_at_once() -> None:
    """Nothing is low: it asks the store for what it needs, and does not wait for other mail."""

    async def run() -> None:
        house = House()
        windows = (*CAPS.windows, Window(Counted.OCTETS, 110_000_000, 300))
        caps = HopCaps(connections=2, windows=windows)
        house.directory.change(make_tenant(Route(1, "", "", HOP, caps)))
        scheduler, task = await house.start()
        for size in (1000, 5_000_000, 5_000_000):
            made = make_message(received_at=wall())
            made.size_octets = size
            scheduler.offer(house.store.keep(made))
            await asyncio.sleep(5)
        await house.kill(scheduler, task)

        house.check(3)

    simulate(run())


@pytest.mark.parametrize("caps", [CAPS, HopCaps(connections=2)])
def test_mail_for_a_lane_that_is_being_given_back_goes_at_once_and_once(caps: HopCaps) -> None:
    """What the lane has used, or a pause that its hop had asked for, is written first: meanwhile
    the lane may be wanted again."""

    async def run() -> None:
        house = House(caps)
        scheduler, task = await house.start()
        house.far.retry_after = 1.0
        house.put(scheduler, 1)
        await asyncio.sleep(1)
        house.far.retry_after = 0.0
        await asyncio.sleep(59)
        while scheduler.lanes:  # noqa: ASYNC110 - the moment counts
            await asyncio.sleep(0.001)
        house.put(scheduler, 1)
        await asyncio.sleep(1)
        house.check(2)
        await asyncio.sleep(10)
        assert set(house.far.delivered().values()) == {1}
        await scheduler.drain(5)
        await task

    simulate(run())
