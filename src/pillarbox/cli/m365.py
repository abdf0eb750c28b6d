"""`pillarbox m365`: set Microsoft 365 up, and try each step of it alone."""

import asyncio
import time

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.m365_graph import (
    GRAPH_API,
    graph_permissions,
    print_graph_for_application,
    print_lines,
)
from pillarbox.cli.names import read_id
from pillarbox.cli.output import print_json, printable
from pillarbox.cli.times import now
from pillarbox.cli.typed_names import typed_mailbox
from pillarbox.delivery.check_step import Step
from pillarbox.delivery.sender_check import check_sender
from pillarbox.delivery.smtp_connect import SessionSettings
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.identifier import format_id
from pillarbox.net.oauth import TokenSource
from pillarbox.net.tls import ClientContexts
from pillarbox.oauth import powershell
from pillarbox.oauth.clouds import CLOUDS, NO_UPLOADS, Cloud
from pillarbox.oauth.sign_in import Flow
from pillarbox.observe.log import log
from pillarbox.publish.literals import shell_literal
from pillarbox.route import Microsoft365, Microsoft365Way, Route
from pillarbox.store.admin.routes import list_routes, show_route
from pillarbox.store.database import Database
from pillarbox.store.grants import Grants
from pillarbox.store.seal import Seal

_FLOWS = (Flow.CERTIFICATE, Flow.CLIENT_SECRET, Flow.DEVICE_CODE, Flow.BROWSER)
_ROUTE_OPTIONS = {
    Flow.CERTIFICATE: "--certificate FILE",
    Flow.CLIENT_SECRET: "--client-secret-file FILE --client-secret-ends DATE",
    Flow.DEVICE_CODE: "--device-code",
    Flow.BROWSER: "--browser",
}
_API = "App registration > API permissions > Office 365 Exchange Online"
_PATIENCE = Timeouts(greeting=60, command=60)


@click.group("m365")
def command() -> None:
    """Microsoft 365 as the way out: how to set it up, and what is missing."""


@command.command("setup")
@click.option(
    "--cloud", type=click.Choice([cloud.value for cloud in Cloud]), prompt=True, default="worldwide"
)
@click.option("--tenant-id", prompt="Directory (tenant) id")
@click.option("--client-id", prompt="Application (client) id")
@click.option("--mailbox", prompt="Mailbox to send by (several: a@x.com,b@x.com)")
@click.option(
    "--sign-in",
    type=click.Choice([flow.value for flow in _FLOWS]),
    prompt="Sign in by",
    default=Flow.CERTIFICATE.value,
)
@click.option(
    "--way",
    type=click.Choice([way.value for way in Microsoft365Way]),
    default=Microsoft365Way.SMTP.value,
    help="Set up SMTP (the default), Graph, both, or Graph with drafts for large mail.",
)
def setup(
    *, cloud: str, tenant_id: str, client_id: str, mailbox: str, sign_in: str, way: str
) -> None:
    """Ask for what is needed, and print the steps with the values filled in.

    Nothing is changed: neither here nor at Microsoft.
    """
    where, flow = Cloud(cloud), Flow(sign_in)
    mailboxes = [str(typed_mailbox(name.strip())) for name in mailbox.split(",")]
    facts = CLOUDS[where]
    by = Microsoft365Way(way)
    if by.is_graph and where is Cloud.HVE:
        raise click.UsageError("High Volume Email has no Graph: use --way smtp")
    if by.has_drafts and not facts.has_upload_sessions:
        raise click.UsageError(f"{facts.title}: {NO_UPLOADS}")
    host = facts.host if by.has_smtp else facts.graph_root
    click.echo(f"{facts.title}: {host}, sign-in at {facts.authority}")
    if flow.is_for_a_person:
        _print_for_person(mailboxes, where, flow, by)
    else:
        if by.is_graph:
            print_graph_for_application(client_id, mailboxes, where, by)
        if by.has_smtp:
            _print_for_application(client_id, mailboxes, where)
    tenant = "" if facts.tenant else f" --tenant-id {tenant_id}"
    cloud_option = "" if where is Cloud.WORLDWIDE else f" --cloud {cloud}"
    cloud_option += f" --way {way}" if by.is_graph else ""
    click.echo("\nThen here:\n")
    pool = shell_literal(",".join(mailboxes))
    click.echo(
        f"  pillarbox route add --microsoft365 {pool}{cloud_option}{tenant}"
        f" --client-id {client_id} {_ROUTE_OPTIONS[flow]}"
    )
    click.echo("  pillarbox m365 check")


