"""`pillarbox suppression`: addresses that a tenant does not send to."""

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.names import find_tenant
from pillarbox.cli.option_types import MOMENT
from pillarbox.cli.output import Json, print_json, print_list
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.admin.accounts import read_address
from pillarbox.store.suppressions import (
    Suppression,
    add_suppression,
    list_suppressions,
    remove_suppression,
)


@click.group("suppression")
def command() -> None:
    """Addresses that a tenant does not send to: they came back as unknown, or you say so. Mail to
    one is refused at RCPT."""


@command.command("list")
@click.option("--tenant", help="Only those of this tenant.")
@click.pass_obj
def list_(cli: Cli, tenant: str | None) -> None:
    """List them, with the reason and the moment at which they are free again."""
    with cli.database() as database:
        tenant_id = find_tenant(database, tenant).tenant_id if tenant else None
        found = database.read_now(lambda c: list_suppressions(c, tenant_id, now=now()))
    if cli.as_json:
        print_json([_record(one) for one in found])
        return
    print_list(
        found,
        {
            "Address": lambda one: one.address,
            "Tenant": lambda one: one.tenant,
            "By": lambda one: one.origin,
            "Since": lambda one: for_people(one.created_at),
            "Until": lambda one: for_people(one.expires_at, none="for ever"),
            "Reason": lambda one: one.reason,
        },
        empty="Nothing is suppressed.",
    )


@command.command("add")
@click.argument("address")
@click.option("--tenant", help="Which; default: the only tenant.")
@click.option("--reason", default="", help="Why, for whoever reads the list.")
@click.option("--expires", type=MOMENT, help="The last day of it; default: for ever.")
@click.pass_obj
def add(cli: Cli, address: str, tenant: str | None, reason: str, expires: Timestamp | None) -> None:
    """Send nothing to an address. Mail that waits for it goes on."""
    mailbox = read_address(address)
    if mailbox.local_part == "*":
        # A local part as any other.
        hint = f"for all of a domain: pillarbox route add --to {mailbox.domain_key} --reject WHY"
        raise Failure(ExitCode.DATA, f"{address!r} is no single address ({hint})")
    with cli.database() as database:
        tenant_id = find_tenant(database, tenant).tenant_id
        database.write_now(
            lambda c: add_suppression(c, tenant_id, mailbox, reason, now=now(), expires_at=expires)
        )
        entries = database.read_now(lambda c: list_suppressions(c, tenant_id, now=now()))
    (added,) = (one for one in entries if one.address == mailbox.key)
    if cli.as_json:
        print_json(_record(added))
    else:
        click.echo(f"Nothing is sent to {mailbox.key} any more.")


@command.command("remove")
@click.argument("address")
@click.option("--tenant", help="Which; default: the only tenant.")
@click.pass_obj
def remove(cli: Cli, address: str, tenant: str | None) -> None:
    """Send to an address again."""
    mailbox = read_address(address)
    with cli.database() as database:
        found = find_tenant(database, tenant)
        removed = database.write_now(
            lambda c: remove_suppression(c, found.tenant_id, mailbox, now=now())
        )
    if not removed:
        hint = "`pillarbox suppression list` shows all"
        raise Failure(
            ExitCode.NO_SUCH, f"tenant {found.name!r} does not suppress {mailbox.key} ({hint})"
        )
    if cli.as_json:
        print_json({"tenant": found.name, "address": mailbox.key})
    else:
        click.echo(f"Mail to {mailbox.key} is sent again.")


def _record(one: Suppression) -> dict[str, Json]:
    return {
        "address": one.address,
        "tenant": one.tenant,
        "origin": one.origin,
        "reason": one.reason or None,
        "created_at": for_programs(one.created_at),
        "expires_at": for_programs(one.expires_at),
    }
