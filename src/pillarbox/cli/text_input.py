"""Text from files that somebody names, and from standard input."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pillarbox.cli.failures import ExitCode, Failure

STANDARD_INPUT = "-"


@contextmanager
def reading_text(file: object) -> Iterator[None]:
    """Whatever of `file` is read inside is text, or the command says that it is none."""
    try:
        yield
    except UnicodeDecodeError as error:
        name = "standard input" if file == STANDARD_INPUT else file
        text = f"{name} is no text in UTF-8 (is it the right file?)"
        raise Failure(ExitCode.DATA, text) from error


def first_line(file: str, most_characters: int = -1) -> str:
    """The first line of a file, or of standard input (`-`), and no more of it than that. Raises
    OSError, and Failure where it is no text."""
    with reading_text(file):
        if file == STANDARD_INPUT:
            return sys.stdin.readline(most_characters).rstrip("\r\n")
        with Path(file).open(encoding="utf-8") as opened:
            return opened.readline(most_characters).rstrip("\r\n")
