"""Routes of tenants: where the mail of a sender's domain to a recipient's domain goes.

Limits are those of a next hop, whoever sends to it: all routes to it have the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, update

from pillarbox.errors import DirectoryError, NoSuchEntry
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.identifier import format_id
from pillarbox.route import Microsoft365, MxHosts, Route, SmartHost, hop_key
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.admin.route_rules import check_route
from pillarbox.store.admin.tenants import find_tenant_id, read_domain
from pillarbox.store.generation import Part, moved
from pillarbox.store.grants import GrantFacts, grant_facts, put_grant
from pillarbox.store.route_rows import caps_values, route_of, values_of
from pillarbox.store.schema_directory import route, tenant
from pillarbox.store.seal import Seal
from pillarbox.store.sources import check_known

_WILD = "*."


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A route as administrators see it; the password of a smart host is not in it."""

    tenant: str
    route: Route
    created_at: Timestamp


def add_route(
    connection: Connection,
    tenant_name: str,
    new: Route,
    *,
    seal: Seal,
    now: Timestamp,
    refresh_token: str = "",
) -> int:
    """Add a route; its id (that of `new` does not count). Patterns: "" for all, "example.org", or
    "*.example.org" for every domain below. `refresh_token` is what a person granted, if one did.
    Raises DirectoryError, also where another route to the same next hop has other limits;
    SecretError."""
    # First of all, so that whoever else changes routes waits until this is done.
    moved(connection, Part.DIRECTORY)
    tenant_id = find_tenant_id(connection, tenant_name)
    sender, recipient = _read_pattern(new.sender_domain), _read_pattern(new.recipient_domain)
    is_it = (
        route.c.tenant_id == tenant_id,
        route.c.sender_domain == sender,
        route.c.recipient_domain == recipient,
    )
    if connection.scalar(select(exists().where(*is_it))):
        raise DirectoryError(
            f"tenant {tenant_name!r} has a route from {sender or 'all'} to {recipient or 'all'} "
            "already: change or remove that one"
        )
    route_id = directory_id(now)
    row = {
        "id": route_id,
        "tenant_id": tenant_id,
        "sender_domain": sender,
        "recipient_domain": recipient,
        "created_at": now,
    }
    check_route(new)
    _check_sources(connection, new)
    check_limits(new, routes_sharing(connection, new))
    row |= values_of(new, seal, route_id)
    connection.execute(insert(route).values(row))
    if refresh_token:
        put_grant(connection, route_id, refresh_token, seal=seal, now=now)
    return route_id


def change_route(
    connection: Connection, new: Route, *, seal: Seal, now: Timestamp, refresh_token: str = ""
) -> list[RouteInfo]:
    """Give the route with this id another next hop or other caps; its patterns stay. A
    `refresh_token` takes the place of what was granted before.

    Other caps are given to all routes that shared a next hop with it before; those, as they were,
    are returned. Raises DirectoryError, also where a route to its new next hop has other limits;
    SecretError.
    """
    moved(connection, Part.DIRECTORY)
    route_id = new.route_id
    before = show_route(connection, route_id).route
    check_route(new)
    _check_sources(connection, new)
    followers = _followers(list_routes(connection), before, new)
    theirs = {info.route.route_id for info in followers}
    others = routes_sharing(connection, new)
    check_limits(new, [info for info in others if info.route.route_id not in theirs])
    values = values_of(new, seal, route_id)
    connection.execute(update(route).where(route.c.id == route_id).values(values))
    changed = [info for info in followers if info.route.caps != new.caps]
    for info in changed:
        is_it = route.c.id == info.route.route_id
        connection.execute(update(route).where(is_it).values(caps_values(new.caps)))
    if refresh_token:
        put_grant(connection, route_id, refresh_token, seal=seal, now=now)
    return changed


def routes_sharing(connection: Connection, one: Route) -> list[RouteInfo]:
    """The other routes, of any tenant, that hand mail to a next hop of this one."""
    hops = _hops(one)
    return [
        info
        for info in list_routes(connection)
        if info.route.route_id != one.route_id and hops & _hops(info.route)
    ]


