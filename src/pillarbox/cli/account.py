"""`pillarbox account`: who may send."""

from collections.abc import Callable

import click

from pillarbox.cli.confirm import confirm
from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_account, find_tenant
from pillarbox.cli.option_types import LIMIT, Limit
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.mail.identifier import format_id
from pillarbox.publish.literals import shell_literal
from pillarbox.store.admin.accounts import (
    AccountInfo,
    add_account,
    disable_account,
    limit_account,
    list_accounts,
    remove_account,
)
from pillarbox.store.admin.credentials import CredentialInfo, list_credentials
from pillarbox.store.admin.holding import hold_account, hold_queue, release_account, release_queue
from pillarbox.store.database import Database


@click.group("account")
def command() -> None:
    """Who may send: one account for each application or device."""


@command.command("list")
@click.option("--tenant", help="Only those of this tenant.")
@click.pass_obj
def list_(cli: Cli, tenant: str | None) -> None:
    """List all accounts."""
    with cli.database() as database:
        name = find_tenant(database, tenant).name if tenant else None
        accounts = database.read_now(lambda c: list_accounts(c, tenant_name=name))
    if cli.as_json:
        print_json([account_record(account) for account in accounts])
        return
    print_list(
        accounts,
        {
            "Account": lambda account: account.address,
            "Tenant": lambda account: account.tenant,
            "Credentials": lambda account: account.credentials,
            "Also sends as": lambda account: ", ".join(account.send_as),
            "State": _state,
        },
        empty="There is no account yet (add one: pillarbox account add printer@example.org).",
    )


@command.command("show")
@click.argument("address")
@click.pass_obj
def show(cli: Cli, address: str) -> None:
    """Show one account with its credentials."""
    with cli.database() as database:
        account = find_account(database, address)
        credentials = database.read_now(lambda c: list_credentials(c, account.address))
    if cli.as_json:
        print_json({**account_record(account), "credential_labels": _labels(credentials)})
        return
    print_facts(
        [
            ("Account", account.address),
            ("Tenant", account.tenant),
            ("State", _state(account)),
            ("Also sends as", ", ".join(account.send_as)),
            ("Recipients a day", account.recipients_per_day or "what the tenant says"),
            ("Credentials", ", ".join(_labels(credentials))),
            ("Created", for_people(account.created_at)),
        ]
    )


@command.command("add")
@click.argument("address")
@click.option("--tenant", help="Check that the address is in a domain of this tenant.")
@click.pass_obj
def add(cli: Cli, address: str, tenant: str | None) -> None:
    """Add an account. It belongs to the tenant that has the domain of the address."""
    with cli.database() as database:
        name = find_tenant(database, tenant).name if tenant else None
        database.write_now(lambda c: add_account(c, address, now=now(), tenant_name=name))
        account = find_account(database, address)
    if cli.as_json:
        print_json(account_record(account))
        return
    click.echo(
        f"Added {account.address} to tenant {account.tenant}. Give it a password:"
        f" pillarbox credential add {shell_literal(account.address)} --label NAME"
    )


@command.command("change")
@click.argument("address")
@click.option("--enable/--disable", "is_enabled", default=None, help="Whether it may log in.")
@click.option(
    "--recipients-per-day",
    "limit",
    type=LIMIT,
    metavar="NUMBER|none",
    help="How many it may send to; none: what the tenant says.",
)
@click.pass_obj
def change(cli: Cli, address: str, is_enabled: bool | None, limit: Limit | None) -> None:
    """Switch an account off, or on again, or limit it. Mail that it has in the queue goes on."""
    if is_enabled is None and limit is None:
        raise click.UsageError("say what to change")
    with cli.database() as database:
        found = find_account(database, address)
        if is_enabled is not None:
            moment = None if is_enabled else found.disabled_at or now()
            database.write_now(lambda c: disable_account(c, found.address, disabled_at=moment))
        if limit is not None:
            database.write_now(lambda c: limit_account(c, found.address, limit.value))
        account = find_account(database, address)
    if cli.as_json:
        print_json(account_record(account))
    else:
        daily = account.recipients_per_day
        text = "" if daily is None else f", for {daily} recipients a day"
        click.echo(f"{account.address} is {_state(account)}{text}.")


@command.command("hold")
@click.argument("address")
@click.option("--reason", default="held by an administrator", help="Shown with the account.")
@click.pass_obj
def hold(cli: Cli, address: str, reason: str) -> None:
    """Hold what an account sends and what it has in the queue; nothing is refused or lost."""
    with cli.database() as database:
        found = find_account(database, address).account_id
        database.write_now(lambda c: hold_account(c, found, now=now(), reason=reason))

        def hold_some() -> int:
            return database.write_now(lambda c: hold_queue(c, found))

        _change_queue(cli, database, address, hold_some, "held")


@command.command("release")
@click.argument("address")
@click.pass_obj
def release(cli: Cli, address: str) -> None:
    """Let an account that is held send again, and send what was held of it."""
    moment = now()
    with cli.database() as database:
        found = find_account(database, address).account_id
        database.write_now(lambda c: release_account(c, found))

        def release_some() -> int:
            return database.write_now(lambda c: release_queue(c, found, now=moment))

        _change_queue(cli, database, address, release_some, "released")


def _change_queue(
    cli: Cli, database: Database, address: str, change: Callable[[], int], what: str
) -> None:
    """Change what an account has in the queue, in transactions of bounded size."""
    changed = 0
    while step := change():
        changed += step
    account = find_account(database, address)
    if cli.as_json:
        print_json({**account_record(account), "changed": changed})
    else:
        click.echo(f"{account.address} is {_state(account)}; {changed} recipients {what}.")


@command.command("remove")
@click.argument("address")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(cli: Cli, address: str, yes: bool) -> None:
    """Remove an account with its credentials. Mail that it has in the queue goes on."""
    with cli.database() as database:
        account = find_account(database, address)
        confirm(f"Remove {account.address} and its {account.credentials} credentials?", yes=yes)
        database.write_now(lambda c: remove_account(c, account.address))
    if cli.as_json:
        print_json(account_record(account))
    else:
        click.echo(f"Removed {account.address}.")


def account_record(account: AccountInfo) -> dict[str, Json]:
    """An account for programs."""
    return {
        "id": format_id(account.account_id),
        "address": account.address,
        "tenant": account.tenant,
        "enabled": account.disabled_at is None,
        "send_as": account.send_as,
        "credentials": account.credentials,
        "created_at": for_programs(account.created_at),
        "disabled_at": for_programs(account.disabled_at),
        "recipients_per_day": account.recipients_per_day,
        "held_at": for_programs(account.held_at),
        "hold_reason": account.hold_reason or None,
    }


def _state(account: AccountInfo) -> str:
    if account.disabled_at is not None:
        return "disabled"
    return "enabled" if account.held_at is None else f"held: {account.hold_reason}"


def _labels(credentials: list[CredentialInfo]) -> list[str]:
    return [credential.label for credential in credentials]
