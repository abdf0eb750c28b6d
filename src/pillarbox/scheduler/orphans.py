"""Lanes that nobody owns and that have mail to be tried: which of them a worker takes.

Any worker may, since the one that had them may be dead. But a lane that is another worker's by its
number is left to that one for one look: who takes it moves its mail to a lane of its own, and while
both live they would do so in turns.
"""

from collections.abc import Callable

from pillarbox.mail.envelope import Timestamp
from pillarbox.route import LanePlan
from pillarbox.scheduler.stores import LaneStore
from pillarbox.store.lanes import LaneRecord

ORPHAN_SECONDS = 5.0
"""So often they are looked for."""

AGAIN_SECONDS = 1.0
"""Where there were more than are read at once."""

ORPHANS = 1000


class Orphans:
    """One for each worker."""

    def __init__(
        self,
        lanes: LaneStore,
        plan: LanePlan,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], Timestamp],
    ) -> None:
        self._lanes = lanes
        self._plan = plan
        self._monotonic = monotonic
        self._wall = wall
        self._next_at = float("-inf")
        self._left: frozenset[int] = frozenset()

    async def look(self) -> list[LaneRecord] | None:
        """Those to take now; None where it is not time to look. Raises SpoolUnavailable."""
        if self._monotonic() < self._next_at:
            return None
        found = await self._lanes.waiting(now=self._wall(), limit=ORPHANS)
        pause = AGAIN_SECONDS if len(found) == ORPHANS else ORPHAN_SECONDS
        self._next_at = self._monotonic() + pause
        seen, self._left = self._left, frozenset(r.lane_id for r in found if self._is_others(r))
        return [r for r in found if r.lane_id not in self._left or r.lane_id in seen]

    def _is_others(self, record: LaneRecord) -> bool:
        return record.number != self._plan.worker and record.number < self._plan.workers
