"""Routes of tenants: where the mail of a sender's domain to a recipient's domain goes."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, update

from pillarbox.errors import DirectoryError
from pillarbox.mail.envelope import Timestamp
from pillarbox.route import Capture, HopCaps, NextHop, Reject, Route, SmartHost, TlsMode
from pillarbox.store.admin.ids import directory_id
from pillarbox.store.admin.tenants import find_tenant_id, read_domain
from pillarbox.store.generation import Part, moved
from pillarbox.store.route_rows import route_of, secret_context
from pillarbox.store.schema import route, tenant
from pillarbox.store.seal import Seal

_WILD = "*."
_MAX_PORT = 65_535


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A route as administrators see it; the password of a smart host is not in it."""

    tenant: str
    route: Route
    created_at: Timestamp


def add_route(
    connection: Connection, tenant_name: str, new: Route, *, seal: Seal, now: Timestamp
) -> int:
    """Add a route; its id (that of `new` does not count). Patterns: "" for all, "example.org", or
    "*.example.org" for every domain below. Raises DirectoryError, SecretError."""
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
    row |= _values(new.next_hop, new.caps, seal, secret_context(route_id))
    connection.execute(insert(route).values(row))
    moved(connection, Part.DIRECTORY)
    return route_id


def change_route(
    connection: Connection,
    route_id: int,
    next_hop: NextHop,
    *,
    caps: HopCaps,
    seal: Seal,
) -> None:
    """Give a route another next hop. Raises DirectoryError, SecretError."""
    values = _values(next_hop, caps, seal, secret_context(route_id))
    if connection.execute(update(route).where(route.c.id == route_id).values(values)).rowcount == 0:
        raise _no_route()
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


_EMPTY = dict.fromkeys(
    ("host", "port", "tls", "verify", "ca_file", "username", "password_sealed", "reject_text")
)


def _values(
    next_hop: NextHop, caps: HopCaps, seal: Seal, context: str
) -> dict[str, str | int | bool | bytes | None]:
    """The columns that say where a route goes."""
    values: dict[str, str | int | bool | bytes | None] = {**_EMPTY, **_cap_values(caps)}
    match next_hop:
        case SmartHost():
            _check_smart_host(next_hop)
            password = next_hop.password.encode()
            values |= {
                "kind": "smarthost",
                "host": next_hop.host.lower(),
                "port": next_hop.port,
                "tls": next_hop.tls.value,
                "verify": next_hop.verify,
                "ca_file": next_hop.ca_file,
                "username": next_hop.username,
                "password_sealed": seal.seal(password, context) if password else None,
            }
        case Capture():
            values["kind"] = "capture"
        case Reject(text=text):
            if not text.strip() or not text.isascii() or not text.isprintable():
                raise DirectoryError("say in plain ASCII why the mail is refused; senders read it")
            values |= {"kind": "reject", "reject_text": text}
    return values


def _cap_values(caps: HopCaps) -> dict[str, int | None]:
    values = {
        "connections": caps.connections,
        "messages_per_connection": caps.messages_per_connection,
        "messages_per_minute": caps.messages_per_minute,
        "recipients_per_day": caps.recipients_per_day,
    }
    for name, value in values.items():
        if value is not None and value < 1:
            raise DirectoryError(f"{name} is at least 1: to stop mail, hold it or reject it")
    return values


def _check_smart_host(hop: SmartHost) -> None:
    if not hop.host or any(c.isspace() or not c.isprintable() for c in hop.host):
        raise DirectoryError(f"{hop.host!r} is no host name")
    if not 1 <= hop.port <= _MAX_PORT:
        raise DirectoryError(f"{hop.port} is no port: write 1 to {_MAX_PORT}")
    if bool(hop.username) != bool(hop.password):
        raise DirectoryError("a login needs both a user name and a password")
    if hop.username and hop.tls is TlsMode.NONE:
        raise DirectoryError(
            "the password would go over the network in the clear: use TLS or STARTTLS"
        )
