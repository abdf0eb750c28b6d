"""What administrators have ordered for single next hops: a pause, caps, an attempt at once.

Caps become part of the routes (route.RouteTable), so that they hold exactly for all workers. A
pause and an attempt at once are obeyed by the owner of the lane (scheduler.hop_orders). Each change
moves the generation of the directory; whoever reads it sees it within a second.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace

from sqlalchemy import Connection, delete, or_, select

from pillarbox.hop_caps import CapsOrder
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.database import Database
from pillarbox.store.generation import Part, moved
from pillarbox.store.schema import hop_order
from pillarbox.store.upsert import insert_or_update


@dataclass(frozen=True, slots=True)
class HopOrder:
    """`paused_at`: it is given nothing since then; until `paused_until`, None: until somebody says
    so. `tried_at`: the last time somebody had it tried at once."""

    paused_at: Timestamp | None = None
    paused_until: Timestamp | None = None
    reason: str = ""
    connections: int | None = None
    messages_per_connection: int | None = None
    messages_per_minute: int | None = None
    tried_at: Timestamp | None = None

    @property
    def caps(self) -> CapsOrder | None:
        """The caps that it orders."""
        caps = CapsOrder(self.connections, self.messages_per_connection, self.messages_per_minute)
        return None if caps == CapsOrder() else caps

    def is_paused(self, now: Timestamp) -> bool:
        """Whether the next hop is given nothing now."""
        if self.paused_at is None:
            return False
        return self.paused_until is None or now < self.paused_until

    def with_caps(self, caps: CapsOrder) -> "HopOrder":
        """The order with these caps in place of those before."""
        return replace(self, **asdict(caps))

    def without_pause(self) -> "HopOrder":
        """The order without a pause."""
        return replace(self, paused_at=None, paused_until=None, reason="")


class HopOrders:
    """What the scheduler reads. Raises SpoolUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> Mapping[str, HopOrder]:
        """All orders by the name of the next hop."""
        return await self._database.read(list_orders)


_SEEN_MS = 3_600_000
"""All processes have seen an order by then."""

_COLUMNS = [hop_order.c[each.name] for each in fields(HopOrder)]


def list_orders(connection: Connection) -> dict[str, HopOrder]:
    """All orders by the name of the next hop."""
    rows = connection.execute(select(hop_order.c.hop, *_COLUMNS))
    return {hop: HopOrder(*values) for hop, *values in rows}


def caps_orders(connection: Connection) -> dict[str, CapsOrder]:
    """The caps that are ordered, by the name of the next hop."""
    columns = hop_order.c
    has_caps = or_(
        columns.connections.is_not(None),
        columns.messages_per_connection.is_not(None),
        columns.messages_per_minute.is_not(None),
    )
    rows = connection.execute(select(columns.hop, *_COLUMNS).where(has_caps))
    found = {hop: HopOrder(*values).caps for hop, *values in rows}
    return {hop: caps for hop, caps in found.items() if caps is not None}


def change_order(
    connection: Connection, hop: str, change: Callable[[HopOrder], HopOrder]
) -> HopOrder:
    """Change what is ordered for a next hop; what is ordered then."""
    # First of all, so that two who change the same order take turns.
    moved(connection, Part.DIRECTORY)
    row = connection.execute(select(*_COLUMNS).where(hop_order.c.hop == hop)).first()
    order = change(HopOrder() if row is None else HopOrder(*row))
    if order == HopOrder():
        connection.execute(delete(hop_order).where(hop_order.c.hop == hop))
        return order
    values = asdict(order)
    connection.execute(
        insert_or_update(connection, hop_order)
        .values(hop=hop, **values)
        .on_conflict_do_update(index_elements=["hop"], set_=values)
    )
    return order


def try_hop_now(connection: Connection, hop: str, *, now: Timestamp) -> None:
    """Have a next hop tried at once, whatever back-off there is."""
    change_order(connection, hop, lambda order: replace(order, tried_at=now))


def drop_orders(connection: Connection, *, now: Timestamp, before: Timestamp) -> int:  # noqa: ARG001 - as all steps of store.upkeep
    """Orders that ask for nothing any more: a pause that is over, an attempt that was made."""
    columns = hop_order.c
    result = connection.execute(
        delete(hop_order).where(
            columns.connections.is_(None),
            columns.messages_per_connection.is_(None),
            columns.messages_per_minute.is_(None),
            or_(columns.paused_at.is_(None), columns.paused_until < now),
            or_(columns.tried_at.is_(None), columns.tried_at < now - _SEEN_MS),
        )
    )
    return result.rowcount
