"""What commands print: tables and facts for people, JSON for programs.

On a terminal rich lays tables out; into a pipe or file they go as plain aligned text, never cut
off. Texts of remote hosts are shown without control characters: they could drive the terminal.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import click

Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None
"""A value that JSON can say. Ids are text in it: they do not fit the numbers of JavaScript."""

Cell: TypeAlias = str | int | None

_SHORT = 13
"""A column of cells that are no wider is never folded: ids are to be copied in one piece."""

_LOUD = re.compile(r"[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

Item = TypeVar("Item")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """The text without control characters and marks that reorder it."""
    return _CONTROL.sub("?", text)


def print_json(value: Json) -> None:
    """One JSON document. Control characters that JSON takes as they are, and marks that reorder
    text, are written by their numbers: it says the same, and drives no terminal."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    click.echo(_LOUD.sub(lambda char: f"\\u{ord(char[0]):04x}", text))


def print_list(
    items: Sequence[Item],
    columns: Mapping[str, Callable[[Item], Cell]],
    *,
    empty: str,
) -> None:
    """A table with one row an item, or the sentence `empty`."""
    if not items:
        click.echo(empty)
        return
    rows = [[_cell(column(item)) for column in columns.values()] for item in items]
    if sys.stdout.isatty():
        _print_rich(list(columns), rows)
    else:
        _print_plain([name.upper() for name in columns], rows)


def print_facts(facts: Sequence[tuple[str, Cell]]) -> None:
    """Names and values, one a line."""
    width = max(len(name) for name, _ in facts) + 2
    for name, value in facts:
        click.echo(f"{name:<{width}}{_cell(value)}")


def _cell(value: Cell) -> str:
    return "-" if value is None or value == "" else printable(str(value))


def _print_plain(titles: list[str], rows: list[list[str]]) -> None:
    """Columns as wide as their longest cell, two blanks between them."""
    table = [titles, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(titles))]
    for row in table:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _print_rich(titles: list[str], rows: list[list[str]]) -> None:
    """Long cells that do not fit are folded, not cut off."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title, cells in zip(titles, zip(*rows, strict=True), strict=True):
        is_short = max(map(len, cells)) <= _SHORT
        table.add_column(title, overflow="fold", no_wrap=is_short)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
