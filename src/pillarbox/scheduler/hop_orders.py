"""Has lanes do what administrators have ordered for their next hops (store.hop_orders).

Not on the way of any message: looked at once a second, at each change of the directory, and when a
lane is claimed.
"""

from collections.abc import Callable, Iterable, Mapping

from pillarbox.delivery.attempt import WallClock
from pillarbox.scheduler.lane_queue import LaneQueue
from pillarbox.scheduler.stores import OrderStore
from pillarbox.store.hop_orders import HopOrder

_NONE = HopOrder()


class ObeyedOrders:
    """One for each worker. `let_go` has what lanes share tried at once, by the name of a hop."""

    def __init__(
        self, store: OrderStore, *, wall: WallClock, let_go: Callable[[str], None]
    ) -> None:
        self._store = store
        self._wall = wall
        self._let_go = let_go
        self._orders: Mapping[str, HopOrder] | None = None
        self._generations = (-1, -1)

    async def inherit(self, queue: LaneQueue) -> None:
        """A lane was claimed: a pause holds from the beginning. Raises SpoolUnavailable."""
        if self._orders is None:
            orders = await self._store.all()
            # What `follow` has read meanwhile may be newer.
            self._orders = orders if self._orders is None else self._orders
        self._hold(queue, self._orders)

    async def follow(self, generations: tuple[int, int], queues: Iterable[LaneQueue]) -> None:
        """Read the orders where the directory or the queue has moved to another generation, and
        obey. Raises SpoolUnavailable, and may be called again then."""
        old = self._orders
        if old is None or generations != self._generations:
            self._orders = await self._store.all()
            self._generations = generations
        orders = self._orders or {}
        if not old and not orders:
            return
        tried = set() if old is None else _tried(old, orders)
        for hop in tried:
            self._let_go(hop)
        for queue in queues:
            self._hold(queue, orders)
            if queue.hop in tried:
                queue.lane.let_go()

    def _hold(self, queue: LaneQueue, orders: Mapping[str, HopOrder]) -> None:
        order = orders.get(queue.hop)
        queue.lane.hold(is_held=order is not None and order.is_paused(self._wall()))


def _tried(old: Mapping[str, HopOrder], orders: Mapping[str, HopOrder]) -> set[str]:
    """The next hops that are to be tried at once since the orders were read last."""
    return {
        hop
        for hop, order in orders.items()
        if order.tried_at is not None and order.tried_at != old.get(hop, _NONE).tried_at
    }
