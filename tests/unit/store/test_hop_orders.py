"""store.hop_orders: what administrators order for single next hops."""

from dataclasses import replace

from pillarbox.hop_caps import CapsOrder
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory_reading import read_tenant
from pillarbox.store.generation import Part, generation
from pillarbox.store.hop_orders import (
    HopOrder,
    caps_orders,
    change_order,
    drop_orders,
    list_orders,
    try_hop_now,
)
from pillarbox.store.seal import Seal

HOP = "mx:far.example"
NOW = 1_795_161_600_000
DAY = 86_400_000


def _paused(order: HopOrder) -> HopOrder:
    return replace(order, paused_at=NOW, paused_until=NOW + DAY, reason="they asked")


def _capped(order: HopOrder) -> HopOrder:
    return order.with_caps(CapsOrder(connections=2))


def test_orders_of_a_next_hop_add_up_and_move_the_directory(database: Database) -> None:
    """A cap leaves a pause as it is; without both there is no order."""
    before = database.read_now(lambda c: generation(c, Part.DIRECTORY))
    database.write_now(lambda c: change_order(c, HOP, _paused))
    database.write_now(lambda c: change_order(c, HOP, _capped))

    [order] = database.read_now(list_orders).values()
    assert order.is_paused(NOW)
    assert not order.is_paused(NOW + DAY)
    assert database.read_now(caps_orders) == {HOP: CapsOrder(connections=2)}
    assert database.read_now(lambda c: generation(c, Part.DIRECTORY)) == before + 2

    database.write_now(lambda c: change_order(c, HOP, HopOrder.without_pause))
    database.write_now(lambda c: change_order(c, HOP, lambda o: o.with_caps(CapsOrder())))

    assert not database.read_now(list_orders)


def test_tenants_are_read_with_the_caps_that_were_ordered(database: Database, seal: Seal) -> None:
    """Also those that have no route to that next hop: it may be a domain's."""
    tenant_id = database.write_now(lambda c: add_tenant(c, "one", now=NOW))
    before = database.read_now(lambda c: read_tenant(c, tenant_id, seal))
    database.write_now(lambda c: change_order(c, HOP, _capped))

    after = database.read_now(lambda c: read_tenant(c, tenant_id, seal))

    assert before is not None
    assert after is not None
    assert before.routes != after.routes


def test_orders_that_ask_for_nothing_any_more_are_removed(database: Database) -> None:
    """A pause that is over and an attempt that was made; caps stay."""
    database.write_now(lambda c: change_order(c, HOP, _paused))
    database.write_now(lambda c: try_hop_now(c, "mx:two.example", now=NOW))
    database.write_now(lambda c: change_order(c, "mx:three.example", _capped))

    assert database.write_now(lambda c: drop_orders(c, now=NOW + 1, before=0)) == 0
    assert database.write_now(lambda c: drop_orders(c, now=NOW + DAY + 1, before=0)) == 2

    assert list(database.read_now(list_orders)) == ["mx:three.example"]
