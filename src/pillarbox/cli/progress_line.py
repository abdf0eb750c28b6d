"""One line on the terminal that says how far a command has come, gone before its report is shown.

It goes to standard error, and only where that is a terminal: pipes and files never see it.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from pillarbox.cli.output import printable
from pillarbox.doctor.progress import Progress


class _Line:
    """What stands on the terminal now."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._width = 0

    def show(self, progress: Progress) -> None:
        """Write over what stood there."""
        counted = f"{progress.ended} of {progress.begun}"
        text = f"{self._title}: {counted}" + (f" ({progress.last})" if progress.last else "")
        self._write(printable(text)[: _columns() - 1])

    def clear(self) -> None:
        """Leave an empty line behind."""
        self._write("")
        click.echo("\r", err=True, nl=False)

    def _write(self, text: str) -> None:
        click.echo("\r" + text.ljust(self._width), err=True, nl=False)
        self._width = len(text)


def _columns() -> int:
    """The width of the terminal at standard error: a longer line would go on in the next one."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    return 80


@contextmanager
def progress_line(title: str) -> Iterator[Progress]:
    """Show how far the work inside has come."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield Progress()
        return
    line = _Line(title)
    try:
        yield Progress(line.show)
    finally:
        line.clear()
