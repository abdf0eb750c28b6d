"""Workers, next hops and the store fail in any order: nothing is lost, and nothing is delivered
twice but for what a worker had under way when it died."""

import asyncio
from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from tests.support.ordering import SimulatedOrders
from tests.support.queueing import HOP, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore, wall
from tests.support.suspending import SimulatedSuspensions
from tests.support.virtual_time import VirtualLoop

from pillarbox.errors import SpoolTrouble
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.identifier import IdGenerator
from pillarbox.retry import RetryPolicy
from pillarbox.route import HopCaps, Route, SmartHost, TlsMode, hop_key, lane_id
from pillarbox.scheduler.scheduler import Scheduler
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores
from pillarbox.store.records import Tenant

OTHER = SmartHost("other.far.example", 25, TlsMode.NONE)
DOMAINS = {"far.example": HOP, "other.example": OTHER}
CAPS = HopCaps(connections=3, messages_per_connection=5)
HASTY = RetryPolicy(give_up_seconds=3600, longest_seconds=600, delay_notice_seconds=900)
"""An hour of retrying keeps the simulation short."""

FINAL = {RecipientState.DELIVERED, RecipientState.FAILED, RecipientState.EXPIRED}


class Worker:
    """A worker that can die."""

    def __init__(self, scheduler: Scheduler, task: "asyncio.Task[None]") -> None:
        self.scheduler = scheduler
        self.task = task


class Service(RuleBasedStateMachine):
    """Up to two workers over one store."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.store = SimulatedStore()
        self.far = FarSide(latency_seconds=0.3)
        self.directory = SimulatedDirectory(self._tenant(1), self._tenant(2))
        self.workers: list[Worker] = []
        self.owners = 0
        self.deaths = 0
        self.accepted = 0

    def _tenant(self, number: int, *, is_swapped: bool = False) -> Tenant:
        hops = [OTHER, HOP] if is_swapped else [HOP, OTHER]
        return make_tenant(
            Route(1, "", "", hops[0], CAPS),
            Route(2, "", "other.example", hops[1], CAPS),
            tenant_id=number,
            retry=HASTY,
        )

    def _run(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    @initialize()
    def begin(self) -> None:
        """The first worker starts."""
        self.start_worker()

    @precondition(lambda self: len(self.workers) < 2)
    @rule()
    def start_worker(self) -> None:
        """A worker starts."""
        self.owners += 1
        owner = f"worker-{self.owners}"

        async def start() -> Worker:
            scheduler = Scheduler(
                SchedulerSettings("relay.here.example", owner, ready_messages=8),
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
            task = self.loop.create_task(scheduler.run())
            await asyncio.sleep(0.01)
            return Worker(scheduler, task)

        self.workers.append(self.loop.run_until_complete(start()))

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 1))
    def kill_worker(self, which: int) -> None:
        """A worker dies without a word; what it had under way may be delivered and unrecorded."""
        worker = self.workers.pop(which % len(self.workers))
        self.deaths += 1
        worker.task.cancel()
        with suppress(asyncio.CancelledError):
            self.loop.run_until_complete(worker.task)

    @precondition(lambda self: self.workers)
    @rule(which=st.integers(0, 1))
    def stop_worker(self, which: int) -> None:
        """A worker drains and ends."""
        if self.store.trouble is not None:
            return
        worker = self.workers.pop(which % len(self.workers))
        self.loop.run_until_complete(worker.scheduler.drain(5))
        self.loop.run_until_complete(worker.task)

    @precondition(lambda self: self.workers)
    @rule(
        which=st.integers(0, 1),
        count=st.integers(1, 30),
        tenant=st.integers(1, 2),
        domains=st.lists(st.sampled_from(sorted(DOMAINS)), min_size=1, max_size=3),
    )
    def accept(self, which: int, count: int, tenant: int, domains: list[str]) -> None:
        """Mail is committed and offered."""
        worker = self.workers[which % len(self.workers)]

        async def put() -> None:
            for _ in range(count):
                names = [f"r{number}@{domain}" for number, domain in enumerate(domains)]
                message = make_message(*names, tenant_id=tenant, received_at=wall())
                for spooled, domain in zip(message.recipients, domains, strict=True):
                    spooled.lane_id = lane_id(hop_key(DOMAINS[domain]))
                self.store.lane(hop_key(HOP))
                self.store.lane(hop_key(OTHER))
                worker.scheduler.offer(self.store.keep(message))

        self.accepted += count * len(domains)
        self.loop.run_until_complete(put())

    @rule(seconds=st.sampled_from([0.1, 1, 7, 20, 120, 2000]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._run(seconds)

    @rule(host=st.sampled_from([HOP.host, OTHER.host]), hanging=st.sampled_from([0, 10]))
    def hop_goes_down(self, host: str, hanging: int) -> None:
        """A next hop can not be reached, or hangs."""
        self.far.down.add(host)
        self.far.hanging_seconds = hanging

    @rule()
    def hops_come_back(self) -> None:
        """All next hops are well."""
        self.far.down.clear()
        self.far.throttled = False
        self.far.most_connections = 10**6

    @rule(most=st.integers(1, 2), throttled=st.booleans())
    def hops_want_less(self, most: int, *, throttled: bool) -> None:
        """Fewer connections, or less of everything."""
        self.far.most_connections = most
        self.far.throttled = throttled

    @rule(trouble=st.sampled_from([SpoolTrouble.AWAY, SpoolTrouble.FULL]))
    def store_fails(self, trouble: SpoolTrouble) -> None:
        """Nothing can be recorded."""
        self.store.trouble = trouble

    @rule()
    def store_heals(self) -> None:
        """Everything that waited is recorded."""

        async def heal() -> None:
            self.store.heal()

        self.loop.run_until_complete(heal())

    @rule(is_swapped=st.booleans())
    def routes_change(self, *, is_swapped: bool) -> None:
        """An administrator swaps the next hops of a tenant."""
        self.directory.change(self._tenant(2, is_swapped=is_swapped))

    def teardown(self) -> None:
        """In the end everything works again: all mail is final, and nobody got it twice."""
        try:
            self.hops_come_back()
            self.store_heals()
            if not self.workers:
                self.start_worker()
            self._run(6000)
            self._check()
            while self.workers:
                self.stop_worker(0)
        finally:
            self.loop.close()

    def _check(self) -> None:
        states = self.store.states()
        assert set(states) <= FINAL
        delivered = self.far.delivered()
        for queue_id, recipients in self.store.stored.items():
            for recipient in recipients:
                copies = delivered[queue_id, recipient.recipient.number]
                if recipient.state is RecipientState.DELIVERED:
                    assert 1 <= copies <= 1 + self.deaths
                else:
                    assert copies <= self.deaths


Service.TestCase.settings = settings(max_examples=25, stateful_step_count=25)
test_service_in_any_order_of_events = Service.TestCase
