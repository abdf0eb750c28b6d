"""The part of a simulated store that knows how much of the windows of next hops is used."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.store.lanes import SavedUsage, UsageRecord

COMMIT_SECONDS = 0.002


class SimulatedUsage:
    """`owner_of` says whose a lane is."""

    def __init__(self, owner_of: Callable[[int], str]) -> None:
        self.usages: dict[int, tuple[UsageRecord, float]] = {}
        self.keeps_usage = True
        self._owner_of = owner_of

    async def usage(self, lane: int) -> SavedUsage:
        """See LaneStore."""
        await asyncio.sleep(COMMIT_SECONDS)
        now = asyncio.get_running_loop().time()
        record, at = self.usages.get(lane, (UsageRecord(lane), now))
        return SavedUsage(record, int((now - at) * 1000))

    async def save_usage(self, records: Sequence[UsageRecord], *, owner: str) -> frozenset[int]:
        """See LaneStore."""
        await asyncio.sleep(COMMIT_SECONDS)
        if not self.keeps_usage:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "no answer")
        now = asyncio.get_running_loop().time()
        ours = [one for one in records if self._owner_of(one.lane_id) == owner]
        # The machine's uptime has nothing to do with the time of the simulation.
        self.usages |= {one.lane_id: (replace(one, boot=""), now) for one in ours}
        return frozenset(one.lane_id for one in ours)
