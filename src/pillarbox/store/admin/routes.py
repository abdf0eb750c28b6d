"""Routes of tenants: where the mail of a sender's domain to a recipient's domain goes."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, update

from pillarbox.errors import DirectoryError
from pillarbox.mail.envelope import Timestamp
from pillarbox.route import Route
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.admin.route_rules import check_route
from pillarbox.store.admin.tenants import find_tenant_id, read_domain
from pillarbox.store.generation import Part, moved
from pillarbox.store.grants import GrantFacts, grant_facts, put_grant
from pillarbox.store.route_rows import route_of, values_of
from pillarbox.store.schema_directory import route, tenant
from pillarbox.store.seal import Seal

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
    Raises DirectoryError, SecretError."""
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
    row |= values_of(new, seal, route_id)
    connection.execute(insert(route).values(row))
    if refresh_token:
        put_grant(connection, route_id, refresh_token, seal=seal, now=now)
    moved(connection, Part.DIRECTORY)
    return route_id


def change_route(
    connection: Connection, new: Route, *, seal: Seal, now: Timestamp, refresh_token: str = ""
) -> None:
    """Give the route with this id another next hop or other caps; its patterns stay. A
    `refresh_token` takes the place of what was granted before. Raises DirectoryError,
    SecretError."""
    route_id = new.route_id
    check_route(new)
    values = values_of(new, seal, route_id)
    if connection.execute(update(route).where(route.c.id == route_id).values(values)).rowcount == 0:
        raise _no_route()
    if refresh_token:
        put_grant(connection, route_id, refresh_token, seal=seal, now=now)
    moved(connection, Part.DIRECTORY)


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


def _no_route() -> DirectoryError:
    return DirectoryError("there is no such route (`pillarbox route list` shows all)")


def _read_pattern(pattern: str) -> str:
    if not pattern or pattern == "*":
        return ""
    if pattern.startswith(_WILD):
        return _WILD + read_domain(pattern[len(_WILD) :])
    return read_domain(pattern)
