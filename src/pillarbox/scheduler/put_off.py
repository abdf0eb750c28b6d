"""Messages that were put off as their next hop could not be reached: they are tried when it is
back, whatever their own schedule says.

Kept in memory, beside the lanes: a lane without mail to be tried is given back long before the next
attempt of what was its last probe. What an owner before this one put off is found in the store
(Suspensions.unreached).
"""

_LANES = 10_000
"""Beyond so many next hops that can not be reached mail of the oldest keeps to its schedule."""

_MESSAGES = 1000
"""Of each: a hop that can not be reached is only probed, so few are put off in two days."""


class PutOff:
    """One for each worker: queue ids by the id of the lane."""

    def __init__(self) -> None:
        self._by_lane: dict[int, set[int]] = {}

    def add(self, lane_id: int, queue_id: int) -> None:
        """Its next hop could not be reached."""
        found = self._by_lane.get(lane_id)
        if found is None:
            if len(self._by_lane) >= _LANES:
                del self._by_lane[next(iter(self._by_lane))]
            found = self._by_lane[lane_id] = set()
        if len(found) < _MESSAGES:
            found.add(queue_id)

    def of(self, lane_id: int) -> frozenset[int]:
        """What waits for this hop to be back."""
        return frozenset(self._by_lane.get(lane_id, ()))

    def remove(self, lane_id: int, queue_ids: frozenset[int]) -> None:
        """They are tried."""
        left = self._by_lane.pop(lane_id, set()) - queue_ids
        if left:
            self._by_lane[lane_id] = left