def _print_for_application(client_id: str, mailboxes: list[str], cloud: Cloud) -> None:
    permission = "Mail.Send" if cloud is Cloud.HVE else "SMTP.SendAsApp"
    click.echo(f"\nNOTE: {powershell.WARNING}")
    click.echo(
        "\nVariant A, a permission for each mailbox.\n"
        f"  1. {_API} > Application permissions\n"
        f"     > {permission}, then grant admin consent.\n"
        "  2. Exchange Online PowerShell:\n"
    )
    print_lines(powershell.variant_a(client_id, mailboxes, cloud))
    if cloud is Cloud.HVE:
        return
    click.echo(
        "\nVariant B, RBAC for Applications: the mailboxes are the members of a group.\n"
        f"  1. Do NOT give the application the permission {permission}: Exchange would look for a\n"
        "     permission of each mailbox then.\n"
        "  2. Exchange Online PowerShell:\n"
    )
    print_lines(powershell.variant_b(client_id, mailboxes, cloud))


def _print_for_person(mailboxes: list[str], cloud: Cloud, flow: Flow, way: Microsoft365Way) -> None:
    apis = [(_API, "SMTP.Send")] if way.has_smtp else []
    apis += [(GRAPH_API, graph_permissions(way))] if way.is_graph else []
    click.echo()
    for api, permission in apis:
        click.echo(
            f"  1. {api} > Delegated permissions\n     > {permission}, then grant admin consent."
        )
    if flow is Flow.DEVICE_CODE:
        click.echo("  2. App registration > Authentication > Allow public client flows: yes.")
    else:
        click.echo(
            "  2. App registration > Authentication > Mobile and desktop applications:\n"
            "     redirect address http://localhost"
        )
    if cloud is not Cloud.OUTLOOK and way.has_smtp:
        click.echo("  3. Exchange Online PowerShell:\n")
        print_lines([*powershell.connect(cloud), *map(powershell.smtp_auth, mailboxes)])


@command.command("check")
@click.argument("route_id", metavar="[ROUTE]", required=False)
@click.pass_obj
def check(cli: Cli, route_id: str | None) -> None:
    """Try token, login and sender of each mailbox; nothing is sent.

    Without ROUTE all routes by Microsoft 365 are tried.
    """
    settings = cli.settings()
    seal = Seal(settings.master_key)
    with cli.database() as database, log.only_errors():
        routes = _routes(database, route_id, seal)
        found = asyncio.run(_check(routes, database, seal, settings.host_name))
    if cli.as_json:
        print_json(
            [
                {
                    "route": format_id(route.route_id),
                    "mailbox": hop.mailbox,
                    "steps": [
                        {"step": s.name, "ok": s.is_ok, "text": s.text, "fixes": list(s.fixes)}
                        for s in steps
                    ],
                }
                for route, hop, steps in found
            ]
        )
    else:
        for route, hop, steps in found:
            _print_steps(route, hop, steps)
    if not all(step.is_ok for *_, steps in found for step in steps):
        raise click.exceptions.Exit(ExitCode.UNAVAILABLE)


def _routes(database: Database, text: str | None, seal: Seal) -> list[Route]:
    """The routes to try, with their secrets. Raises Failure, SecretError."""
    if text is not None:
        wanted = _route(database, read_id(text, "id of a route"), seal)
        if not isinstance(wanted.next_hop, Microsoft365):
            hint = "pillarbox route list shows which are"
            raise Failure(ExitCode.NO_SUCH, f"route {text} is none by Microsoft 365 ({hint})")
        return [wanted]
    ids = [info.route.route_id for info in database.read_now(list_routes)]
    routes = [_route(database, one, seal) for one in ids]
    routes = [route for route in routes if isinstance(route.next_hop, Microsoft365)]
    if not routes:
        hint = "pillarbox m365 setup says how to add one"
        raise Failure(ExitCode.NO_SUCH, f"there is no route by Microsoft 365 ({hint})")
    return routes


def _route(database: Database, route_id: int, seal: Seal) -> Route:
    return database.read_now(lambda c: show_route(c, route_id, seal=seal)).route


async def _check(
    routes: list[Route], database: Database, seal: Seal, host_name: str
) -> list[tuple[Route, Microsoft365, list[Step]]]:
    contexts = ClientContexts()
    tokens = TokenSource(
        Grants(database, seal),
        contexts,
        owner=f"m365 check {now()}",
        monotonic=time.monotonic,
        wall=now,
    )
    settings = SessionSettings(host_name, contexts, _PATIENCE, tokens=tokens)
    hops = [
        (route, member.next_hop)
        for route in routes
        for member in route.members
        if isinstance(member.next_hop, Microsoft365)
    ]
    try:
        return [(route, hop, await check_sender(hop, settings)) for route, hop in hops]
    finally:
        await tokens.close()


def _print_steps(route: Route, hop: Microsoft365, steps: list[Step]) -> None:
    click.echo(f"{hop.mailbox} (route {format_id(route.route_id)})")
    for step in steps:
        click.echo(f"  {'ok  ' if step.is_ok else 'FAIL'}  {step.name}: {printable(step.text)}")
        for fix in step.fixes:
            click.echo(f"        - {printable(fix)}")
