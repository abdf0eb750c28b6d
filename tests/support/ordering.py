"""What administrators order for next hops, in memory."""

import asyncio
from collections.abc import Mapping

from pillarbox.store.hop_orders import HopOrder


class SimulatedOrders:
    """store.hop_orders in memory. A change counts once the directory has moved."""

    def __init__(self) -> None:
        self.orders: dict[str, HopOrder] = {}
        self.read_seconds = 0.0

    async def all(self) -> Mapping[str, HopOrder]:
        """See OrderStore."""
        await asyncio.sleep(self.read_seconds)
        return dict(self.orders)
