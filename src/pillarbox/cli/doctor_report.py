"""How the doctor's report is shown, and its exit code."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from pillarbox import __version__
from pillarbox.cli.context import Cli
from pillarbox.cli.doctor_domain import is_unknown
from pillarbox.cli.output import print_json, printable
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.finding import Severity
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.formats import as_junit, as_markdown, as_sarif
from pillarbox.diagnosis.report import as_json, render
from pillarbox.explain.failures import FailureKind

WARNED, FAILED, NOT_TESTABLE = 1, 2, 3
"""Exit codes of this command for what it found; those of sysexits are for how it was used."""

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--md", "shape", flag_value="md", help="Markdown, for a ticket."),
    click.option("--junit", "shape", flag_value="junit", help="JUnit XML, for a test runner."),
    click.option("--sarif", "shape", flag_value="sarif", help="SARIF, for a code scanner."),
    click.option("--strict", is_flag=True, help="Exit with 1 where there are warnings."),
)


def report_options(decorated: Command) -> Command:
    """Add the options."""
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def tell(cli: Cli, facts: Facts, options: Mapping[str, object]) -> None:
    """Show the report. Raises Exit where something is wrong."""
    strict = bool(options["strict"])
    if cli.as_json:
        print_json(as_json(facts))
    else:
        text = _shaped(facts, str(options["shape"] or ""), strict=strict)
        click.echo("\n".join(map(printable, text.rstrip("\n").split("\n"))))
    if code := exit_code(facts, strict=strict):
        raise click.exceptions.Exit(code)


def _shaped(facts: Facts, shape: str, *, strict: bool) -> str:
    match shape:
        case "md":
            return as_markdown(facts)
        case "junit":
            return as_junit(facts, strict=strict)
        case "sarif":
            return json.dumps(as_sarif(facts, __version__), ensure_ascii=False, indent=2)
        case _:
            return render(facts)


def exit_code(facts: Facts, *, strict: bool) -> int:
    """What the findings come to."""
    if facts.lookup_failure and facts.lookup_failure.kind is FailureKind.NAME_LOOKUP_FAILED:
        return NOT_TESTABLE
    if not facts.attempts and facts.domain is not None and is_unknown(facts.domain):
        return NOT_TESTABLE
    severities = {finding.severity for finding in findings(facts)}
    if Severity.FAIL in severities:
        return FAILED
    return WARNED if strict and Severity.WARN in severities else 0
