"""`pillarbox domain dns`: the records of a domain, beside what DNS says of them."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from ipaddress import ip_address

import click

from pillarbox.app.domain_outlook import Dmarc, Key, Outlook, Subject, look
from pillarbox.app.domain_ways import ways_out
from pillarbox.cli.context import Cli
from pillarbox.cli.domain_entries import Entry, find_entry, list_entries
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import Json, print_json, printable
from pillarbox.config import Settings
from pillarbox.config.client import client_settings
from pillarbox.errors import DnsFailure
from pillarbox.net.dns import DnsResolver
from pillarbox.publish.client_records import client_records
from pillarbox.publish.domain_records import Judged, Record, State
from pillarbox.publish.pacc_document import pacc_document
from pillarbox.route import TlsMode
from pillarbox.store.admin.dkim_keys import DkimKeyInfo, list_keys
from pillarbox.store.admin.routes import list_routes
from pillarbox.store.database import Database
from pillarbox.store.published import published_domain

_SERVICES = {TlsMode.TLS: "_submissions", TlsMode.STARTTLS: "_submission"}
"""RFC 8314 5.1 and RFC 6186 3.1."""


@click.command("dns")
@click.argument("domain")
@click.option("--tenant", help="Whose; default: the tenant that has it.")
@click.option(
    "--address",
    "addresses",
    multiple=True,
    metavar="IP",
    help="An address that mail leaves from, if it is not the one that host_name has in DNS. Can be"
    " given several times.",
)
@click.option("--zone", is_flag=True, help="Only lines for a zone file.")
@click.pass_obj
def command(
    cli: Cli, domain: str, tenant: str | None, addresses: tuple[str, ...], zone: bool
) -> None:
    """Show every record to publish, what DNS says now, and whether mail will pass DMARC.

    Exit code 65 where a record that is needed is missing or wrong, or mail would fail.
    """
    for address in addresses:
        _check_address(address)
    settings = cli.settings()
    with cli.database() as database:
        entry = find_entry(database, domain, tenant)
        outlook = asyncio.run(_look(settings, database, entry, addresses))
    if cli.as_json:
        print_json(_record(entry.name, outlook))
    elif zone:
        for judged in outlook.records:
            click.echo(judged.record.line)
    else:
        _print(entry.name, outlook)
    if all(judged.state is State.UNKNOWN for judged in outlook.records):
        raise Failure(ExitCode.TRY_LATER, "DNS did not answer")
    if _is_bad(outlook):
        raise click.exceptions.Exit(ExitCode.DATA)


def _check_address(text: str) -> None:
    try:
        ip_address(text)
    except ValueError:
        raise click.UsageError(f"{text!r} is no IP address") from None


async def _look(
    settings: Settings, database: Database, entry: Entry, addresses: Sequence[str]
) -> Outlook:
    try:
        resolver = DnsResolver.of_servers(settings.dns_servers)
    except DnsFailure as error:
        raise Failure(ExitCode.TRY_LATER, f"DNS can not be asked: {error}") from error
    found = list(addresses)
    if not found:
        with suppress(DnsFailure):
            found = await resolver.addresses(settings.host_name)
    infos = database.read_now(lambda c: list_routes(c, entry.tenant))
    ways = ways_out(
        [info.route for info in infos],
        entry.name,
        host_name=settings.host_name,
        addresses=found,
    )
    listeners = {
        listener.tls: listener.port
        for listener in reversed(settings.listeners)
        if not listener.takes_returns
    }
    subject = Subject(
        domain=entry.name,
        host_name=settings.host_name,
        token=entry.token,
        is_proved=bool(entry.proof),
        keys=tuple(_keys(database, entry)),
        services=tuple(
            (label, listeners[tls]) for tls, label in _SERVICES.items() if tls in listeners
        ),
        ways=tuple(ways),
        version=datetime.now(UTC).strftime("%Y%m%d%H%M%S"),
        published=tuple(_published(settings, database, entry.name)),
        return_path=_return_path(database, entry),
        takes_returns=any(listener.takes_returns for listener in settings.listeners),
    )
    return await look(resolver, subject)


def _published(settings: Settings, database: Database, name: str) -> list[Record]:
    """What leads clients to the documents that are served here."""
    if not settings.publishing.address:
        return []
    found = database.read_now(lambda c: published_domain(c, name))
    sending = client_settings(settings, "")
    document = pacc_document(name, sending, found.mailboxes if found else None)
    return client_records(name, settings.host_name, settings.publishing.port, document)


def _return_path(database: Database, entry: Entry) -> str:
    """That of the domain, or of the nearest domain above it with one."""
    entries = [one for one in list_entries(database) if one.tenant == entry.tenant and one.proof]
    paths = {one.name: one.return_path for one in entries if one.return_path}
    above = entry.name if entry.proof else ""
    while above and above not in paths:
        above = above.partition(".")[2]
    return paths.get(above, "")


def _keys(database: Database, entry: Entry) -> list[Key]:
    """Those of the domain that are not retired; where none of them signs also those of the nearest
    domain above it with some, which sign in their place."""
    if not entry.proof:
        return []
    known = [key for key in database.read_now(list_keys) if key.tenant == entry.tenant]
    own = [key for key in known if key.domain == entry.name and key.state != "retired"]
    above = entry.name
    signing: list[DkimKeyInfo] = []
    while above and not signing:
        signing = [key for key in known if key.domain == above and key.state == "active"]
        above = above.partition(".")[2]
    keys = own + [key for key in signing if key not in own]
    return [Key(key.domain, key.name, key.record, key.state == "active") for key in keys]


def _is_bad(outlook: Outlook) -> bool:
    return any(
        judged.record.is_needed and judged.state in (State.MISSING, State.WRONG)
        for judged in outlook.records
    ) or any(forecast.dmarc is Dmarc.FAIL for forecast in outlook.forecasts)


_FORECASTS = {
    Dmarc.BOTH: "passes DMARC by DKIM and by SPF",
    Dmarc.DKIM: "passes DMARC by DKIM alone",
    Dmarc.SPF: "passes DMARC by SPF alone: forwarded mail fails",
    Dmarc.FAIL: "fails DMARC",
    Dmarc.UNKNOWN: "may fail DMARC: that can not be told from here",
}


def _print(domain: str, outlook: Outlook) -> None:
    for judged in outlook.records:
        _print_record(judged)
    if not any(judged.record.purpose == "dkim" for judged in outlook.records):
        click.echo(f"dkim: no key (make one: pillarbox dkim create {domain})\n")
    click.echo(f"What receivers will make of mail from {domain}:")
    for forecast in outlook.forecasts:
        click.echo(f"  by {forecast.way}: {_FORECASTS[forecast.dmarc]}")
        click.echo(f"    DKIM: {printable(forecast.dkim)}")
        click.echo(f"    SPF: {printable(forecast.spf)}")
    if not outlook.policy:
        click.echo("  No DMARC record was found: nobody is asked to check, large receivers do.")
    else:
        click.echo(f"  Mail that fails: the DMARC record asks for {outlook.policy}.")


def _print_record(judged: Judged) -> None:
    record = judged.record
    optional = "" if record.is_needed else " (optional)"
    note = f": {printable(judged.note)}" if judged.note else ""
    click.echo(f"{record.purpose}{optional}: {judged.state.value}{note}")
    if judged.state is not State.RIGHT:
        click.echo(f"  publish  {record.line}")
    for text in judged.found if judged.state is not State.MISSING else ():
        click.echo(f"  in DNS   {printable(text)}")
    click.echo()


def _record(domain: str, outlook: Outlook) -> Json:
    return {
        "domain": domain,
        "records": [
            {
                "purpose": judged.record.purpose,
                "name": judged.record.name,
                "type": judged.record.type,
                "value": judged.record.value,
                "needed": judged.record.is_needed,
                "dns": judged.state.value,
                "found": list(judged.found),
                "note": judged.note or None,
            }
            for judged in outlook.records
        ],
        "forecasts": [
            {
                "way": forecast.way,
                "dmarc": forecast.dmarc.value,
                "dkim": forecast.dkim,
                "spf": forecast.spf,
            }
            for forecast in outlook.forecasts
        ],
        "policy": outlook.policy or None,
    }
