"""`pillarbox doctor`: what is wrong with a server for sending, seen from here."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.doctor_account import account_options, read_account, read_account_secret
from pillarbox.cli.doctor_domain import (
    domain_facts,
    domain_options,
    domain_request,
    facts_of_domain,
    is_about_domain,
)
from pillarbox.cli.doctor_message import command as message
from pillarbox.cli.doctor_report import report_options, tell
from pillarbox.cli.explain import command as explain
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.progress_line import progress_line
from pillarbox.client.discovery import Options, discover
from pillarbox.diagnosis.about_tokens import read_token
from pillarbox.diagnosis.client_files import ClientFile, read_client_file
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.target import Target, read_target
from pillarbox.doctor import Account, Tools, examine
from pillarbox.doctor.domain import DomainRequest
from pillarbox.net.stores import both_stores
from pillarbox.net.tls import client_context

_DEFAULT = "check"


class _Doctor(click.Group):
    """A group whose first command need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `check` before what is no command."""
        if args[:1] == ["--self"]:
            args = ["self", *args[1:]]
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group("doctor", cls=_Doctor)
def command() -> None:
    """Say what is wrong with a mail server for sending, seen from here.

    \b
    pillarbox doctor HOST[:PORT]|URL|ADDRESS     the same as: pillarbox doctor check …
    pillarbox doctor check --help                its options
    pillarbox doctor dns DOMAIN                  the records of a domain alone
    pillarbox doctor token FILE                  a token of OAuth2 alone
    pillarbox doctor message FILE                one message: its form, its signatures, its way
    pillarbox doctor explain TEXT                what a reply or error means
    pillarbox doctor --self                      the service on this machine
    """


@command.command("check")
@click.argument("target", metavar="[HOST[:PORT]|URL|ADDRESS]", default="")
@account_options
@click.option(
    "--settings",
    default="",
    metavar="FILE",
    help="In place of TARGET: what a client is set to (msmtp, Postfix, ssmtp, Django, .env). Its"
    " password is not used.",
)
@domain_options
@click.option("--ca-file", default="", help="A PEM file with further trusted roots.")
@click.option(
    "--ciphers",
    is_flag=True,
    help="List all cipher suites and groups, and old clients that are not served: some hundred"
    " sessions.",
)
@click.option(
    "--times",
    type=click.IntRange(1, 20),
    default=1,
    help="Measure the stages of what works so often, and show the median.",
)
@report_options
@click.pass_obj
def check(
    cli: Cli,
    /,
    target: str,
    settings: str,
    ca_file: str,
    ciphers: bool,
    times: int,
    **options: object,
) -> None:
    """Say which ports and ways of encryption of a mail server work, and what is wrong.

    The ports 25, 465, 587 and 2525 are tried at once, each with STARTTLS and with TLS from the
    first byte. For an ADDRESS its server is found first. At most one login is tried, with --user
    alone; senders are offered and taken back. Nothing is sent but with --send. The records of the
    sender's domain are looked at where the sender is known.
    """
    if bool(target) == bool(settings):
        raise click.UsageError("name either a server or, with --settings, the file of a client")
    account = read_account(options)
    client = _read_client(settings) if settings else None
    sender = account.sender
    if client is not None:
        meant, sender = client.target, sender or client.sender or client.username
        account = replace(account, username=account.username or client.username)
    elif "@" in target:
        meant, sender = _of_address(target, ca_file), sender or target
    else:
        meant = read_target(target)
    sender = sender or account.username
    request = None
    if "@" in sender:
        request = domain_request(sender.rpartition("@")[2], options, server=meant.host)
    elif is_about_domain(options):
        raise click.UsageError("options about the sender's domain need --sender ADDRESS")
    with progress_line(f"looking at {meant.host}") as progress:
        tools = Tools(
            client_context(verify=True, ca_file=ca_file),
            progress=progress,
            stores=both_stores(),
            ciphers=ciphers,
            times=times,
        )
        facts = asyncio.run(_look(meant, account, request, tools, ca_file))
    if client is not None and client.in_clear:
        facts = replace(facts, clear_client=client.kind)
    tell(cli, facts, options)


@command.command("self")
@click.option(
    "--since",
    is_flag=False,
    flag_value="last",
    default="",
    metavar="[TIME]",
    help="Tell only what is new since TIME, or since the last look that the service made itself.",
)
@report_options
@click.pass_obj
def itself(cli: Cli, /, since: str, **options: object) -> None:
    """Look at the service on this machine: whether it runs and is ready, its listeners and
    certificate, disk and database, clock, mail that waits for long, hops that take nothing, the
    address that mail leaves from."""
    try:
        from pillarbox.cli.doctor_self import look_at_service

        facts = look_at_service(cli, since)
    except ImportError as exc:
        hint = 'pip install "pillarbox[server]"'
        raise Failure(ExitCode.UNAVAILABLE, f"the service is not installed here ({hint})") from exc
    tell(cli, facts, options)


command.add_command(explain, "explain")
command.add_command(message, "message")


def _read_client(file: str) -> ClientFile:
    text = Path(file).read_text(encoding="utf-8", errors="replace")
    return read_client_file(text, Path(file).name)


async def _look(
    target: Target, account: Account, request: DomainRequest | None, tools: Tools, ca_file: str
) -> Facts:
    """The server and the domain at once."""
    async with asyncio.TaskGroup() as group:
        start = group.create_task
        seen = start(examine(target, tools, account))
        domain = start(domain_facts(request, tools.progress, ca_file)) if request else None
    return replace(seen.result(), domain=domain.result() if domain else None)


@command.command("dns")
@click.argument("domain")
@domain_options
@click.option("--server", default="", help="The host that mail is sent by.")
@report_options
@click.pass_obj
def dns(cli: Cli, /, domain: str, server: str, **options: object) -> None:
    """Look at the records of a domain that mail is sent from: SPF, DKIM, DMARC, MX, MTA-STS,
    TLS-RPT, DANE, PTR."""
    facts = facts_of_domain(domain_request(domain, options, server=server.lower()))
    tell(cli, facts, options)


@command.command("token")
@click.option("--user", default="", help="Whose login it is for.")
@click.option("--server", default="smtp.office365.com", show_default=True, help="For which host.")
@click.argument("file", metavar="FILE|-")
@report_options
@click.pass_obj
def token(cli: Cli, /, file: str, user: str, server: str, **options: object) -> None:
    """Read the access token in FILE: for whom it is, for what, until when. Nobody is asked."""
    text = read_account_secret(file)
    facts = Facts(Target(server, server), now=time.time(), username=user, token=read_token(text))
    tell(cli, facts, options)


def _of_address(address: str, ca_file: str) -> Target:
    best = discover(address, Options(ca_file=ca_file)).best
    if best is None:
        hint = f"see: pillarbox find {address}"
        raise Failure(ExitCode.NO_SUCH, f"no server for sending was found for {address} ({hint})")
    return Target(address, best.host)
