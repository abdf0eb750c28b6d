"""Secrets from a file, from standard input or from a prompt; never from an argument, which every
user of the host could read in the list of processes."""

import sys
from pathlib import Path

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.text_input import STANDARD_INPUT, reading_text


def read_secret(
    file: str | None, prompt: str, *, what: str = "password", option: str = "--password-file"
) -> str:
    """The secret: the first line of `file` (`-`: of standard input), or what is typed twice.
    `what` it is, and the `option` that names the file, are for errors.

    Raises Failure where it is empty or where nobody can be asked.
    """
    if file is None:
        if not sys.stdin.isatty():
            hint = f"name a file with {option}, or - for standard input"
            raise Failure(ExitCode.USAGE, f"the {what} can not be asked for here ({hint})")
        secret: str = click.prompt(prompt, hide_input=True, confirmation_prompt=True, err=True)
    else:
        with reading_text(file):
            secret = _first_line(file)
    if not secret:
        raise Failure(ExitCode.DATA, f"the {what} is empty (write it into the first line)")
    return secret


def _first_line(file: str) -> str:
    if file == STANDARD_INPUT:
        return sys.stdin.readline().rstrip("\r\n")
    return Path(file).read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
