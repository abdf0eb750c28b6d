"""`pillarbox dkim`: the keys with which the mail of a domain is signed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import chain, count
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.domain_entries import find_entry
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import Json, print_facts, print_json, print_list
from pillarbox.cli.times import for_people, for_programs, now
from pillarbox.errors import DnsFailure
from pillarbox.mail.dkim import Algorithm
from pillarbox.mail.envelope import Timestamp
from pillarbox.net.dns import DnsResolver, Resolver
from pillarbox.publish.dns_records import InDns, compare_dkim, txt_record
from pillarbox.store.admin.dkim_keys import (
    DkimKeyInfo,
    activate_key,
    add_key,
    find_key,
    list_keys,
    remove_key,
)
from pillarbox.store.admin.tenants import read_domain
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal
from pillarbox.store.signing_keys import new_private_key, read_private_key


@click.group("dkim")
def command() -> None:
    """Keys that sign the mail of a domain.

    A new key signs by itself once the running service sees its record in DNS; it takes the place
    of the one of its algorithm, which is forgotten a week later.
    """


@command.command("list")
@click.option("--domain", help="Only those of this domain.")
@click.pass_obj
def list_(cli: Cli, domain: str | None) -> None:
    """List all keys."""
    with cli.database() as database:
        name = find_entry(database, domain, None).name if domain else None
        keys = database.read_now(lambda c: list_keys(c, name))
    if cli.as_json:
        print_json([_record(key) for key in keys])
        return
    print_list(
        keys,
        {
            "Domain": lambda key: key.domain,
            "Selector": lambda key: key.selector,
            "Algorithm": lambda key: key.algorithm.value,
            "State": lambda key: key.state,
            "Since": lambda key: for_people(_since(key)),
        },
        empty="There is no key yet (make one: pillarbox dkim create example.org).",
    )


@command.command("show")
@click.argument("domain")
@click.argument("selector")
@click.pass_obj
def show(cli: Cli, domain: str, selector: str) -> None:
    """Show a key and the record to publish for it."""
    with cli.database() as database:
        key = _find(database, domain, selector)
    _print(cli, key)


@command.command("create")
@click.argument("domain")
@click.option("--selector", help="Its name in DNS; default: made from the date.")
@click.option(
    "--algorithm",
    type=click.Choice([algorithm.value for algorithm in Algorithm]),
    help="Default: rsa-sha256, which everybody verifies.",
)
@click.option(
    "--import",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Take this private key (PEM, no passphrase).",
)
@click.pass_obj
def create(
    cli: Cli, domain: str, selector: str | None, algorithm: str | None, file: Path | None
) -> None:
    """Make a key, or import one. A domain may have a key of each algorithm; mail is signed with
    both then."""
    if file is not None and algorithm is not None:
        raise click.UsageError("an imported key has its algorithm")
    seal = Seal(cli.settings().master_key)
    name = read_domain(domain)
    if file is not None:
        private = read_private_key(file.read_bytes())
    else:
        private = new_private_key(Algorithm(algorithm or Algorithm.RSA))
    with cli.database() as database:
        if selector is None:
            selector = _free_selector(database.read_now(lambda c: list_keys(c, name)))
        key = database.write_now(
            lambda c: add_key(c, name, selector, private, seal=seal, now=now())
        )
    _print(cli, key)


@command.command("rotate")
@click.argument("domain")
@click.pass_obj
def rotate(cli: Cli, domain: str) -> None:
    """Make a successor for each key that signs the mail of a domain now."""
    seal = Seal(cli.settings().master_key)
    name = read_domain(domain)
    with cli.database() as database:
        keys = database.read_now(lambda c: list_keys(c, name))
        active = [key for key in keys if key.state == "active"]
        if not active:
            hint = f"make a first one: pillarbox dkim create {name}"
            raise Failure(ExitCode.NO_SUCH, f"no key signs mail of {name} ({hint})")
        for key in active:
            private = new_private_key(key.algorithm)
            selector = _free_selector(keys)
            keys.append(
                database.write_now(
                    partial(
                        add_key,
                        domain_name=name,
                        selector=selector,
                        private=private,
                        seal=seal,
                        now=now(),
                    )
                )
            )
    made = keys[-len(active) :]
    if cli.as_json:
        print_json([_record(key) for key in made])
        return
    for key in made:
        _print(cli, key)


@command.command("check")
@click.option("--domain", help="Only those of this domain.")
@click.pass_obj
def check(cli: Cli, domain: str | None) -> None:
    """Ask the DNS for the records of all keys. Exit code 65 where one that signs is not right."""
    resolver = DnsResolver.of_servers(cli.settings().dns_servers)
    with cli.database() as database:
        name = find_entry(database, domain, None).name if domain else None
        keys = database.read_now(lambda c: list_keys(c, name))
    found = dict(zip(keys, asyncio.run(_look_up(resolver, keys)), strict=True))
    if cli.as_json:
        print_json([{**_record(key), "dns": found[key].value} for key in keys])
    else:
        print_list(
            keys,
            {
                "Record": lambda key: key.name,
                "State": lambda key: key.state,
                "DNS": lambda key: found[key].value,
            },
            empty="There is no key yet (make one: pillarbox dkim create example.org).",
        )
    if any(key.state == "active" and found[key] is not InDns.RIGHT for key in keys):
        raise click.exceptions.Exit(ExitCode.DATA)


async def _look_up(resolver: Resolver, keys: Sequence[DkimKeyInfo]) -> list[InDns]:
    return await asyncio.gather(*(_in_dns(resolver, key) for key in keys))


async def _in_dns(resolver: Resolver, key: DkimKeyInfo) -> InDns:
    try:
        return compare_dkim(await resolver.txt(key.name), key.record)
    except DnsFailure:
        return InDns.UNKNOWN


@command.command("activate")
@click.argument("domain")
@click.argument("selector")
@click.pass_obj
def activate(cli: Cli, domain: str, selector: str) -> None:
    """Sign with this key from now on, without waiting for the service to see it in DNS. It takes
    the place of the one of its algorithm, whose record has to stay in DNS for a week: mail that it
    signed is still on the way."""
    with cli.database() as database:
        key = _find(database, domain, selector)
        database.write_now(lambda c: activate_key(c, key, now=now()))
        key = _find(database, domain, selector)
    if cli.as_json:
        print_json(_record(key))
    else:
        click.echo(f"Mail from {key.domain} is signed with {key.selector} now.")


@command.command("remove")
@click.argument("domain")
@click.argument("selector")
@click.pass_obj
def remove(cli: Cli, domain: str, selector: str) -> None:
    """Forget a key."""
    with cli.database() as database:
        key = _find(database, domain, selector)
        database.write_now(lambda c: remove_key(c, key))
    if cli.as_json:
        print_json(_record(key))
    else:
        click.echo(f"Removed the key {key.selector} of {key.domain}.")


def _find(database: Database, domain: str, selector: str) -> DkimKeyInfo:
    name = read_domain(domain)
    return database.read_now(lambda c: find_key(c, name, selector))


def _free_selector(keys: Sequence[DkimKeyInfo]) -> str:
    """`20261126`, `20261126-2` …: of the day, as administrators of DNS like to see it."""
    day = datetime.now(UTC).strftime("%Y%m%d")
    taken = {key.selector for key in keys}
    names = chain([day], (f"{day}-{number}" for number in count(2)))
    return next(name for name in names if name not in taken)


def _since(key: DkimKeyInfo) -> Timestamp:
    return key.retired_at or key.active_at or key.created_at


def _print(cli: Cli, key: DkimKeyInfo) -> None:
    if cli.as_json:
        print_json(_record(key))
        return
    print_facts(
        [
            ("Domain", key.domain),
            ("Selector", key.selector),
            ("Algorithm", key.algorithm.value),
            ("State", key.state),
            ("Since", for_people(_since(key))),
        ]
    )
    click.echo(f"\nThe record to publish:\n\n{txt_record(key.name, key.record)}\n")


def _record(key: DkimKeyInfo) -> dict[str, Json]:
    return {
        "domain": key.domain,
        "tenant": key.tenant,
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "state": key.state,
        "record": {"name": key.name, "type": "TXT", "value": key.record},
        "created_at": for_programs(key.created_at),
        "active_at": for_programs(key.active_at),
        "retired_at": for_programs(key.retired_at),
    }
