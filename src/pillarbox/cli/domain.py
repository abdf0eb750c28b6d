"""`pillarbox domain`: the domains that a tenant may send from."""

import asyncio

import click

from pillarbox.cli import domain_dns, domain_mailboxes
from pillarbox.cli.context import Cli
from pillarbox.cli.domain_entries import Entry, find_entry, list_entries
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import find_tenant, no_such
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.errors import DnsFailure
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.return_path import feedback_address
from pillarbox.net.dns import DnsResolver
from pillarbox.publish.dns_records import is_proved, ownership_record, txt_record
from pillarbox.store.admin.accounts import list_accounts
from pillarbox.store.admin.domain_claims import (
    DomainClaim,
    claim_domain,
    list_claims,
    prove_claim,
    touches_another,
    withdraw_claim,
)
from pillarbox.store.admin.tenants import (
    add_domain,
    list_domains,
    move_domain,
    read_domain,
    remove_domain,
    set_return_path,
)
from pillarbox.store.database import Database
from pillarbox.store.return_key import ensure_return_key

ADMINISTRATOR = "administrator"
DNS = "dns"
NONE = "none"


@click.group("domain")
def command() -> None:
    """Domains that a tenant may send from. A domain belongs to one tenant: to the one for which you
    vouch, or which has proved it by a record in DNS (setting domain_proof)."""


@command.command("list")
@click.option("--tenant", help="Only those of this tenant.")
@click.pass_obj
def list_(cli: Cli, tenant: str | None) -> None:
    """List all domains, also those that a tenant claims and has not proved."""
    with cli.database() as database:
        name = find_tenant(database, tenant).name if tenant else None
        entries = [entry for entry in list_entries(database) if name in (None, entry.tenant)]
    if cli.as_json:
        print_json([_record(entry) for entry in entries])
        return
    print_list(
        entries,
        {
            "Domain": lambda entry: entry.name,
            "Tenant": lambda entry: entry.tenant,
            "State": lambda entry: entry.state,
            "By": lambda entry: entry.proof,
            "Since": lambda entry: for_people(entry.created_at),
        },
        empty="There is no domain yet (add one: pillarbox domain add example.org).",
    )


@command.command("show")
@click.argument("domain")
@click.option("--tenant", help="Whose; default: the tenant that has it.")
@click.pass_obj
def show(cli: Cli, domain: str, tenant: str | None) -> None:
    """Show one domain with the accounts in it, or the record by which it is to be proved."""
    with cli.database() as database:
        found = find_entry(database, domain, tenant)
        accounts = database.read_now(lambda c: list_accounts(c, tenant_name=found.tenant))
        complaints = ""
        if found.return_path:
            key = database.write_now(ensure_return_key)
            complaints = feedback_address(key, found.return_path).address
    addresses = [a.address for a in accounts if parse_mailbox(a.address).domain_key == found.name]
    if cli.as_json:
        more: dict[str, Json] = {"accounts": addresses, "feedback_address": complaints or None}
        print_json({**_record(found), **more})
        return
    facts: list[tuple[str, str]] = [
        ("Domain", found.name),
        ("Tenant", found.tenant),
        ("State", f"proved by {found.proof}" if found.proof else "claimed"),
        ("Accounts", ", ".join(addresses)),
        ("Return path", found.return_path),
        ("Complaints to", complaints),
        ("Since", for_people(found.created_at)),
    ]
    print_facts(facts)
    if not found.proof:
        click.echo(_to_publish(found))


@command.command("add")
@click.argument("domain")
@click.option("--tenant", help="Whose it is; default: the only tenant.")
@click.option(
    "--proof",
    type=click.Choice([ADMINISTRATOR, DNS]),
    help="Your own word, or a record in DNS. Default: as domain_proof says; beside a domain of"
    " another tenant always a record.",
)
@click.pass_obj
def add(cli: Cli, domain: str, tenant: str | None, proof: str | None) -> None:
    """Give a domain to a tenant, or note that it claims the domain and has to prove it."""
    usual = cli.settings().domain_proof
    with cli.database() as database:
        owner = find_tenant(database, tenant).name
        if proof is None and database.read_now(lambda c: touches_another(c, owner, domain)):
            usual = "dns"
        if (proof or usual) == DNS:
            name = database.write_now(lambda c: claim_domain(c, owner, domain, now=now())).name
        else:
            name = database.write_now(lambda c: add_domain(c, owner, domain, now=now()))
        added = find_entry(database, name, owner)
    if cli.as_json:
        print_json(_record(added))
    elif added.proof:
        click.echo(f"Added {name} to tenant {owner}.")
    else:
        click.echo(_to_publish(added))


