"""`pillarbox route`: where the mail of a tenant goes."""

from collections.abc import Sequence
from dataclasses import replace

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_tenant, read_id
from pillarbox.cli.output import Cell, print_facts, print_json, print_list
from pillarbox.cli.route_options import RouteOptions, route_options
from pillarbox.cli.route_shown import (
    route_record,
    shown_hop,
    shown_limits,
    sign_in_facts,
    suspended_hop,
)
from pillarbox.cli.suspending import print_suspensions
from pillarbox.cli.times import for_people, now
from pillarbox.cli.windows import fill_record, route_fills, shown_fills
from pillarbox.hop_caps import MX_CAPS, HopCaps
from pillarbox.mail.identifier import format_id
from pillarbox.microsoft365_caps import microsoft365_caps
from pillarbox.route import Capture, Microsoft365, MxHosts, Route, SmartHost, hop_key
from pillarbox.store.admin.route_rules import check_route
from pillarbox.store.admin.routes import (
    RouteInfo,
    add_route,
    change_route,
    check_limits,
    list_routes,
    remove_route,
    routes_sharing,
    show_route,
)
from pillarbox.store.database import Database
from pillarbox.store.grants import grant_facts
from pillarbox.store.seal import Seal
from pillarbox.store.suspensions import list_suspensions

_SIGN_IN_HINT = (
    "Who signed in may not have consented to that. If `pillarbox m365 check` says so: pillarbox"
    " route change ID --device-code (or --browser)"
)


@click.group("route")
def command() -> None:
    """Where mail goes from here: to a smart host, to Microsoft 365, to the mail hosts of each
    recipient, into capture, or nowhere.

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
        suspensions = database.read_now(list_suspensions)
    if cli.as_json:
        print_json([route_record(info, suspensions) for info in routes])
        return
    print_list(
        routes,
        {
            "Route": lambda info: format_id(info.route.route_id),
            "Tenant": lambda info: info.tenant,
            "From": lambda info: info.route.sender_domain or "all",
            "To": lambda info: info.route.recipient_domain or "all",
            "Next hop": lambda info: shown_hop(info.route),
            "Limits": lambda info: shown_limits(info.route),
            "Suspended": lambda info: "yes" if suspended_hop(info, suspensions) else "no",
        },
        empty="There is no route: all mail is captured (see: pillarbox route add --help).",
    )


@command.command("show")
@click.argument("route_id", metavar="ID")
@click.pass_obj
def show(cli: Cli, route_id: str) -> None:
    """Show one route, and how much of what its next hop allows is used."""
    moment = now()
    with cli.database() as database:
        info = _find(database, route_id)
        suspensions = database.read_now(list_suspensions)
        grant = database.read_now(lambda c: grant_facts(c, info.route.route_id))
        fills = route_fills(database, info.route)
    if cli.as_json:
        windows = [
            {"hop": name, **fill_record(fill, moment)} for name, each in fills for fill in each
        ]
        print_json({**route_record(info, suspensions), "windows": windows})
        return
    hop = info.route.next_hop
    facts: list[tuple[str, Cell]] = [
        ("Route", format_id(info.route.route_id)),
        ("Tenant", info.tenant),
        ("From", info.route.sender_domain or "all"),
        ("To", info.route.recipient_domain or "all"),
        ("Next hop", shown_hop(info.route)),
    ]
    if isinstance(hop, SmartHost):
        facts.append(("Certificate", "is verified" if hop.verify else "is NOT verified"))
        facts.append(("CA file", hop.ca_file))
        facts.append(("Return path", "of the sender's domain" if hop.return_path else ""))
    if isinstance(hop, Microsoft365):
        facts.append(("May send as", ", ".join(("itself", *hop.senders))))
        facts.append(("Another From", hop.other_from.value))
    sign_in = info.route.sign_in
    if sign_in is not None:
        facts += sign_in_facts(sign_in, grant)
    facts += [("Limits", shown_limits(info.route)), *shown_fills(fills, moment)]
    print_facts([*facts, ("Created", for_people(info.created_at))])
    print_suspensions([hop_key(member.next_hop) for member in info.route.members], suspensions)


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
    pillarbox route add --microsoft365 alerts@contoso.com --tenant-id … --client-id … \\
        --client-secret-file secret
    pillarbox route add --microsoft365 alerts@contoso.com --way graph --tenant-id … …
    pillarbox route add --mx
    pillarbox route add --to example.org --capture
    pillarbox route add --to example.net --reject "No mail to example.net from here"
    """
    cli: Cli = ctx.obj
    options = RouteOptions.of(ctx)
    seal = _seal(cli)
    with cli.database() as database:
        name = find_tenant(database, tenant).name
        new = _changed(Route(0, sender, recipient, Capture()), options, is_new=True)
        others = database.read_now(lambda c: routes_sharing(c, new))
        new = _with_known_limits(new, others, options)
        # Before a person is asked to sign in.
        check_limits(new, others)
        check_route(new)
        token = options.refresh_token(new.next_hop)
        route_id = database.write_now(
            lambda c: add_route(c, name, new, seal=seal, now=now(), refresh_token=token)
        )
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
        new = _changed(before, options)
        others = database.read_now(lambda c: routes_sharing(c, new))
        new = _with_known_limits(new, others, options)
        check_route(new)
        token = options.refresh_token(new.next_hop)
        if new == before and not token:
            raise click.UsageError("say what to change")
        followers = database.write_now(
            lambda c: change_route(c, new, seal=seal, now=now(), refresh_token=token)
        )
        info = database.read_now(lambda c: show_route(c, found.route_id))
    _say(cli, info, "Changed")
    if not token and _wants_more(before, new):
        click.echo(_SIGN_IN_HINT, err=True)
    for each in followers:
        click.echo(
            f"Also {_named(each)} goes to the same next hop and has these limits now.", err=True
        )


