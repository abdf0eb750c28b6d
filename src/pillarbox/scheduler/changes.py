"""Follows what people and other processes have changed: orders, routes, and the queue itself.

All of it together: a pause holds before mail can go by a route that is as new.
"""

import asyncio
from collections.abc import Mapping

from pillarbox.scheduler.hop_orders import ObeyedOrders
from pillarbox.scheduler.lane_queue import LaneQueue, QueueTools
from pillarbox.scheduler.stores import TenantStore
from pillarbox.scheduler.walk import Walk


class Changes:
    """One for each worker; `queues` are its lanes by their ids."""

    def __init__(
        self,
        directory: TenantStore,
        orders: ObeyedOrders,
        queues: Mapping[int, LaneQueue],
        tools: QueueTools,
    ) -> None:
        self._directory = directory
        self._orders = orders
        self._queues = queues
        self._tools = tools
        self._queue_generation: int | None = None
        self._turn = asyncio.Lock()

    async def follow(self) -> None:
        """Follow all that has changed until now; who is second waits for the first. Raises
        SpoolUnavailable, and is to be called again then."""
        async with self._turn:
            await self._follow()

    async def _follow(self) -> None:
        # As they are at each step: some are opened meanwhile.
        queues = self._queues.values()
        generation = await self._tools.spool.queue_generation()
        both = self._directory.generation, generation
        # First: whose back-off ends must not meet that of what lanes share. Nothing else runs
        # between the moment at which lanes obey and that at which the old routes are forgotten.
        await self._orders.follow(both, queues)
        if await self._tools.tenants.refresh():
            # Mail may belong to other lanes now, also mail that waits for long.
            for queue in queues:
                queue.follow_routes()
                self._look_at_all(queue)
        if generation != self._queue_generation:
            if self._queue_generation is not None:
                for queue in queues:
                    queue.drop_memory()
                    queue.lane.probe_soon()
                    self._look_at_all(queue)
            self._queue_generation = generation

    def _look_at_all(self, queue: LaneQueue) -> None:
        queue.walks = [Walk(self._tools.wall(), is_urgent=True)]
        self._tools.load(queue)
