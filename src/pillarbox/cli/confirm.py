"""Ask before something is lost that nobody can bring back."""

import sys

import click

from pillarbox.cli.failures import ExitCode, Failure


def confirm(question: str, *, yes: bool) -> None:
    """Go on only with `yes` or when the person says so. Raises Failure or click.Abort."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(ExitCode.USAGE, "nobody can be asked here: say --yes if you mean it")
    click.confirm(question, abort=True, err=True)