@command.command("remove")
@click.argument("route_id", metavar="ID")
@click.pass_obj
def remove(cli: Cli, route_id: str) -> None:
    """Remove a route. Mail that waits finds its way by the routes that are left."""
    with cli.database() as database:
        info = _find(database, route_id)
        database.write_now(lambda c: remove_route(c, info.route.route_id))
    _say(cli, info, "Removed")


def _changed(before: Route, options: RouteOptions, *, is_new: bool = False) -> Route:
    """The route with what the options say."""
    old = () if is_new else tuple(member.next_hop for member in before.members)
    hop, *others = options.next_hops(old)
    caps = before.caps
    if isinstance(hop, Microsoft365):
        was = old[0] if old else None
        if not isinstance(was, Microsoft365) or was.way is not hop.way:
            caps = microsoft365_caps(hop.cloud, hop.way)
    elif isinstance(hop, MxHosts):
        if not (old and isinstance(old[0], MxHosts)):
            caps = MX_CAPS
    elif not isinstance(hop, SmartHost):
        caps = HopCaps()
    mailboxes = tuple(each for each in others if isinstance(each, Microsoft365))
    return replace(before, next_hop=hop, others=mailboxes, caps=options.caps(caps))


def _with_known_limits(new: Route, others: Sequence[RouteInfo], options: RouteOptions) -> Route:
    """The route with the limits that its next hop has already, where none are said. Of two ways
    into a mailbox the one that takes fewer connections counts."""
    if options.has_limits or not others:
        return new
    caps, hop = others[0].route.caps, new.next_hop
    theirs = [info.route.next_hop for info in others]
    if isinstance(hop, Microsoft365) and any(
        isinstance(each, Microsoft365) and each.way is not hop.way for each in theirs
    ):
        caps = replace(caps, connections=min(caps.connections, new.caps.connections))
    if caps != new.caps:
        text = f"The next hop is that of {_named(others[0])}, whose limits hold for it"
        click.echo(f"{text}: {shown_limits(replace(new, caps=caps))}.", err=True)
    return replace(new, caps=caps)


def _named(info: RouteInfo) -> str:
    return f"route {format_id(info.route.route_id)} of tenant {info.tenant}"


def _wants_more(before: Route, new: Route) -> bool:
    """Whether tokens of a person are asked for something else than he signed in for."""
    was, hop = before.next_hop, new.next_hop
    if not isinstance(was, Microsoft365) or not isinstance(hop, Microsoft365):
        return False
    return hop.sign_in.flow.is_for_a_person and hop.access.scope != was.access.scope


def _seal(cli: Cli) -> Seal:
    return Seal(cli.settings().master_key)


def _find(database: Database, text: str) -> RouteInfo:
    route_id = read_id(text, "id of a route")
    return database.read_now(lambda c: show_route(c, route_id))


def _say(cli: Cli, info: RouteInfo, what: str) -> None:
    if cli.as_json:
        print_json(route_record(info))
        return
    route = info.route
    sender, recipient = route.sender_domain or "all", route.recipient_domain or "all"
    click.echo(f"{what} {_named(info)}: from {sender} to {recipient}: {shown_hop(route)}.")
