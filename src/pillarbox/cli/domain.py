"""`pillarbox domain`: the domains that a tenant may send from."""

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_tenant, no_such
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.mail.address import parse_mailbox
from pillarbox.store.admin.accounts import list_accounts
from pillarbox.store.admin.tenants import (
    DomainInfo,
    add_domain,
    list_domains,
    move_domain,
    read_domain,
    remove_domain,
)
from pillarbox.store.database import Database


@click.group("domain")
def command() -> None:
    """Domains that a tenant may send from. A domain belongs to one tenant."""


@command.command("list")
@click.option("--tenant", help="Only those of this tenant.")
@click.pass_obj
def list_(cli: Cli, tenant: str | None) -> None:
    """List all domains."""
    with cli.database() as database:
        name = find_tenant(database, tenant).name if tenant else None
        domains = database.read_now(lambda c: list_domains(c, name))
    if cli.as_json:
        print_json([_record(domain) for domain in domains])
        return
    print_list(
        domains,
        {
            "Domain": lambda domain: domain.name,
            "Tenant": lambda domain: domain.tenant,
            "Since": lambda domain: for_people(domain.created_at),
        },
        empty="There is no domain yet (add one: pillarbox domain add example.org).",
    )


@command.command("show")
@click.argument("domain")
@click.pass_obj
def show(cli: Cli, domain: str) -> None:
    """Show one domain with the accounts in it."""
    with cli.database() as database:
        found = _find(database, domain)
        accounts = database.read_now(lambda c: list_accounts(c, tenant_name=found.tenant))
    addresses = [a.address for a in accounts if parse_mailbox(a.address).domain_key == found.name]
    if cli.as_json:
        print_json({**_record(found), "accounts": addresses})
        return
    print_facts(
        [
            ("Domain", found.name),
            ("Tenant", found.tenant),
            ("Accounts", ", ".join(addresses)),
            ("Since", for_people(found.created_at)),
        ]
    )


@command.command("add")
@click.argument("domain")
@click.option("--tenant", help="Whose it is; default: the only tenant.")
@click.pass_obj
def add(cli: Cli, domain: str, tenant: str | None) -> None:
    """Give a domain to a tenant."""
    with cli.database() as database:
        owner = find_tenant(database, tenant).name
        name = database.write_now(lambda c: add_domain(c, owner, domain, now=now()))
        added = next(d for d in database.read_now(list_domains) if d.name == name)
    if cli.as_json:
        print_json(_record(added))
    else:
        click.echo(f"Added {name} to tenant {owner}.")


@command.command("change")
@click.argument("domain")
@click.option("--tenant", required=True, help="Whose it is from now on.")
@click.pass_obj
def change(cli: Cli, domain: str, tenant: str) -> None:
    """Give a domain to another tenant. No account may have an address in it."""
    with cli.database() as database:
        found = _find(database, domain)
        owner = find_tenant(database, tenant).name
        database.write_now(lambda c: move_domain(c, found.name, owner))
        changed = _find(database, domain)
    if cli.as_json:
        print_json(_record(changed))
    else:
        click.echo(f"{found.name} belongs to tenant {owner} now.")


@command.command("remove")
@click.argument("domain")
@click.pass_obj
def remove(cli: Cli, domain: str) -> None:
    """Take a domain from its tenant. No account may have an address in it."""
    with cli.database() as database:
        found = _find(database, domain)
        database.write_now(lambda c: remove_domain(c, found.tenant, found.name))
    if cli.as_json:
        print_json(_record(found))
    else:
        click.echo(f"Removed {found.name} from tenant {found.tenant}.")


def _find(database: Database, domain: str) -> DomainInfo:
    name = read_domain(domain)
    domains = database.read_now(list_domains)
    found = next((known for known in domains if known.name == name), None)
    if found is None:
        hint = "`pillarbox domain list` shows all"
        raise no_such("domain", name, [known.name for known in domains], hint)
    return found


def _record(domain: DomainInfo) -> dict[str, Json]:
    return {
        "name": domain.name,
        "tenant": domain.tenant,
        "created_at": for_programs(domain.created_at),
    }
