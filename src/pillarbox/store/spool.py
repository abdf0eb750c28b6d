"""The spool: messages come in (`put`), attempts are recorded (`settle`), due mail is handed out.

The only writer of what the queue is; people change it through store.queue. Content above
INLINE_OCTETS comes in chunk by chunk before its message. Queries are in store.due.
"""

import asyncio
from collections.abc import Collection, Sequence
from functools import partial

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.spooled import CHUNK_OCTETS, SpooledMessage
from pillarbox.route import ONE_WORKER, HopCaps, LanePlan, NextHop, Route, hop_key
from pillarbox.route import lane_id as id_of_lane
from pillarbox.store import due, upkeep
from pillarbox.store.content import read_chunk
from pillarbox.store.content_storing import content_store
from pillarbox.store.database import Database
from pillarbox.store.generation import Part, generation
from pillarbox.store.lanes import LaneRecord
from pillarbox.store.records import Settlement
from pillarbox.store.spool_work import MAX_LANES, NewLanes, PutWork, SettleWork
from pillarbox.store.statements import Row

_CACHED_ROUTES = 10_000


class Spool:
    """One for each process, over its database."""

    def __init__(self, database: Database, plan: LanePlan = ONE_WORKER) -> None:
        self._database = database
        self._plan = plan
        self._content = content_store(database)
        self._lanes = NewLanes()
        self._lane_ids: dict[tuple[str, int], int] = {}
        self._lane_of: dict[tuple[NextHop, HopCaps], int] = {}
        self._last_route: Route | None = None
        self._last_lane = 0

    def lane_of(self, route: Route) -> int:
        """The id of the lane into which this process puts mail that takes a route."""
        if route is self._last_route:
            # Most mail of a tenant takes one route, and to look one up takes long.
            return self._last_lane
        key = route.next_hop, route.caps
        lane_id = self._lane_of.get(key)
        if lane_id is None:
            if len(self._lane_of) >= _CACHED_ROUTES:
                self._lane_of.clear()
            lane_id = self.lane(hop_key(route.next_hop), self._plan.number(route.caps))
            self._lane_of[key] = lane_id
        self._last_route, self._last_lane = route, lane_id
        return lane_id

    def forget_lanes(self) -> None:
        """Do not rely any more on the rows that lanes had: they may be removed when nobody uses
        them."""
        self._last_route = None
        self._lane_of.clear()
        self._lane_ids.clear()
        self._lanes.forget()

    def lane(self, hop: str, number: int = 0) -> int:
        """The id of a hop's lane. To be asked for each lane that a message is put into: the first
        message then makes the lane's row, so that somebody can own it."""
        key = hop, number
        lane_id = self._lane_ids.get(key)
        if lane_id is None:
            if len(self._lane_ids) >= MAX_LANES:
                self._lane_ids.clear()
            lane_id = self._lane_ids[key] = id_of_lane(hop, number)
            self._lanes.know(lane_id, hop, number)
        return lane_id

    def new_lanes(self, message: SpooledMessage) -> list[Row]:
        """Id, hop and number of the lanes of its recipients that may have no row yet."""
        return self._lanes.rows((message,))

    def put(self, message: SpooledMessage) -> "asyncio.Future[None]":
        """Take a message; it is durable once the future is done.

        Content is in `message.content`, or its `message.chunks` chunks were stored before. Raises
        SpoolUnavailable, or the future does: then the message will never be delivered. Do not
        give up waiting: an abandoned put may still succeed.
        """
        self._database.check_room()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        content = message.content
        size = 0 if content is None else len(content)
        work = PutWork(future, size, message=message, lanes=self._lanes)
        if content is None or size > CHUNK_OCTETS:
            self._content.put(work)
        else:
            self._database.submit(work)
        return future

    def settle(self, settlement: Settlement) -> "asyncio.Future[bool]":
        """Record the result of an attempt, with its DSNs, all or nothing.

        False: the lane is not ours any more, or no recipient stands where the attempt found it;
        forget them, the store knows better. The future raises OvertakenError where only some of
        them do. While the store is away or full it waits.
        Raises SpoolUnavailable (BAD, or the store was closed): the attempt will be made again.
        """
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        # Only its owner settles for a lane.
        owner = settlement.lane_id, settlement.owner
        self._database.submit(
            SettleWork(future, lane_owner=owner, settlement=settlement, lanes=self._lanes)
        )
        if settlement.may_have_file:
            future.add_done_callback(partial(self._settled, settlement.queue_id))
        return future

    def _settled(self, queue_id: int, future: "asyncio.Future[bool]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._content.finished(queue_id)

    async def store_chunk(self, queue_id: int, number: int, octets: bytes) -> None:
        """Store one chunk of content before its message; numbers count from 0. Durable on return,
        so awaiting it is the backpressure. Raises SpoolUnavailable."""
        self._database.check_room()
        await self._content.store_chunk(queue_id, number, octets)

    async def discard_chunks(self, queue_id: int) -> None:
        """Remove the chunks of a message that will not come."""
        await self._content.discard(queue_id)

    async def read_chunk(self, queue_id: int, number: int) -> bytes:
        """One chunk of the content of a message. Raises SpoolUnavailable, also when it is gone."""
        octets = await self._database.read(lambda c: read_chunk(c, queue_id, number))
        if octets is None:
            raise SpoolUnavailable(SpoolTrouble.AWAY, f"chunk {number} of the content is gone")
        return octets

    async def load_due(
        self, lane_id: int, *, now: Timestamp, limit: int, exclude: Collection[int] = ()
    ) -> list[SpooledMessage]:
        """Up to `limit` messages of the lane with recipients to be tried now, the longest due
        first, each with all such recipients, without content. `exclude`: queue ids that are at
        hand already."""
        return await self._database.read(
            lambda c: due.load_due(c, lane_id, now=now, limit=limit, exclude=frozenset(exclude))
        )

    async def next_due(self, lane_id: int) -> Timestamp | None:
        """When the next recipient of the lane is due, or was; None if there is none."""
        return await self._database.read(lambda c: due.next_due(c, lane_id))

    async def older_than(
        self,
        lane_id: int,
        *,
        received_before: Timestamp,
        limit: int,
        unnotified: bool = False,
        after: int = 0,
    ) -> list[SpooledMessage]:
        """Up to `limit` messages of the lane that came before a moment and wait to be tried, due
        or not, oldest first, from the one behind the queue id `after`. `unnotified`: only
        recipients without a delay notice."""
        return await self._database.read(
            lambda c: due.older_than(
                c,
                lane_id,
                received_before=received_before,
                limit=limit,
                unnotified=unnotified,
                after=after,
            )
        )

    async def move(self, queue_id: int, numbers: Sequence[int], lane: LaneRecord) -> None:
        """Put open recipients of a message into another lane."""
        await self._database.write(lambda c: due.move(c, queue_id, numbers, lane=lane))

    async def queue_generation(self) -> int:
        """Moves when a person held, released, retried or bounced mail (store.queue). Then what
        is in memory and not being tried must be dropped and loaded again."""
        return await self._database.read(lambda c: generation(c, Part.QUEUE))

    async def prune(self, *, now: Timestamp, trace_days: int) -> int:
        """Remove content whose time is over, and finished messages and failed sessions that are
        older than `trace_days`, in many small transactions; the number of rows that went."""
        removed = 0
        for step in upkeep.STEPS:
            gone = upkeep.STEP_ROWS
            while gone >= upkeep.STEP_ROWS:
                gone = await self._database.write(
                    partial(step, now=now, before=upkeep.trace_limit(now, trace_days))
                )
                removed += gone
        return removed

    async def collect_orphans(self, *, instance: int, since: Timestamp, now: Timestamp) -> int:
        """Remove content whose message never came: of processes that are gone, of an earlier one
        with our number (`instance`, ours since `since`), or more than a day old; and files of
        finished messages that were left."""
        return await self._content.collect_orphans(instance=instance, since=since, now=now)
