"""Whose lanes are ours, and until when.

A lease is renewed long before it ends. It ends here, by the monotonic clock and counted from
before the question, sooner than in the store: no attempt begins that another owner might make.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence

from pillarbox.errors import SpoolUnavailable
from pillarbox.observe.log import log
from pillarbox.scheduler.lane_queue import LaneQueue, Ownership
from pillarbox.scheduler.stores import LaneStore
from pillarbox.scheduler.usage_writer import UsageWriter

LEASE_SECONDS = 15.0
RENEW_SECONDS = 5.0
MARGIN_SECONDS = 2.0
"""So much sooner a lease ends for us than for others."""


class Leases:
    """Claims and renews lanes for one owner. `inherited` are called with each lane that is claimed,
    before it begins: it goes on as its last owner left it."""

    def __init__(
        self,
        lanes: LaneStore,
        inherited: Sequence[Callable[[LaneQueue], Awaitable[None]]],
        usage: UsageWriter,
        owner: str,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._lanes = lanes
        self._inherited = inherited
        self._usage = usage
        self._owner = owner
        self._monotonic = monotonic
        self._leaving: dict[int, asyncio.Event] = {}

    async def claim(self, queue: LaneQueue) -> bool:
        """Make a lane ours if nobody has it. Raises SpoolUnavailable."""
        while leaving := self._leaving.get(queue.lane_id):
            # Else it would be given back behind our back.
            await leaving.wait()
        asked_at = self._monotonic()
        if not await self._lanes.claim(
            queue.hop, queue.number, owner=self._owner, lease_ms=int(LEASE_SECONDS * 1000)
        ):
            return False
        for inherit in self._inherited:
            await inherit(queue)
        queue.claimed_at = self._monotonic()
        queue.owned_until = asked_at + LEASE_SECONDS - MARGIN_SECONDS
        queue.ownership = Ownership.OURS
        return True

    async def renew(self, queues: Iterable[LaneQueue]) -> list[LaneQueue]:
        """Renew all leases; those that were lost. Raises SpoolUnavailable: then they run out."""
        asked_at = self._monotonic()
        held = await self._lanes.renew(owner=self._owner, lease_ms=int(LEASE_SECONDS * 1000))
        lost: list[LaneQueue] = []
        kept: list[LaneQueue] = []
        for queue in queues:
            if queue.ownership is not Ownership.OURS or queue.claimed_at >= asked_at:
                continue
            if queue.lane_id in held:
                queue.owned_until = asked_at + LEASE_SECONDS - MARGIN_SECONDS
                queue.lane.wake_all()
                kept.append(queue)
            else:
                lost.append(queue)
        self._usage.refresh(kept)
        return lost

    async def release(self, queue: LaneQueue) -> None:
        """Give a lane back that is not needed."""
        leaving = self._leaving[queue.lane_id] = asyncio.Event()
        try:
            await self._usage.close([queue])
            await self._lanes.release(queue.lane_id, owner=self._owner)
        except SpoolUnavailable:
            log.info("scheduler.release_failed", next_hop=queue.hop)
        finally:
            del self._leaving[queue.lane_id]
            leaving.set()

    async def release_all(self, queues: Iterable[LaneQueue]) -> None:
        """Give all lanes back, these among them."""
        try:
            await self._usage.close([q for q in queues if q.ownership is Ownership.OURS])
            await self._lanes.release_owner(self._owner)
        except SpoolUnavailable:
            log.warning("scheduler.release_failed", next_hop="all")
