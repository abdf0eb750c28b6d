"""`pillarbox issuer`: whose OAuth2 tokens the accounts of a tenant may log in with."""

import asyncio
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import find_tenant
from pillarbox.cli.output import Json, print_facts, print_json, print_list, printable
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.errors import FetchError
from pillarbox.net.issuer_documents import Fetcher
from pillarbox.policy.issuer_keys import FETCH_SECONDS, fetch_keys
from pillarbox.store.admin.issuers import (
    CLAIMS,
    IssuerInfo,
    list_issuers,
    remove_issuer,
    set_issuer,
)
from pillarbox.store.database import Database
from pillarbox.store.records import Issuer

_TENANT = click.option("--tenant", help="Whose it is; default: the only tenant.")


@click.group("issuer")
def command() -> None:
    """Whose OAuth2 tokens log in: each tenant can have one issuer (docs/oauth2-clients.md)."""


@command.command("list")
@click.pass_obj
def list_(cli: Cli) -> None:
    """List the issuers of all tenants."""
    with cli.database() as database:
        issuers = database.read_now(list_issuers)
    if cli.as_json:
        print_json([_record(found) for found in issuers])
        return
    print_list(
        issuers,
        {
            "Tenant": lambda found: found.tenant,
            "Issuer": lambda found: found.issuer.url,
            "Audiences": lambda found: ", ".join(sorted(found.issuer.audiences)),
            "Subject": lambda found: found.issuer.claim,
        },
        empty="No tenant has an issuer yet (set one: pillarbox issuer set URL --audience NAME).",
    )


@command.command("show")
@_TENANT
@click.pass_obj
def show(cli: Cli, tenant: str | None) -> None:
    """Show the issuer of a tenant."""
    with cli.database() as database:
        found = _find(database, tenant)
    _show(cli, found)


@command.command("set")
@click.argument("url")
@click.option("--audience", "audiences", multiple=True, required=True, help="What tokens are for.")
@click.option("--claim", type=click.Choice(CLAIMS), default="sub", help="What names the subject.")
@click.option("--scope", default="", help="A scope or role that tokens must have.")
@click.option("--ca-file", metavar="FILE", help="Further roots to trust for it (PEM).")
@click.option("--check/--no-check", "is_checked", default=True, help="Fetch its keys now.")
@_TENANT
@click.pass_obj
def set_(
    cli: Cli,
    /,
    url: str,
    audiences: tuple[str, ...],
    claim: str,
    scope: str,
    ca_file: str | None,
    is_checked: bool,
    tenant: str | None,
) -> None:
    """Let tokens of the issuer with this URL log in, in place of the one there may be.

    The URL is written as tokens have it in `iss`. Subjects that accounts have of another issuer or
    another claim do not work any more.
    """
    path = str(Path(ca_file).absolute()) if ca_file else ""
    wanted = Issuer(url, frozenset(audiences), claim, scope, path)
    with cli.database() as database:
        name = find_tenant(database, tenant).name
        database.write_now(lambda c: set_issuer(c, name, wanted, now=now()))
        found = _find(database, name)
    if is_checked:
        _fetch(found.issuer)
    if cli.as_json:
        print_json(_record(found))
        return
    click.echo(f"Tokens of {url} log in accounts of {name} that have their subject.")
    click.echo("Add one: pillarbox credential add ADDRESS --label NAME --oauth-subject SUBJECT")


@command.command("check")
@_TENANT
@click.pass_obj
def check(cli: Cli, tenant: str | None) -> None:
    """Fetch the keys of the issuer of a tenant, as the service does."""
    with cli.database() as database:
        found = _find(database, tenant)
    names = _fetch(found.issuer)
    if cli.as_json:
        print_json({**_record(found), "keys": list(names)})
    else:
        click.echo(printable(f"{found.issuer.url} answers; its keys: {', '.join(names)}"))


@command.command("remove")
@_TENANT
@click.pass_obj
def remove(cli: Cli, tenant: str | None) -> None:
    """Let no token log in accounts of the tenant any more."""
    with cli.database() as database:
        found = _find(database, tenant)
        database.write_now(lambda c: remove_issuer(c, found.tenant))
    if cli.as_json:
        print_json(_record(found))
    else:
        click.echo(f"Removed the issuer of {found.tenant}.")


def _find(database: Database, tenant: str | None) -> IssuerInfo:
    name = find_tenant(database, tenant).name
    for found in database.read_now(list_issuers):
        if found.tenant == name:
            return found
    hint = "set one: pillarbox issuer set URL --audience NAME"
    raise Failure(ExitCode.NO_SUCH, f"the tenant {name} has no issuer ({hint})")


def _fetch(issuer: Issuer) -> list[str]:
    """The ids of the issuer's keys. Raises Failure."""

    async def fetch() -> list[str]:
        async with asyncio.timeout(FETCH_SECONDS):
            return sorted(await fetch_keys(Fetcher(), issuer))

    try:
        return asyncio.run(fetch())
    except TimeoutError:
        cause = f"no answer within {FETCH_SECONDS:.0f} seconds"
    except FetchError as error:
        cause = str(error)
    hint = "what was set stays; `pillarbox issuer check` looks again"
    raise Failure(
        ExitCode.UNAVAILABLE, f"the keys of {issuer.url} can not be had: {cause} ({hint})"
    )


def _show(cli: Cli, found: IssuerInfo) -> None:
    if cli.as_json:
        print_json(_record(found))
        return
    issuer = found.issuer
    print_facts(
        [
            ("Tenant", found.tenant),
            ("Issuer", issuer.url),
            ("Audiences", ", ".join(sorted(issuer.audiences))),
            ("Subject", f"the claim {issuer.claim}"),
            ("Scope", issuer.scope or "none is asked for"),
            ("CA file", issuer.ca_file or "the roots of the system"),
            ("Since", for_people(found.created_at)),
        ]
    )


def _record(found: IssuerInfo) -> dict[str, Json]:
    issuer = found.issuer
    return {
        "tenant": found.tenant,
        "issuer": issuer.url,
        "audiences": sorted(issuer.audiences),
        "claim": issuer.claim,
        "scope": issuer.scope or None,
        "ca_file": issuer.ca_file or None,
        "created_at": for_programs(found.created_at),
    }
