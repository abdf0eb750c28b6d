"""Brings mail from the store into the ready queues, and sees to mail that must not wait there.

Loading: the longest due first, each recipient routed as the directory says now; who belongs to
another lane by now is moved there. Walking: mail that waits behind a next hop that is dead or slow
still gets its delay notice, expires in time, is moved when its route changes, and is bounced when
a person says so. Both take bounded steps, lane after lane.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.envelope import RecipientOutcome, RecipientState, Timestamp
from pillarbox.mail.reply import Reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.outcome.settle import Tried, is_notice_time
from pillarbox.retry import give_up_at
from pillarbox.route import Reject, RouteTable
from pillarbox.scheduler.lane_queue import LaneQueue, Ownership, QueueTools
from pillarbox.scheduler.leases import Leases
from pillarbox.scheduler.tenants import Way
from pillarbox.scheduler.walk import STEP_MESSAGES
from pillarbox.store.records import Tenant

LOADERS = 3
"""Lanes that are loaded at the same time; the store has a few readers."""

NO_ROUTE = Reply(451, "4.4.4", ("No route of the tenant matches this recipient any more",))
NO_TENANT = Reply(451, "4.3.5", ("The tenant of this message is gone or can not be read",))
NOT_TRIED = Reply(451, "4.4.1", ("The next hop could not be reached in time",))
BOUNCED = Reply(550, "5.7.0", ("An administrator returned this message to its sender",))


class Loader:
    """Loads for all lanes of a worker. `open_queue` gives the queue of a way, and opens it if
    need be; `drop` forgets a queue whose lane belongs to another process."""

    def __init__(
        self,
        leases: Leases,
        *,
        open_queue: Callable[[Way], LaneQueue],
        drop: Callable[[LaneQueue], None],
    ) -> None:
        self._leases = leases
        self._open_queue = open_queue
        self._drop = drop
        self._new: deque[LaneQueue] = deque()
        self._wanted: deque[LaneQueue] = deque()
        self._queued: set[LaneQueue] = set()
        self._is_wanted = asyncio.Event()
        self._busy: set[LaneQueue] = set()

    def request(self, queue: LaneQueue, *, is_new: bool = False) -> None:
        """Load for this queue when its turn comes. `is_new`: its lane was opened for mail that has
        just come, and goes before those whose mail has been waiting."""
        if queue not in self._queued:
            self._queued.add(queue)
            (self._new if is_new else self._wanted).append(queue)
            self._is_wanted.set()

    async def run(self, tools: QueueTools) -> None:
        """One of LOADERS tasks."""
        while True:
            await self._is_wanted.wait()
            wanted = self._new or self._wanted
            if not wanted:
                self._is_wanted.clear()
                continue
            queue = wanted.popleft()
            self._queued.discard(queue)
            if queue in self._busy:
                # Another task is at it, and looks at the queue again when it is done.
                queue.wants_again = True
                continue
            self._busy.add(queue)
            try:
                await self._serve(queue, tools)
            except SpoolUnavailable:
                # The scheduler asks again as long as there is a backlog.
                queue.has_backlog = True
            except Exception:
                log.exception("scheduler.load_failed", next_hop=queue.hop)
                metrics.TASK_FAILURES.inc()
                queue.has_backlog = True
            finally:
                self._busy.discard(queue)
            if queue.wants_again:
                queue.wants_again = False
                self.request(queue)

    async def _serve(self, queue: LaneQueue, tools: QueueTools) -> None:
        if queue.ownership is Ownership.WANTED and not await self._leases.claim(queue):
            self._drop(queue)
        if queue.ownership is not Ownership.OURS:
            return
        if queue.walks:
            await self._walk(queue, tools)
        try:
            await self._load(queue, tools)
        finally:
            queue.left = None
        queue.lane.wake_all()

    async def _load(self, queue: LaneQueue, tools: QueueTools) -> None:
        limit = queue.room_to_load()
        if not limit:
            return
        now = tools.wall()
        epoch = queue.epoch
        queue.has_backlog = False
        queue.due_at = None
        left = queue.left = set()
        found = await tools.spool.load_due(
            queue.lane_id, now=now, limit=limit, exclude=tuple(queue.known)
        )
        if queue.epoch != epoch:
            # What was read may have been changed by a person since.
            queue.has_backlog = True
            return
        batch = _Batch(queue, tools, now)
        for message in found:
            if message.queue_id in left:
                queue.has_backlog = True
            elif message.queue_id not in queue.known:
                await batch.take(message, message.recipients)
        await self._move(batch)
        if len(found) >= limit:
            queue.has_backlog = True
            if not queue.waiting:
                self.request(queue)
        else:
            due_at = await tools.spool.next_due(queue.lane_id)
            if due_at is not None:
                # What is due and known is under way; its settlement says when it is due again.
                queue.note_due(max(due_at, now + _LEAST_PAUSE_MS))

    async def _walk(self, queue: LaneQueue, tools: QueueTools) -> None:
        """One step over all mail of the lane that is old enough."""
        if not tools.recorder.is_open:
            return
        walk = queue.walks[0]
        found = await tools.spool.older_than(
            queue.lane_id,
            received_before=walk.received_before,
            limit=STEP_MESSAGES,
            unnotified=walk.unnotified,
            after=walk.after,
        )
        now = tools.wall()
        batch = _Batch(queue, tools, now)
        for message in found:
            if message.queue_id not in queue.known:
                await batch.look(message)
        await self._move(batch)
        if len(found) < STEP_MESSAGES:
            if walk in queue.walks:
                queue.walks.remove(walk)
        else:
            walk.after = found[-1].queue_id
        if queue.walks and walk.is_urgent:
            self.request(queue)

    async def _move(self, batch: "_Batch") -> None:
        """Bring recipients to the lanes where they belong by now, in one commit."""
        if not batch.moves:
            return
        spool = batch.tools.spool
        async with asyncio.TaskGroup() as group:
            for message, recipients, way in batch.moves:
                numbers = [each.recipient.number for each in recipients]
                group.create_task(spool.move(message.queue_id, numbers, way.lane))
        for way in {way for _, _, way in batch.moves}:
            target = self._open_queue(way)
            target.has_backlog = True
            self.request(target)


_LEAST_PAUSE_MS = 1000


class _Batch:
    """Decides on each message that was read, and collects who has to move."""

    def __init__(self, queue: LaneQueue, tools: QueueTools, now: Timestamp) -> None:
        self.tools = tools
        self.moves: list[tuple[SpooledMessage, list[SpooledRecipient], Way]] = []
        self._queue = queue
        self._now = now

    async def take(self, message: SpooledMessage, recipients: Iterable[SpooledRecipient]) -> None:
        """Mail that is due: into the ready queue, or where else it belongs."""
        queue = self._queue
        tenant = await self.tools.tenants.get(message.tenant_id)
        waiting = self._bounce(message, recipients, tenant)
        if tenant is None:
            self._settle(message, waiting, NO_TENANT, tenant=_gone(message), is_attempt=True)
            return
        for way, group in self._ways(tenant, message, waiting).items():
            if way is None:
                self._settle(message, group, NO_ROUTE, tenant=tenant, is_attempt=True)
            elif isinstance(way.next_hop, Reject):
                reply = Reply(550, "5.7.1", (way.next_hop.text,))
                self._settle(message, group, reply, tenant=tenant)
            elif way.lane_id != queue.lane_id:
                self.moves.append((message, group, way))
            else:
                queue.add_loaded(message, group, tenant, way)

    async def look(self, message: SpooledMessage) -> None:
        """Mail that waits: does anything have to happen without an attempt?"""
        tenant = await self.tools.tenants.get(message.tenant_id)
        waiting = self._bounce(message, message.recipients, tenant)
        if tenant is None:
            return
        is_over = self._now >= give_up_at(tenant.retry, message.received_at)
        is_late = is_notice_time(tenant, message, self._now)
        told = [each for each in waiting if is_over or (is_late and not each.delay_notified)]
        if told:
            self._settle_late(message, told, tenant)
        rest = [each for each in waiting if each not in told]
        for way, group in self._ways(tenant, message, rest).items():
            if way is not None and way.lane_id == self._queue.lane_id:
                self._queue.lane.heed(way.next_hop)
            elif way is not None:
                if isinstance(way.next_hop, Reject):
                    reply = Reply(550, "5.7.1", (way.next_hop.text,))
                    self._settle(message, group, reply, tenant=tenant)
                else:
                    self.moves.append((message, group, way))

    def _ways(
        self, tenant: Tenant, message: SpooledMessage, recipients: Iterable[SpooledRecipient]
    ) -> dict[Way | None, list[SpooledRecipient]]:
        ways: dict[Way | None, list[SpooledRecipient]] = {}
        for each in recipients:
            way = self.tools.tenants.way(tenant, message, each.recipient)
            ways.setdefault(way, []).append(each)
        return ways

    def _bounce(
        self,
        message: SpooledMessage,
        recipients: Iterable[SpooledRecipient],
        tenant: Tenant | None,
    ) -> list[SpooledRecipient]:
        """Fail those that a person wants bounced; the others."""
        waiting: list[SpooledRecipient] = []
        bounced: list[SpooledRecipient] = []
        for each in recipients:
            (bounced if each.must_bounce else waiting).append(each)
        self._settle(message, bounced, BOUNCED, tenant=tenant or _gone(message))
        return waiting

    def _settle_late(
        self, message: SpooledMessage, recipients: list[SpooledRecipient], tenant: Tenant
    ) -> None:
        """A notice or the end, with what is known of the reason."""
        reasons: dict[Reply, list[SpooledRecipient]] = {}
        for each in recipients:
            reason = each.last_reply or self._queue.last_failure or NOT_TRIED
            reasons.setdefault(reason, []).append(each)
        for reason, group in reasons.items():
            self._settle(message, group, reason, tenant=tenant)

    def _settle(
        self,
        message: SpooledMessage,
        recipients: list[SpooledRecipient],
        reply: Reply,
        *,
        tenant: Tenant,
        is_attempt: bool = False,
    ) -> None:
        if not recipients:
            return
        state = RecipientState.FAILED if reply.code >= 500 else RecipientState.DEFERRED
        self._queue.settle_untried(
            Tried(
                message=message,
                recipients=recipients,
                outcomes=[
                    RecipientOutcome(each.recipient.number, state, reply) for each in recipients
                ],
                tenant=tenant,
                lane_id=self._queue.lane_id,
                owner=self.tools.owner,
                started_at=self._now,
                duration_ms=0,
                is_attempt=is_attempt,
            )
        )


def _gone(message: SpooledMessage) -> Tenant:
    """Stands for a tenant that is not there any more."""
    return Tenant(message.tenant_id, "", frozenset(), RouteTable(()))
