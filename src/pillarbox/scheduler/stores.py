"""What the scheduler asks of the store and the directory (pillarbox.store)."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.route import Route
from pillarbox.store.hop_orders import HopOrder
from pillarbox.store.lanes import LaneRecord, SavedUsage, UsageRecord
from pillarbox.store.records import Settlement, Tenant
from pillarbox.store.suspensions import Suspension


class QueueStore(Protocol):
    """The spool: store.spool.Spool."""

    def lane_of(self, route: Route) -> int:
        """The id of the lane for mail of this process that takes a route; the next message makes
        its row."""
        ...

    def settle(self, settlement: Settlement) -> "asyncio.Future[bool]":
        """Record a result; whether it counted."""
        ...

    async def read_chunk(self, queue_id: int, number: int) -> bytes:
        """A piece of content."""
        ...

    async def load_due(
        self, lane_id: int, *, now: Timestamp, limit: int, exclude: Collection[int] = ()
    ) -> list[SpooledMessage]:
        """Messages to be tried now."""
        ...

    async def next_due(self, lane_id: int) -> Timestamp | None:
        """When the next recipient of a lane is due."""
        ...

    async def older_than(
        self,
        lane_id: int,
        *,
        received_before: Timestamp,
        limit: int,
        unnotified: bool = False,
        after: int = 0,
    ) -> list[SpooledMessage]:
        """Messages that came before a moment and wait, by queue id, from the one behind `after`."""
        ...

    async def move(self, queue_id: int, numbers: Sequence[int], lane: LaneRecord) -> None:
        """Put recipients into another lane."""
        ...

    async def queue_generation(self) -> int:
        """Moves when somebody changed what is queued."""
        ...


class LaneStore(Protocol):
    """Who owns which lane: store.lanes.Lanes."""

    async def claim(self, hop: str, number: int = 0, *, owner: str, lease_ms: int) -> bool:
        """Take a lane; whether it is ours."""
        ...

    async def renew(self, *, owner: str, lease_ms: int) -> frozenset[int]:
        """Renew all leases; the lanes that are still ours."""
        ...

    async def release(self, lane_id: int, *, owner: str) -> None:
        """Give one lane back."""
        ...

    async def release_owner(self, owner: str) -> None:
        """Give all lanes back."""
        ...

    async def waiting(self, *, now: Timestamp, limit: int = 100) -> list[LaneRecord]:
        """Lanes without an owner that have mail to be tried now."""
        ...

    async def due(self, *, owner: str, now: Timestamp) -> list[int]:
        """The lanes of an owner that have mail to be tried now."""
        ...

    async def bring_forward(self, *, owner: str, now: Timestamp, by_ms: int) -> None:
        """Have what is put off tried so much sooner, where nobody else owns the lane."""
        ...

    async def usage(self, lane_id: int) -> SavedUsage:
        """What was last written about the use of a next hop's windows."""
        ...

    async def save_usage(self, records: Sequence[UsageRecord], *, owner: str) -> frozenset[int]:
        """Write it, of lanes that are ours; which ones are."""
        ...


class SuspensionStore(Protocol):
    """Why lanes wait: store.suspensions.Suspensions."""

    async def load(self, lane_id: int) -> Suspension | None:
        """What was last written about a lane."""
        ...

    async def suspend(self, lane_id: int, hop: str, found: Suspension) -> None:
        """Write it down."""
        ...

    async def resume(self, lane_id: int, *, now: Timestamp) -> None:
        """The next hop takes mail again: what was put off is tried now."""
        ...

    async def unreached(self, lane_id: int, *, now: Timestamp) -> frozenset[int]:
        """Messages that were put off as the next hop could not be reached."""
        ...

    async def wake(self, lane_id: int, queue_ids: Collection[int], *, now: Timestamp) -> None:
        """What was put off of these messages is tried now."""
        ...


class OrderStore(Protocol):
    """What administrators have ordered for next hops: store.hop_orders.HopOrders."""

    async def all(self) -> Mapping[str, HopOrder]:
        """All orders by the name of the next hop."""
        ...


class TenantStore(Protocol):
    """The directory: store.directory.Directory."""

    @property
    def generation(self) -> int:
        """Moves with every change."""
        ...

    async def tenant(self, tenant_id: int) -> Tenant | None:
        """A tenant; None if it is gone."""
        ...
