"""Tells the store what of the windows of next hops is used, and what is about to be.

A portion of a window is used only after the store has noted it, so a crash or a takeover can not
make anybody forget what a next hop has seen. All lanes that want something share one transaction.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence

from pillarbox.delivery.usage import Plan
from pillarbox.errors import SpoolUnavailable
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.scheduler.lane_queue import LaneQueue, Ownership
from pillarbox.scheduler.stores import LaneStore
from pillarbox.scheduler.uptime import Uptime, elapsed_ms, uptime
from pillarbox.store.lanes import UsageRecord

_AT_ONCE = 200
"""Lanes in one transaction."""


class UsageWriter:
    """One for each worker; `run` is its task."""

    def __init__(
        self,
        lanes: LaneStore,
        owner: str,
        *,
        monotonic: Callable[[], float],
        uptime: Callable[[], Uptime] = uptime,
    ) -> None:
        self._lanes = lanes
        self._owner = owner
        self._monotonic = monotonic
        self._uptime = uptime
        self._wanted: dict[LaneQueue, bool] = {}
        self._is_wanted = asyncio.Event()

    def reserve(self, queue: LaneQueue) -> None:
        """Reserve another portion for this lane; it is woken then."""
        self._wanted[queue] = True
        self._is_wanted.set()

    def refresh(self, queues: Iterable[LaneQueue]) -> None:
        """Write what has changed in these lanes: what is known needs not be assumed."""
        for queue in queues:
            if queue.lane.permits.usage.is_changed:
                self._wanted.setdefault(queue, False)
        if self._wanted:
            self._is_wanted.set()

    async def run(self) -> None:
        """Write what was asked for, again and again."""
        while True:
            await self._is_wanted.wait()
            some = list(self._wanted.items())[:_AT_ONCE]
            for queue, _ in some:
                del self._wanted[queue]
            if not self._wanted:
                self._is_wanted.clear()
            try:
                await self._write([each for each in some if each[0].ownership is Ownership.OURS])
            except SpoolUnavailable:
                # A lane that waits for it asks again with its next look.
                pass
            except Exception:
                log.exception("scheduler.usage_failed")
                metrics.TASK_FAILURES.inc()

    async def _write(self, some: Sequence[tuple[LaneQueue, bool]]) -> None:
        now = self._monotonic()
        plans = [(q, q.lane.permits.usage.plan(now, ahead=ahead)) for q, ahead in some]
        held = await self._save(plans)
        for queue, plan in plans:
            if queue.lane_id in held:
                queue.lane.permits.usage.grant(plan)
                queue.lane.wake_all()

    async def _save(self, plans: Sequence[tuple[LaneQueue, Plan]]) -> frozenset[int]:
        if not plans:
            return frozenset()
        at = self._uptime()
        records = [
            UsageRecord(queue.lane_id, plan.text, at.boot, at.milliseconds) for queue, plan in plans
        ]
        try:
            return await self._lanes.save_usage(records, owner=self._owner)
        except BaseException:
            for queue, _ in plans:
                queue.lane.permits.usage.is_changed = True
            raise

    async def load(self, queue: LaneQueue) -> None:
        """Go on with what is known of a lane that was claimed. Raises SpoolUnavailable."""
        saved = await self._lanes.usage(queue.lane_id)
        elapsed = elapsed_ms(saved, self._uptime()) / 1000
        queue.lane.permits.usage.load(saved.record.text, self._monotonic(), elapsed)

    async def close(self, queues: Iterable[LaneQueue]) -> None:
        """Nothing more begins in these lanes: give back what was reserved and not used. Raises
        SpoolUnavailable: then it counts as used."""
        now = self._monotonic()
        plans = [
            (queue, queue.lane.permits.usage.last_plan(now))
            for queue in queues
            if queue.lane.permits.usage.is_known
        ]
        for start in range(0, len(plans), _AT_ONCE):
            await self._save(plans[start : start + _AT_ONCE])