@command.command("prove")
@click.argument("domain")
@click.option("--tenant", help="Who claims it; default: the only one.")
@click.pass_obj
def prove(cli: Cli, domain: str, tenant: str | None) -> None:
    """Ask the DNS now for the record that proves a claim, as the running service does every five
    minutes. Exit code 65 where it is not there."""
    with cli.database() as database:
        claim = _find_claim(database, domain, tenant)
        if not asyncio.run(_is_in_dns(cli, claim)):
            name, text = ownership_record(claim.name, claim.token)
            hint = f"publish: {txt_record(name, text)}"
            raise Failure(ExitCode.DATA, f"DNS does not have the record of {claim.tenant} ({hint})")
        database.write_now(lambda c: prove_claim(c, claim, now=now()))
        proved = find_entry(database, claim.name, claim.tenant)
    if cli.as_json:
        print_json(_record(proved))
    else:
        click.echo(f"Tenant {claim.tenant} has proved that {claim.name} is its own.")


@command.command("change")
@click.argument("domain")
@click.option("--tenant", help="Whose it is from now on.")
@click.option(
    "--return-path",
    metavar="DOMAIN|none",
    help="Another domain of the tenant (or this one), to which what is sent from here comes back.",
)
@click.pass_obj
def change(cli: Cli, domain: str, tenant: str | None, return_path: str | None) -> None:
    """Give a domain to another tenant (you vouch for it, and no account may have an address in it),
    or let bounces of its mail come back here."""
    if (tenant is None) is (return_path is None):
        raise click.UsageError("say one of --tenant and --return-path")
    with cli.database() as database:
        found = find_entry(database, domain, None)
        owner = found.tenant if tenant is None else find_tenant(database, tenant).name
        if tenant is None:
            path = None if return_path == NONE else return_path
            database.write_now(lambda c: set_return_path(c, owner, found.name, path))
        else:
            database.write_now(lambda c: move_domain(c, found.name, owner))
        changed = find_entry(database, domain, owner)
    if cli.as_json:
        print_json(_record(changed))
    elif tenant is not None:
        click.echo(f"{changed.name} belongs to tenant {owner} now.")
    elif changed.return_path:
        click.echo(f"What comes back of mail from {changed.name} goes to {changed.return_path}.")
        click.echo(f"Publish its records: pillarbox domain dns {changed.name}")
    else:
        click.echo(f"What comes back of mail from {changed.name} goes to its sender.")


@command.command("remove")
@click.argument("domain")
@click.option("--tenant", help="Whose; needed where several tenants name the domain.")
@click.pass_obj
def remove(cli: Cli, domain: str, tenant: str | None) -> None:
    """Take a domain or a claim from its tenant. No account may have an address in it."""
    with cli.database() as database:
        name = read_domain(domain)
        if tenant is None and sum(entry.name == name for entry in list_entries(database)) > 1:
            raise Failure(ExitCode.USAGE, f"several tenants name {name}: say --tenant NAME")
        found = find_entry(database, domain, tenant)
        if found.proof:
            database.write_now(lambda c: remove_domain(c, found.tenant, found.name))
        else:
            claim = _find_claim(database, domain, found.tenant)
            database.write_now(lambda c: withdraw_claim(c, claim))
    if cli.as_json:
        print_json(_record(found))
    else:
        click.echo(f"Removed {found.name} from tenant {found.tenant}.")


command.add_command(domain_dns.command)
command.add_command(domain_mailboxes.command)


async def _is_in_dns(cli: Cli, claim: DomainClaim) -> bool:
    name, _ = ownership_record(claim.name, claim.token)
    try:
        resolver = DnsResolver.of_servers(cli.settings().dns_servers)
        return is_proved(await resolver.txt(name), claim.token)
    except DnsFailure as error:
        raise Failure(ExitCode.TRY_LATER, f"{name} can not be looked up: {error}") from error


def _find_claim(database: Database, domain: str, tenant: str | None) -> DomainClaim:
    name = read_domain(domain)
    claims = [claim for claim in database.read_now(list_claims) if claim.name == name]
    claims = [claim for claim in claims if tenant in (None, claim.tenant)]
    if not claims:
        if any(domain.name == name for domain in database.read_now(list_domains)):
            raise Failure(ExitCode.DATA, f"{name} is proved already (pillarbox domain show {name})")
        hint = f"`pillarbox domain add {name} --proof dns` claims it"
        raise no_such("claim of the domain", name, [], hint)
    if len(claims) > 1:
        names = ", ".join(claim.tenant for claim in claims)
        raise Failure(ExitCode.USAGE, f"several tenants claim {name}, say --tenant NAME: {names}")
    return claims[0]


def _to_publish(entry: Entry) -> str:
    name, text = ownership_record(entry.name, entry.token)
    return (
        f"Tenant {entry.tenant} can send from {entry.name} once DNS has this record:\n\n"
        f"{txt_record(name, text)}\n\n"
        "The running service looks every five minutes, for 30 days;"
        f" `pillarbox domain prove {entry.name}` looks now."
    )


def _record(entry: Entry) -> dict[str, Json]:
    record: Json = None
    if entry.token:
        name, text = ownership_record(entry.name, entry.token)
        record = {"name": name, "type": "TXT", "value": text}
    return {
        "name": entry.name,
        "tenant": entry.tenant,
        "state": entry.state,
        "proof": entry.proof or None,
        "record": record,
        "return_path": entry.return_path or None,
        "created_at": for_programs(entry.created_at),
    }
