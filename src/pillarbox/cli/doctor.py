"""`pillarbox doctor`: what is wrong with a server for sending, seen from here."""

import asyncio

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import print_json, printable
from pillarbox.client.discovery import Options, discover
from pillarbox.diagnosis.facts import Facts, Target
from pillarbox.diagnosis.findings import Severity, findings
from pillarbox.diagnosis.report import as_json, render
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Tools, examine
from pillarbox.explain.failures import FailureKind
from pillarbox.net.tls import client_context

WARNED, FAILED, NOT_TESTABLE = 1, 2, 3
"""Exit codes of this command for what it found; those of sysexits are for how it was used."""


@click.command("doctor")
@click.argument("target", metavar="HOST[:PORT]|URL|ADDRESS")
@click.option("--ca-file", default="", help="A PEM file with further trusted roots.")
@click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings.")
@click.pass_obj
def command(cli: Cli, target: str, ca_file: str, strict: bool) -> None:
    """Say which ports and ways of encryption of a mail server work, and what is wrong.

    The ports 25, 465, 587 and 2525 are tried at once, each with STARTTLS and with TLS from the
    first byte. It sends nothing and tries no password. For an ADDRESS its server is found first.
    """
    meant = _of_address(target, ca_file) if "@" in target else read_target(target)
    tools = Tools(client_context(verify=True, ca_file=ca_file))
    facts = asyncio.run(examine(meant, tools))
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