def _hops(one: Route) -> set[str]:
    """The names of its next hops, those that have limits."""
    hops = (member.next_hop for member in one.members)
    return {hop_key(hop) for hop in hops if isinstance(hop, SmartHost | Microsoft365)}


def _followers(all_routes: Sequence[RouteInfo], before: Route, new: Route) -> list[RouteInfo]:
    """The routes that share a next hop with a route before and after its change, and those that
    share one with them."""
    hops = _hops(before) & _hops(new)
    found: dict[int, RouteInfo] = {}
    left = {info.route.route_id: info for info in all_routes}
    del left[new.route_id]
    while more := {id_: info for id_, info in left.items() if hops & _hops(info.route)}:
        found |= more
        for id_, info in more.items():
            hops |= _hops(info.route)
            del left[id_]
    return list(found.values())


def check_limits(new: Route, others: Sequence[RouteInfo]) -> None:
    """Raise DirectoryError, with what to do, where one of the others has other limits."""
    for info in others:
        caps = info.route.caps
        if caps != new.caps:
            limits = ", ".join([f"{caps.connections} connections", *map(str, caps.windows)])
            id_ = format_id(info.route.route_id)
            raise DirectoryError(
                f"route {id_} of tenant {info.tenant!r} goes to the same next hop, with other "
                f"limits ({limits}, {caps.messages_per_connection} messages in a connection): say "
                f"no limits here to have the same, or change those first (pillarbox route change "
                f"{id_})"
            )


def _check_sources(connection: Connection, new: Route) -> None:
    if isinstance(new.next_hop, MxHosts):
        check_known(connection, [source.address for source in new.next_hop.sources])


def remove_route(connection: Connection, route_id: int) -> None:
    """Remove a route. Mail that waits for its hop finds its way by the routes that are left."""
    if connection.execute(delete(route).where(route.c.id == route_id)).rowcount == 0:
        raise _no_route()
    moved(connection, Part.DIRECTORY)


def list_routes(connection: Connection, tenant_name: str | None = None) -> list[RouteInfo]:
    """All routes, or those of one tenant. Raises DirectoryError for no such tenant."""
    query = select(route, tenant.c.name.label("tenant_name")).join(
        tenant, tenant.c.id == route.c.tenant_id
    )
    if tenant_name is not None:
        query = query.where(tenant.c.id == find_tenant_id(connection, tenant_name))
    query = query.order_by(tenant.c.name, route.c.recipient_domain, route.c.sender_domain)
    return [
        RouteInfo(row["tenant_name"], route_of(row, None), row["created_at"])
        for row in connection.execute(query).mappings()
    ]


def list_sign_ins(connection: Connection) -> list[tuple[RouteInfo, GrantFacts | None]]:
    """The routes that sign in with OAuth2, each with what a person granted it."""
    return [
        (info, grant_facts(connection, info.route.route_id))
        for info in list_routes(connection)
        if info.route.sign_in is not None
    ]


def show_route(connection: Connection, route_id: int, *, seal: Seal | None = None) -> RouteInfo:
    """One route; with `seal` the password of its smart host is in it, for a change that keeps it.
    Raises DirectoryError, SecretError."""
    query = (
        select(route, tenant.c.name.label("tenant_name"))
        .join(tenant, tenant.c.id == route.c.tenant_id)
        .where(route.c.id == route_id)
    )
    row = connection.execute(query).mappings().first()
    if row is None:
        raise _no_route()
    return RouteInfo(row["tenant_name"], route_of(row, seal), row["created_at"])


def _no_route() -> NoSuchEntry:
    return NoSuchEntry("there is no such route (`pillarbox route list` shows all)")


def _read_pattern(pattern: str) -> str:
    if not pattern or pattern == "*":
        return ""
    if pattern.startswith(_WILD):
        return _WILD + read_domain(pattern[len(_WILD) :])
    return read_domain(pattern)
