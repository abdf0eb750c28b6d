"""`pillarbox source`: the addresses of this machine that mail to MX hosts comes from."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import click

from pillarbox.app.source_checks import name_problem
from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.option_types import WARM_UP_TABLE
from pillarbox.cli.output import Json, print_json, print_list
from pillarbox.cli.times import for_programs, now
from pillarbox.cli.typed_names import typed_domain
from pillarbox.mail.envelope import Timestamp
from pillarbox.net.binding import why_not_bound
from pillarbox.sources import SourceFacts, read_address
from pillarbox.store.sources import list_sources, remove_source, save_source, sent_on


@click.group("source")
def command() -> None:
    """Addresses of this machine that mail to MX hosts comes from. A route uses them by
    `route add --mx --source ADDRESS=WEIGHT`."""


_NAME = click.option("--name", help="What it says in EHLO: the name of its PTR record.")
_WARM_UP = click.option(
    "--warm-up",
    type=WARM_UP_TABLE,
    help="Messages on each day from today on, like 50,100,200; default: 45 days; none: any number.",
)


@command.command("list")
@click.pass_obj
def list_(cli: Cli) -> None:
    """List them, with what each may send today and has sent."""
    moment = now()
    with cli.database() as database:
        found = database.read_now(list_sources)
        sent = database.read_now(lambda c: sent_on(c, _day(moment)))
    if cli.as_json:
        print_json([_record(one, facts, sent, moment) for one, facts in found.items()])
        return
    print_list(
        list(found.items()),
        {
            "Source": lambda item: item[0],
            "Name": lambda item: item[1].name or "(helo_name)",
            "A day": lambda item: _allowed_text(item[1], moment),
            "Today": lambda item: sent.get(item[0], 0) if item[1].allowed(moment) else None,
        },
        empty="There is none: mail comes from the address that this machine chooses.",
    )


@command.command("add")
@click.argument("address")
@_NAME
@_WARM_UP
@click.pass_obj
def add(cli: Cli, address: str, name: str | None, warm_up: tuple[int, ...] | None) -> None:
    """Add an address; it has to be one of this machine.

    \b
    pillarbox source add 192.0.2.1 --name out1.example.org --warm-up default
    """
    source = _address(address)
    cause = why_not_bound(source)
    if cause:
        hint = "give this machine the address first (ip address add)"
        raise Failure(ExitCode.UNAVAILABLE, f"nothing can be sent from {source}: {cause} ({hint})")
    _save(cli, source, name, warm_up, is_new=True)


@command.command("change")
@click.argument("address")
@_NAME
@_WARM_UP
@click.pass_obj
def change(cli: Cli, address: str, name: str | None, warm_up: tuple[int, ...] | None) -> None:
    """Change its name, or begin another schedule today."""
    if name is None and warm_up is None:
        raise click.UsageError("say --name or --warm-up")
    _save(cli, _address(address), name, warm_up, is_new=False)


@command.command("remove")
@click.argument("address")
@click.pass_obj
def remove(cli: Cli, address: str) -> None:
    """Remove an address that no route uses."""
    source = _address(address)
    with cli.database() as database:
        database.write_now(lambda c: remove_source(c, source))
    if cli.as_json:
        print_json({"address": source})
    else:
        click.echo(f"Removed {source}.")


def _save(
    cli: Cli, address: str, name: str | None, warm_up: tuple[int, ...] | None, *, is_new: bool
) -> None:
    with cli.database() as database:
        facts = database.read_now(list_sources).get(address, SourceFacts())
        if name is not None:
            facts = replace(facts, name=typed_domain(name) if name else "")
        if warm_up is not None:
            facts = replace(facts, warm_up=warm_up, warm_since=now() if warm_up else None)
        database.write_now(lambda c: save_source(c, address, facts, is_new=is_new))
    settings = cli.settings()
    said = facts.name or settings.delivery.helo_name or settings.host_name
    problem = asyncio.run(name_problem(address, said, settings.dns_servers))
    if cli.as_json:
        print_json(_record(address, facts, {}, now()) | {"warning": problem or None})
        return
    click.echo(f"{'Added' if is_new else 'Changed'} {address}: it says {said} in EHLO.")
    if problem:
        click.echo(f"WARNING: {problem}", err=True)


def _address(text: str) -> str:
    try:
        return read_address(text)
    except ValueError as error:
        raise Failure(ExitCode.DATA, f"{text!r} is no IP address") from error


def _day(moment: Timestamp) -> str:
    return datetime.fromtimestamp(moment / 1000, UTC).date().isoformat()


def _allowed_text(facts: SourceFacts, moment: Timestamp) -> str:
    allowed = facts.allowed(moment)
    return "any number" if allowed is None else f"{allowed} today, {facts.warm_up[-1]} at the end"


def _record(
    address: str, facts: SourceFacts, sent: dict[str, int], moment: Timestamp
) -> dict[str, Json]:
    return {
        "address": address,
        "name": facts.name or None,
        "warm_up": list(facts.warm_up),
        "warm_since": for_programs(facts.warm_since),
        "allowed_today": facts.allowed(moment),
        "sent_today": sent.get(address, 0),
    }
