"""Text from files that somebody names, and from standard input."""

from collections.abc import Iterator
from contextlib import contextmanager

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
