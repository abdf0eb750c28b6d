"""Secrets from a file, from standard input or from a prompt; never from an argument, which every
user of the host could read in the list of processes."""

import sys

import click

from pillarbox.cli.failures import ExitCode, Failure
from pillarbox.cli.text_input import first_line


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
        secret = first_line(file)
    if not secret:
        raise Failure(ExitCode.DATA, f"the {what} is empty (write it into the first line)")
    return secret
