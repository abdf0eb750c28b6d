"""`pillarbox explain`: what a reply means and what to do about it. Needs neither service, store nor
configuration."""

import sys

import click

from pillarbox.cli.context import Cli
from pillarbox.cli.explaining import explanation_facts, explanation_record
from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.output import print_facts, print_json
from pillarbox.explain.replies import MAX_TEXT_CHARACTERS, explain_text

UNKNOWN = 1
"""The exit code for a text in which nothing is known."""


@click.command("explain")
@click.argument("reply", nargs=-1)
@click.pass_obj
def command(cli: Cli, reply: tuple[str, ...]) -> None:
    """Explain a reply of a mail server: cause, fix and where that is known from.

    REPLY is a line of a log, the text of a non-delivery report or an error of a sign-in (AADSTS…);
    `-` reads it from standard input. The exit code is 1 for what is not known.

    \b
    pillarbox explain "550 5.7.60 Client does not have permissions to send as this sender"
    pillarbox explain - < report.eml
    """
    text = _read() if reply == ("-",) else " ".join(reply)
    if not text.strip():
        raise click.UsageError("say which reply, or give it on standard input with -")
    found = explain_text(text)
    if cli.as_json:
        print_json(explanation_record(found))
    elif found is not None:
        print_facts(explanation_facts(found))
    else:
        click.echo(
            "This is not known to Pillarbox: there is no reply in it that it has an explanation"
            " for. A reply that begins with 4 is tried again, one that begins with 5 is not."
        )
    if found is None:
        raise click.exceptions.Exit(UNKNOWN)


def _read() -> str:
    try:
        return sys.stdin.buffer.read(4 * MAX_TEXT_CHARACTERS).decode("utf-8", "replace")
    except OSError as error:
        raise Failure(ExitCode.IO_ERROR, f"standard input: {error.strerror}") from error
