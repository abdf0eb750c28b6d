"""`pillarbox doctor`: what is wrong with a server for sending, seen from here."""

import asyncio

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.doctor_account import account_options, read_account
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import print_json, printable
from pillarbox.client.discovery import Options, discover
from pillarbox.diagnosis.facts import Facts, Target
from pillarbox.diagnosis.finding import Severity
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.report import as_json, render
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Tools, examine
from pillarbox.explain.failures import FailureKind
from pillarbox.net.tls import client_context

WARNED, FAILED, NOT_TESTABLE = 1, 2, 3
"""Exit codes of this command for what it found; those of sysexits are for how it was used."""

_DEFAULT = "check"


class _Doctor(click.Group):
    """A group whose first command need not be named."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `check` before what is no command."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [_DEFAULT, *args]
        return super().parse_args(ctx, args)


@click.group("doctor", cls=_Doctor)
def command() -> None:
    """Say what is wrong with a mail server for sending, seen from here.

    \b
    pillarbox doctor HOST[:PORT]|URL|ADDRESS     the same as: pillarbox doctor check …
    pillarbox doctor check --help                its options
    """


@command.command("check")
@click.argument("target", metavar="HOST[:PORT]|URL|ADDRESS")
@account_options
@click.option("--ca-file", default="", help="A PEM file with further trusted roots.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings.")
@click.pass_obj
def check(cli: Cli, /, target: str, ca_file: str, strict: bool, **options: str | bool) -> None:
    """Say which ports and ways of encryption of a mail server work, and what is wrong.

    The ports 25, 465, 587 and 2525 are tried at once, each with STARTTLS and with TLS from the
    first byte. For an ADDRESS its server is found first. At most one login is tried, with --user
    alone; senders are offered and taken back. Nothing is sent but with --send.
    """
    account = read_account(options)
    meant = _of_address(target, ca_file) if "@" in target else read_target(target)
    tools = Tools(client_context(verify=True, ca_file=ca_file))
    facts = asyncio.run(examine(meant, tools, account))
    if cli.as_json:
        print_json(as_json(facts))
    else:
        click.echo("\n".join(map(printable, render(facts).splitlines())))
    code = _code(facts, strict=strict)
    if code:
        raise click.exceptions.Exit(code)


def _of_address(address: str, ca_file: str) -> Target:
    best = discover(address, Options(ca_file=ca_file)).best
    if best is None:
        hint = f"see: pillarbox find {address}"
        raise Failure(ExitCode.NO_SUCH, f"no server for sending was found for {address} ({hint})")
    return Target(address, best.host)


def _code(facts: Facts, *, strict: bool) -> int:
    if facts.lookup_failure and facts.lookup_failure.kind is FailureKind.NAME_LOOKUP_FAILED:
        return NOT_TESTABLE
    severities = {finding.severity for finding in findings(facts)}
    if Severity.FAIL in severities:
        return FAILED
    return WARNED if strict and Severity.WARN in severities else 0
