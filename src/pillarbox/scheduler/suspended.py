"""Keeps what the store says about suspended lanes in step with the lanes themselves, and has what
was put off while a next hop could not be reached tried when it is back.

Not on the way of any message: looked at once a second, and when a lane is claimed.
"""

from collections.abc import Iterable

from pillarbox.delivery.attempt import WallClock
from pillarbox.observe import metrics
from pillarbox.scheduler.lane_queue import LaneQueue, Ownership
from pillarbox.scheduler.stores import SuspensionStore
from pillarbox.store.suspensions import Suspension


class SuspendedLanes:
    """One for each worker. All methods raise SpoolUnavailable, and may be called again then."""

    def __init__(self, store: SuspensionStore, *, wall: WallClock) -> None:
        self._store = store
        self._wall = wall
        self._written: dict[int, Suspension] = {}

    async def inherit(self, queue: LaneQueue) -> None:
        """A lane was claimed: it goes on as its last owner left it."""
        found = await self._store.load(queue.lane_id)
        if found is None:
            self._written.pop(queue.lane_id, None)
        else:
            self._written[queue.lane_id] = found
            queue.lane.inherit(found)

    async def follow(self, queues: Iterable[LaneQueue]) -> None:
        """Write down what has changed."""
        ours = [queue for queue in queues if queue.ownership is Ownership.OURS]
        metrics.LANES_SUSPENDED.set(sum(queue.lane.suspension is not None for queue in ours))
        for queue in ours:
            await self._write(queue)
            if queue.is_back:
                await self._wake(queue)

    async def _wake(self, queue: LaneQueue) -> None:
        woken = queue.to_wake()
        if not queue.is_recalled and queue.due_at is not None:
            # Once: what this owner sees of the hop it knows itself.
            found = await self._store.unreached(queue.lane_id, now=self._wall())
            queue.is_recalled = True
            woken |= found - queue.known.keys()
        if woken:
            await self._store.wake(queue.lane_id, woken, now=self._wall())
            queue.wake(woken)

    async def _write(self, queue: LaneQueue) -> None:
        lane_id, suspension = queue.lane_id, queue.lane.suspension
        if suspension != self._written.get(lane_id):
            if suspension is not None:
                await self._store.suspend(lane_id, queue.hop, suspension)
                self._written[lane_id] = suspension
            else:
                await self._store.resume(lane_id, now=self._wall())
                del self._written[lane_id]
                queue.want()
