"""`pillarbox send-as`: which addresses an account may use beside its own."""

import click

from pillarbox.cli.account import account_record
from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_account, no_such
from pillarbox.cli.output import print_json, print_list
from pillarbox.publish.literals import shell_literal
from pillarbox.store.admin.accounts import (
    AccountInfo,
    add_send_as,
    list_accounts,
    remove_send_as,
)


@click.group("send-as")
def command() -> None:
    """Further sender addresses of an account.

    A PATTERN is an address, @DOMAIN for every address of a domain, or "<>" for the empty sender
    of bounces, which mail servers need.
    """


@command.command("list")
@click.argument("address", required=False)
@click.pass_obj
def list_(cli: Cli, address: str | None) -> None:
    """List who may send as whom; with ADDRESS for one account."""
    with cli.database() as database:
        if address is None:
            accounts = database.read_now(list_accounts)
        else:
            accounts = [find_account(database, address)]
    grants = [(account.address, pattern) for account in accounts for pattern in account.send_as]
    if cli.as_json:
        print_json([{"account": account, "pattern": pattern} for account, pattern in grants])
        return
    print_list(
        grants,
        {"Account": lambda grant: grant[0], "May send as": lambda grant: grant[1]},
        empty="Every account sends as its own address only.",
    )


@command.command("add")
@click.argument("address")
@click.argument("pattern")
@click.pass_obj
def add(cli: Cli, address: str, pattern: str) -> None:
    """Let the account ADDRESS send as PATTERN."""
    with cli.database() as database:
        account = find_account(database, address)
        kept = database.write_now(lambda c: add_send_as(c, account.address, pattern))
        account = find_account(database, address)
    _say(cli, account, f"{account.address} may send as {kept}.")


@command.command("remove")
@click.argument("address")
@click.argument("pattern")
@click.pass_obj
def remove(cli: Cli, address: str, pattern: str) -> None:
    """Take that right back."""
    with cli.database() as database:
        account = find_account(database, address)
        if pattern.casefold() not in {known.casefold() for known in account.send_as}:
            hint = f"`pillarbox send-as list {shell_literal(account.address)}` shows all"
            raise no_such("send-as right", pattern, account.send_as, hint)
        database.write_now(lambda c: remove_send_as(c, account.address, pattern))
        account = find_account(database, address)
    _say(cli, account, f"{account.address} may not send as {pattern} any more.")


def _say(cli: Cli, account: AccountInfo, text: str) -> None:
    if cli.as_json:
        print_json(account_record(account))
    else:
        click.echo(text)
