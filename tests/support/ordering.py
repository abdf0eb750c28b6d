"""What administrators order for next hops, in memory."""

from collections.abc import Mapping

from pillarbox.store.hop_orders import HopOrder


class SimulatedOrders:
    """store.hop_orders in memory. A change counts once the directory has moved."""

    def __init__(self) -> None:
        self.orders: dict[str, HopOrder] = {}

    async def all(self) -> Mapping[str, HopOrder]:
        """See OrderStore."""
        return dict(self.orders)
