"""The scheduler of a worker: brings accepted mail to the lanes that the worker owns.

`offer` is called right after a message was committed. All else runs in the tasks of `run`: leases
are kept, what did not fit into memory is loaded, and what other processes changed is followed.
The scheduler holds no promise itself: at any moment everything is in the store.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Coroutine
from contextlib import suppress
from typing import Any

from pillarbox.delivery.lane_source import LaneTools
from pillarbox.delivery.slots import ConnectionSlots
from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.outcome.report import Reporter
from pillarbox.scheduler.changes import Changes
from pillarbox.scheduler.clock_steps import ClockSteps
from pillarbox.scheduler.hop_orders import ObeyedOrders
from pillarbox.scheduler.lane_queue import LaneQueue, Ownership, QueueTools
from pillarbox.scheduler.leases import RENEW_SECONDS, Leases
from pillarbox.scheduler.loader import LOADERS, Loader
from pillarbox.scheduler.memory import Memory
from pillarbox.scheduler.orphans import Orphans
from pillarbox.scheduler.put_off import PutOff
from pillarbox.scheduler.recorder import Recorder, RecorderTools
from pillarbox.scheduler.settings import SchedulerMeans, SchedulerSettings, SchedulerStores
from pillarbox.scheduler.suspended import SuspendedLanes
from pillarbox.scheduler.tenants import Tenants, Way
from pillarbox.scheduler.usage_writer import UsageWriter
from pillarbox.scheduler.walk import WALK_SECONDS, Walk
from pillarbox.store.lanes import LaneRecord
from pillarbox.store.records import Tenant

TICK_SECONDS = 1.0
QUIET_SECONDS = 60.0
"""A lane without mail is given back after this time."""

FOREIGN_SECONDS = 1.0
"""A lane that another process owns is not asked for again before."""

_UNROUTED = 1000
"""Accepted messages whose tenant has to be read first."""

_UNROUTED_WITH_CONTENT = 50
"""So many of them keep their content in memory."""

_SETTLE_SECONDS = 10.0
"""At the end: how long to wait for results to become durable."""


class Scheduler:
    """One for each worker; made inside its event loop."""

    def __init__(
        self, settings: SchedulerSettings, stores: SchedulerStores, means: SchedulerMeans
    ) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._stores = stores
        self._wall = means.wall
        self._owner = settings.owner
        self._queues: dict[int, LaneQueue] = {}
        self._limbo: dict[int, dict[int, int]] = {}
        self._connections: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._is_draining = False
        self._ended = asyncio.Event()
        self._loading: list[asyncio.Task[None]] = []
        self._orphans = Orphans(stores.lanes, settings.plan, monotonic=loop.time, wall=means.wall)
        self._unrouted: list[SpooledMessage] = []
        self._has_unrouted = asyncio.Event()
        self._tenants = Tenants(stores.directory, stores.spool.lane_of, settings.plan)
        self._wake_owner = means.wake_owner
        self._foreign: dict[int, float] = {}
        self._clock_steps = ClockSteps(monotonic=loop.time, wall=means.wall)
        self._suspended = SuspendedLanes(stores.suspensions, wall=means.wall)
        self._usage = UsageWriter(stores.lanes, settings.owner, monotonic=loop.time)
        self._orders = ObeyedOrders(stores.orders, wall=means.wall, let_go=means.let_go)
        inherited = (self._usage.load, self._suspended.inherit, self._orders.inherit)
        self._leases = Leases(
            stores.lanes, inherited, self._usage, settings.owner, monotonic=loop.time
        )
        self._loader = Loader(self._leases, open_queue=self._open, drop=self._drop)
        reporter = Reporter(settings.host_name, next_id=means.next_id, lane_of=stores.spool.lane_of)
        self._recorder = Recorder(
            RecorderTools(
                *(stores.spool, reporter, self._tenants.get, stores.trouble, self.offer),
                *(means.rand, means.watch),
            )
        )
        self._tools = self._make_tools(settings, means)
        self._changes = Changes(stores.directory, self._orders, self._queues, self._tools)

    def _make_tools(self, settings: SchedulerSettings, means: SchedulerMeans) -> QueueTools:
        lane_tools = LaneTools(
            spawn=self._spawn,
            monotonic=self._loop.time,
            call_at=self._loop.call_at,
            wall=means.wall,
            rand=means.rand,
            courier_for=means.courier_for,
            slots=ConnectionSlots(settings.connections),
            idle_seconds=settings.idle_seconds,
        )
        return QueueTools(
            spool=self._stores.spool,
            tenants=self._tenants,
            recorder=self._recorder,
            memory=Memory(settings.content_octets),
            put_off=PutOff(),
            lane_tools=lane_tools,
            wall=means.wall,
            owner=settings.owner,
            ready_limit=settings.ready_messages,
            load=self._loader.request,
            reserve=self._usage.reserve,
        )

    # New mail.

    def offer(self, message: SpooledMessage) -> None:
        """Take a message that was just committed into its lanes; the hot path."""
        if self._is_draining or self._group is None:
            return
        tenant = self._tenants.at_hand(message.tenant_id)
        if tenant is None:
            self._offer_later(message)
            return
        recipients = message.recipients
        way = self._tenants.way(tenant, message, recipients[0].recipient)
        if len(recipients) == 1:
            self._place(message, recipients, tenant, way)
            return
        groups: dict[Way | None, list[SpooledRecipient]] = {way: [recipients[0]]}
        for spooled in recipients[1:]:
            way = self._tenants.way(tenant, message, spooled.recipient)
            groups.setdefault(way, []).append(spooled)
        for way, group in groups.items():
            self._place(message, group, tenant, way)

    def _place(
        self,
        message: SpooledMessage,
        recipients: list[SpooledRecipient],
        tenant: Tenant,
        way: Way | None,
    ) -> None:
        lane_id = recipients[0].lane_id
        if way is None or way.lane.lane_id != lane_id:
            # The routes have changed since it was accepted; the loader moves it.
            self._leave(recipients)
            return
        queue = self._queues.get(lane_id)
        if queue is None:
            if self._foreign.get(lane_id, -math.inf) > self._loop.time():
                self._wake_owner(lane_id)
                return
            queue = self._open(way)
        queue.offer(message, recipients, tenant, way)

    def _leave(self, recipients: list[SpooledRecipient]) -> None:
        """Leave recipients to the store."""
        for spooled in recipients:
            queue = self._queues.get(spooled.lane_id)
            if queue is not None:
                queue.has_backlog = True

    def _offer_later(self, message: SpooledMessage) -> None:
        """Its tenant has to be read first. Above the bounds it is left to the store."""
        if len(self._unrouted) >= _UNROUTED:
            self._leave(message.recipients)
            return
        if len(self._unrouted) >= _UNROUTED_WITH_CONTENT:
            message.content = None
        self._unrouted.append(message)
        self._has_unrouted.set()

    async def _route_late(self) -> None:
        """Read the tenants of messages that were offered before they were at hand."""
        await self._has_unrouted.wait()
        self._has_unrouted.clear()
        messages, self._unrouted = self._unrouted, []
        for message in messages:
            try:
                tenant = await self._tenants.get(message.tenant_id)
            except SpoolUnavailable:
                tenant = None
            if tenant is None or self._tenants.at_hand(message.tenant_id) is None:
                self._leave(message.recipients)
            else:
                self.offer(message)

    # Lanes.

    def _open(self, way: Way) -> LaneQueue:
        """The queue of a way's lane; a new one is to be claimed."""
        return self._queues.get(way.lane_id) or self._open_lane(way.lane, is_new=True)

    def _open_lane(self, lane: LaneRecord, *, is_new: bool = False) -> LaneQueue:
        known = self._limbo.pop(lane.lane_id, None)
        queue = self._queues[lane.lane_id] = LaneQueue(lane, self._tools, known=known)
        self._loader.request(queue, is_new=is_new)
        return queue

    @property
    def lanes(self) -> Collection[LaneQueue]:
        """The lanes that this worker owns, or is about to."""
        return self._queues.values()

    def wake(self, lane_id: int) -> None:
        """Another process has put mail into a lane, of ours perhaps."""
        queue = self._queues.get(lane_id)
        if queue is not None:
            queue.has_backlog = True
            self._loader.request(queue)

    def _drop(self, queue: LaneQueue) -> None:
        """Forget a lane that is not ours; what is under way is remembered until it is settled."""
        if queue.ownership is Ownership.OURS:
            log.warning("scheduler.lane_lost", next_hop=queue.hop)
        else:
            self._foreign[queue.lane_id] = self._loop.time() + FOREIGN_SECONDS
            self._wake_owner(queue.lane_id)
        queue.lose()
        if self._queues.get(queue.lane_id) is queue:
            del self._queues[queue.lane_id]
        if queue.known:
            self._limbo[queue.lane_id] = queue.known

    def _spawn(self, connection: Coroutine[Any, Any, None]) -> None:
        if self._group is None:
            connection.close()
            return
        task = self._group.create_task(connection)
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    # The tasks.

    async def run(self) -> None:
        """Schedule until `drain` has ended."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            tasks = [
                group.create_task(self._repeat(self._tick, TICK_SECONDS)),
                group.create_task(self._repeat(self._renew, RENEW_SECONDS)),
                group.create_task(self._recorder.run()),
                group.create_task(self._usage.run()),
            ]
            self._loading = [
                group.create_task(self._repeat(self._watch, TICK_SECONDS)),
                group.create_task(self._repeat(self._route_late, 0)),
                *(group.create_task(self._loader.run(self._tools)) for _ in range(LOADERS)),
            ]
            await self._ended.wait()
            for task in tasks:
                task.cancel()

    async def drain(self, seconds: float) -> None:
        """Begin nothing more, let attempts end for so long, record all results, give the lanes
        back; then `run` ends."""
        self._is_draining = True
        for task in self._loading:
            task.cancel()
        for queue in self._queues.values():
            queue.lane.stop()
        if self._connections:
            await asyncio.wait(self._connections, timeout=seconds)
        for task in list(self._connections):
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_SETTLE_SECONDS):
                await self._recorder.wait_until_idle()
        await self._leases.release_all(self._queues.values())
        self._ended.set()

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        """Task: take a step again and again; an error of ours must not end the worker."""
        while True:
            await self._try(step)
            await asyncio.sleep(seconds)

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except SpoolUnavailable:
            # Leases run out by themselves; everything is looked at again.
            pass
        except Exception:
            log.exception("scheduler.step_failed", step=step.__name__)
            metrics.TASK_FAILURES.inc()

    async def follow_changes(self) -> None:
        """Follow at once what is looked at once a second anyway: orders, routes, the queue. Where
        the store can not be read, that is done as soon as it can."""
        if not self._is_draining:
            await self._try(self._changes.follow)

    async def _tick(self) -> None:
        """What has to be looked at once a second."""
        self._recorder.retry_failed()
        is_open = self._recorder.is_open
        now, wall = self._loop.time(), self._wall()
        for queue in list(self._queues.values()):
            if queue.due_at is not None and queue.due_at <= wall:
                queue.has_backlog = True
            self._plan_walk(queue, now, wall)
            if queue.has_backlog or queue.walks or queue.ownership is Ownership.WANTED:
                self._loader.request(queue)
            if is_open and queue.waiting:
                queue.lane.wake_all()
        for lane_id in [lane_id for lane_id, known in self._limbo.items() if not known]:
            del self._limbo[lane_id]
        metrics.READY_MESSAGES.set(self._tools.memory.ready)
        metrics.LANES_OWNED.set(len(self._queues))

    def _plan_walk(self, queue: LaneQueue, now: float, wall: Timestamp) -> None:
        """Mail that waits in the store for long is looked at from time to time."""
        if queue.walks or now - queue.walked_at < WALK_SECONDS:
            return
        is_closed = queue.lane.is_closed
        if not is_closed and not queue.has_backlog:
            return
        queue.walked_at = now
        if is_closed and not queue.is_surveyed:
            # Whose mail it is shows by looking at all of it, once.
            queue.is_surveyed = True
            queue.walks = [Walk(wall)]
            return
        notice = self._tenants.shortest_notice_seconds
        if notice is not None:
            queue.walks.append(Walk(wall - notice * 1000, unnotified=True))
        queue.walks.append(Walk(wall - self._tenants.shortest_give_up_seconds * 1000))

    async def _renew(self) -> None:
        """Keep the leases."""
        for queue in await self._leases.renew(list(self._queues.values())):
            self._drop(queue)

    async def _watch(self) -> None:
        """Follow what people and other processes have changed."""
        await self._changes.follow()
        await self._follow_clock()
        await self._suspended.follow(list(self._queues.values()))
        found = await self._orphans.look()
        if found is not None:
            self._foreign.clear()
            for record in found:
                if record.lane_id not in self._queues:
                    self._open_lane(record)
            for lane_id in await self._stores.lanes.due(owner=self._owner, now=self._wall()):
                self.wake(lane_id)
        await self._give_back_quiet()

    async def _follow_clock(self) -> None:
        """Mail that was put off by a clock that was set back since comes as much sooner."""
        step_ms = self._clock_steps.set_back_ms
        if not step_ms:
            return
        log.warning("scheduler.clock_set_back", seconds=step_ms // 1000)
        await self._stores.lanes.bring_forward(owner=self._owner, now=self._wall(), by_ms=step_ms)
        self._clock_steps.accept(step_ms)
        for queue in self._queues.values():
            queue.has_backlog = True

    async def _give_back_quiet(self) -> None:
        """Give lanes back that have had no mail for a time."""
        now = self._loop.time()
        soon = self._wall() + int(QUIET_SECONDS * 1000)
        for queue in list(self._queues.values()):
            if queue.is_busy or (queue.due_at is not None and queue.due_at <= soon):
                queue.quiet_since = math.inf
            elif queue.quiet_since == math.inf:
                queue.quiet_since = now
            elif now - queue.quiet_since >= QUIET_SECONDS:
                queue.lose()
                del self._queues[queue.lane_id]
                await self._leases.release(queue)
