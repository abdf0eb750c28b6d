"""`pillarbox route`: where the mail of a tenant goes."""

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import find_tenant, read_id
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.route_options import RouteOptions, route_options
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.errors import DirectoryError
from pillarbox.mail.identifier import format_id
from pillarbox.route import Capture, HopCaps, NextHop, Reject, Route, SmartHost
from pillarbox.store.admin.routes import (
    RouteInfo,
    add_route,
    change_route,
    list_routes,
    remove_route,
    show_route,
)
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal


@click.group("route")
def command() -> None:
    """Where mail goes from here: to a smart host, into capture, or nowhere.

    A tenant without any route captures everything. The most specific route wins: first by the
    domain of the recipient, then by that of the sender.
    """


@command.command("list")
@click.option("--tenant", help="Only those of this tenant.")
@click.pass_obj
def list_(cli: Cli, tenant: str | None) -> None:
    """List all routes."""
    with cli.database() as database:
        name = find_tenant(database, tenant).name if tenant else None
        routes = database.read_now(lambda c: list_routes(c, name))
    if cli.as_json:
        print_json([_record(info) for info in routes])
        return
    print_list(
        routes,
        {
            "Route": lambda info: format_id(info.route.route_id),
            "Tenant": lambda info: info.tenant,
            "From": lambda info: info.route.sender_domain or "all",
            "To": lambda info: info.route.recipient_domain or "all",
            "Next hop": lambda info: _next_hop(info.route.next_hop),
            "Limits": lambda info: _limits(info.route),
        },
        empty="There is no route: all mail is captured (see: pillarbox route add --help).",
    )


@command.command("show")
@click.argument("route_id", metavar="ID")
@click.pass_obj
def show(cli: Cli, route_id: str) -> None:
    """Show one route."""
    with cli.database() as database:
        info = _find(database, route_id)
    if cli.as_json:
        print_json(_record(info))
        return
    hop = info.route.next_hop
    facts: list[tuple[str, str]] = [
        ("Route", format_id(info.route.route_id)),
        ("Tenant", info.tenant),
        ("From", info.route.sender_domain or "all"),
        ("To", info.route.recipient_domain or "all"),
        ("Next hop", _next_hop(hop)),
    ]
    if isinstance(hop, SmartHost):
        facts.append(("Certificate", "is verified" if hop.verify else "is NOT verified"))
        facts.append(("CA file", hop.ca_file))
    print_facts([*facts, ("Limits", _limits(info.route)), ("Created", for_people(info.created_at))])


@command.command("add")
@click.option("--tenant", help="Whose mail; default: the only tenant.")
@click.option("--from", "sender", default="", help="Only mail from this domain (or *.domain).")
@click.option("--to", "recipient", default="", help="Only mail to this domain (or *.domain).")
@route_options
@click.pass_context
def add(
    ctx: click.Context, /, tenant: str | None, sender: str, recipient: str, **_: object
) -> None:
    """Add a route.

    \b
    pillarbox route add --smarthost relay.example:587 --user app --password-file secret
    pillarbox route add --to example.org --capture
    pillarbox route add --to example.net --reject "No mail to example.net from here"
    """
    cli: Cli = ctx.obj
    options = RouteOptions.of(ctx)
    seal = _seal(cli)
    with cli.database() as database:
        name = find_tenant(database, tenant).name
        new = Route(0, sender, recipient, options.next_hop(None), options.caps(HopCaps()))
        route_id = database.write_now(lambda c: add_route(c, name, new, seal=seal, now=now()))
        info = database.read_now(lambda c: show_route(c, route_id))
    _say(cli, info, "Added")


@command.command("change")
@click.argument("route_id", metavar="ID")
@route_options
@click.pass_context
def change(ctx: click.Context, /, route_id: str, **_: object) -> None:
    """Change what is given of a route; the rest stays, its password too."""
    cli: Cli = ctx.obj
    options = RouteOptions.of(ctx)
    seal = _seal(cli)
    with cli.database() as database:
        found = _find(database, route_id).route
        before = database.read_now(lambda c: show_route(c, found.route_id, seal=seal)).route
        hop, caps = options.next_hop(before.next_hop), options.caps(before.caps)
        if (hop, caps) == (before.next_hop, before.caps):
            raise click.UsageError("say what to change")
        database.write_now(lambda c: change_route(c, found.route_id, hop, caps=caps, seal=seal))
        info = database.read_now(lambda c: show_route(c, found.route_id))
    _say(cli, info, "Changed")


@command.command("remove")
@click.argument("route_id", metavar="ID")
@click.pass_obj
def remove(cli: Cli, route_id: str) -> None:
    """Remove a route. Mail that waits finds its way by the routes that are left."""
    with cli.database() as database:
        info = _find(database, route_id)
        database.write_now(lambda c: remove_route(c, info.route.route_id))
    _say(cli, info, "Removed")


def _seal(cli: Cli) -> Seal:
    return Seal(cli.settings().master_key or None)


def _find(database: Database, text: str) -> RouteInfo:
    route_id = read_id(text, "id of a route")
    try:
        return database.read_now(lambda c: show_route(c, route_id))
    except DirectoryError as error:
        raise Failure(ExitCode.NO_SUCH, str(error)) from error


def _say(cli: Cli, info: RouteInfo, what: str) -> None:
    if cli.as_json:
        print_json(_record(info))
        return
    route = info.route
    sender, recipient = route.sender_domain or "all", route.recipient_domain or "all"
    click.echo(
        f"{what} route {format_id(route.route_id)} of tenant {info.tenant}:"
        f" from {sender} to {recipient}: {_next_hop(route.next_hop)}."
    )


def _next_hop(hop: NextHop) -> str:
    match hop:
        case SmartHost(host=host, port=port, tls=tls, username=username):
            login = f"{username} at " if username else ""
            name = f"[{host}]" if ":" in host else host
            unverified = "" if hop.verify else ", certificate not verified"
            return f"{login}{name}:{port} ({tls.value}{unverified})"
        case Capture():
            return "capture"
        case Reject(text=text):
            return f"reject: {text}"


def _limits(route: Route) -> str:
    if not isinstance(route.next_hop, SmartHost):
        return ""
    caps = route.caps
    parts = [f"{caps.connections} connections"]
    if caps.messages_per_minute:
        parts.append(f"{caps.messages_per_minute} messages a minute")
    if caps.recipients_per_day:
        parts.append(f"{caps.recipients_per_day} recipients a day")
    return ", ".join(parts)


def _record(info: RouteInfo) -> Json:
    route = info.route
    return {
        "id": format_id(route.route_id),
        "tenant": info.tenant,
        "from": route.sender_domain,
        "to": route.recipient_domain,
        "next_hop": _hop_record(route.next_hop),
        "connections": route.caps.connections,
        "messages_per_connection": route.caps.messages_per_connection,
        "messages_per_minute": route.caps.messages_per_minute,
        "recipients_per_day": route.caps.recipients_per_day,
        "created_at": for_programs(info.created_at),
    }


def _hop_record(hop: NextHop) -> dict[str, Json]:
    match hop:
        case SmartHost():
            return {
                "kind": "smarthost",
                "host": hop.host,
                "port": hop.port,
                "tls": hop.tls.value,
                "verify": hop.verify,
                "username": hop.username or None,
                "ca_file": hop.ca_file or None,
            }
        case Capture():
            return {"kind": "capture"}
        case Reject(text=text):
            return {"kind": "reject", "text": text}
