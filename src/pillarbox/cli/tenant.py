"""`pillarbox tenant`: organisations, with how long their mail is tried and kept."""

from dataclasses import asdict

import click

from pillarbox.cli.confirm import confirm
from pillarbox.cli.context import Cli
from pillarbox.cli.names import find_tenant
from pillarbox.cli.option_types import DAYS, LIMIT, SECONDS, Limit
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.times import duration, for_people, for_programs, now
from pillarbox.mail.identifier import format_id
from pillarbox.store.admin.tenants import (
    TenantInfo,
    TenantSettings,
    add_tenant,
    change_tenant,
    disable_tenant,
    list_tenants,
    remove_tenant,
)
from pillarbox.store.database import Database

_OPTIONS = (
    click.option("--keep-days", type=DAYS, help="Keep the content of finished mail; 0: do not."),
    click.option("--retry-first", type=SECONDS, metavar="SECONDS", help="The first pause."),
    click.option("--retry-longest", type=SECONDS, metavar="SECONDS", help="The longest pause."),
    click.option("--give-up", type=SECONDS, metavar="SECONDS", help="When to give mail up."),
    click.option("--delay-notice", type=LIMIT, metavar="SECONDS|none", help="Tell the sender."),
    click.option("--size-limit", type=LIMIT, metavar="OCTETS|none", help="Of one message."),
    click.option("--recipient-limit", type=LIMIT, metavar="NUMBER|none", help="Of one message."),
    click.option(
        "--account-recipients-per-day",
        type=LIMIT,
        metavar="NUMBER|none",
        help="Of each account that has no limit of its own.",
    ),
    click.option(
        "--suppress-days",
        type=DAYS,
        help="For how long nothing is sent to an address that nobody has, at most; 0: not at all.",
    ),
)
_FIELDS = {
    "keep_days": "keep_content_days",
    "retry_first": "retry_first_seconds",
    "retry_longest": "retry_longest_seconds",
    "give_up": "give_up_seconds",
    "delay_notice": "delay_notice_seconds",
    "size_limit": "size_limit_octets",
    "recipient_limit": "recipient_limit",
    "account_recipients_per_day": "account_recipients_per_day",
    "suppress_days": "suppress_days",
}
"""Option: field of TenantSettings."""


@click.group("tenant")
def command() -> None:
    """Organisations: each has its own domains, accounts and routes."""


@command.command("list")
@click.pass_obj
def list_(cli: Cli) -> None:
    """List all tenants."""
    with cli.database() as database:
        tenants = database.read_now(list_tenants)
    if cli.as_json:
        print_json([_record(tenant) for tenant in tenants])
        return
    print_list(
        tenants,
        {
            "Tenant": lambda tenant: tenant.name,
            "Domains": lambda tenant: ", ".join(tenant.domains),
            "Accounts": lambda tenant: tenant.accounts,
            "State": _state,
        },
        empty="There is no tenant yet (add one: pillarbox tenant add default).",
    )


@command.command("show")
@click.argument("name", required=False)
@click.pass_obj
def show(cli: Cli, name: str | None) -> None:
    """Show one tenant; without NAME the only one."""
    with cli.database() as database:
        _show(cli, find_tenant(database, name))


@command.command("add")
@click.argument("name")
@click.pass_obj
def add(cli: Cli, /, name: str, **options: int | Limit | None) -> None:
    """Add a tenant."""
    settings = _settings(TenantSettings(), options)
    with cli.database() as database:
        database.write_now(lambda c: add_tenant(c, name, now=now(), settings=settings))
        _done(cli, database, name, f"Added tenant {name}. Give it a domain: pillarbox domain add")


@command.command("change")
@click.argument("name", required=False)
@click.option("--enable/--disable", "is_enabled", default=None, help="Who of it may log in.")
@click.pass_obj
def change(
    cli: Cli, /, name: str | None, is_enabled: bool | None, **options: int | Limit | None
) -> None:
    """Change what is given of a tenant; without NAME of the only one."""
    if is_enabled is None and all(value is None for value in options.values()):
        raise click.UsageError("say what to change")
    with cli.database() as database:
        found = find_tenant(database, name)
        settings = _settings(found.settings, options)
        if settings != found.settings:
            database.write_now(lambda c: change_tenant(c, found.name, settings))
        if is_enabled is not None:
            moment = None if is_enabled else found.disabled_at or now()
            database.write_now(lambda c: disable_tenant(c, found.name, disabled_at=moment))
        _done(cli, database, found.name, f"Changed tenant {found.name}.")


for _option in reversed(_OPTIONS):
    _option(add)
    _option(change)


@command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(cli: Cli, name: str, yes: bool) -> None:
    """Remove a tenant with its domains, accounts, credentials and routes."""
    with cli.database() as database:
        found = find_tenant(database, name)
        confirm(f"Remove tenant {name} with {found.accounts} accounts?", yes=yes)
        database.write_now(lambda c: remove_tenant(c, name))
    if cli.as_json:
        print_json(_record(found))
    else:
        click.echo(f"Removed tenant {name}.")


def _settings(before: TenantSettings, options: dict[str, int | Limit | None]) -> TenantSettings:
    """The settings with what was given replaced."""
    given = {
        _FIELDS[name]: value.value if isinstance(value, Limit) else value
        for name, value in options.items()
        if value is not None
    }
    return TenantSettings(**{**asdict(before), **given})


def _done(cli: Cli, database: Database, name: str, text: str) -> None:
    if cli.as_json:
        print_json(_record(find_tenant(database, name)))
    else:
        click.echo(text)


def _show(cli: Cli, tenant: TenantInfo) -> None:
    if cli.as_json:
        print_json(_record(tenant))
        return
    settings = tenant.settings
    first, longest = duration(settings.retry_first_seconds), settings.retry_longest_seconds
    notice = settings.delay_notice_seconds
    size = settings.size_limit_octets
    print_facts(
        [
            ("Tenant", tenant.name),
            ("State", _state(tenant)),
            ("Domains", ", ".join(tenant.domains)),
            ("Accounts", tenant.accounts),
            ("Tries again", f"after {first}, then later and later, at most {duration(longest)}"),
            ("Gives up", f"after {duration(settings.give_up_seconds)}"),
            ("Delay notice", "none" if notice is None else f"after {duration(notice)}"),
            ("Keeps content", f"{settings.keep_content_days} days after the last recipient"),
            ("Size limit", "that of the service" if size is None else f"{size} octets"),
            ("Recipients", settings.recipient_limit or "the limit of the service"),
            ("Recipients a day", settings.account_recipients_per_day or "no limit for accounts"),
            ("Suppresses", f"what nobody has, for at most {settings.suppress_days} days"),
            ("Created", for_people(tenant.created_at)),
        ]
    )


def _state(tenant: TenantInfo) -> str:
    return "enabled" if tenant.disabled_at is None else "disabled"


def _record(tenant: TenantInfo) -> Json:
    settings = tenant.settings
    return {
        "id": format_id(tenant.tenant_id),
        "name": tenant.name,
        "enabled": tenant.disabled_at is None,
        "domains": tenant.domains,
        "accounts": tenant.accounts,
        **{field: getattr(settings, field) for field in _FIELDS.values()},
        "created_at": for_programs(tenant.created_at),
        "disabled_at": for_programs(tenant.disabled_at),
    }
