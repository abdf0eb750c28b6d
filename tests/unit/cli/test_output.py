"""Tables for people (pillarbox.cli.output)."""

import contextlib
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.cli.output import print_json, print_list, printable


class Terminal(io.StringIO):
    """A standard output that people look at."""

    def isatty(self) -> bool:
        """It is one."""
        return True


def _table(cells: list[str], out: io.StringIO) -> str:
    with contextlib.redirect_stdout(out):
        print_list(cells, {"Name": lambda cell: cell, "Length": len}, empty="Nothing.")
    return out.getvalue()


def test_terminal_gets_a_table_in_which_nothing_is_lost() -> None:
    """A cell that is wider than the terminal is folded, not cut off."""
    long = "".join(f"<{number}>" for number in range(100))

    shown = _table([long], Terminal())

    assert long in "".join(line[:-10].strip() for line in shown.splitlines() if "<" in line)


def test_ids_are_never_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside long cells an id stays in one piece, to be copied into the next command."""
    monkeypatch.setenv("COLUMNS", "80")
    out = Terminal()
    columns = {
        "Message": lambda _: "0SBCTF5DD5G00",
        "Received": lambda _: "2026-11-25 22:25:58+00:00",
        "From": lambda _: "printer@pillarbox.example",
        "To": lambda _: "someone@example.com",
        "State": lambda _: "failed",
        "Last reply": lambda cell: cell,
    }

    with contextlib.redirect_stdout(out):
        print_list(["550 5.7.60 This login may not send " * 5], columns, empty="")

    assert "0SBCTF5DD5G00" in out.getvalue()


def test_markup_in_a_cell_is_text() -> None:
    """What a remote host says has no colours."""
    assert "[red]x[/red]" in _table(["[red]x[/red]"], Terminal())


def test_json_drives_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """It says what it was given, in characters that only stand there."""
    hostile = "\x1b[2J \x9b2J \x7f \u202eevil\u2066 \u2028 é \udcff"

    print_json({"said": hostile})

    text = capsys.readouterr().out
    assert json.loads(text) == {"said": hostile}
    assert all(char in "\n" or char.isprintable() for char in text)
    assert "é" in text


def test_pipe_gets_plain_lines() -> None:
    """One line an item, as wide as it needs to be."""
    lines = _table(["a" * 200, "b"], io.StringIO()).splitlines()

    assert lines == ["NAME" + " " * 198 + "LENGTH", "a" * 200 + "  200", "b" + " " * 201 + "1"]


@given(st.text())
def test_printable_text_has_no_controls(text: str) -> None:
    """Nothing that a terminal would take for a command; everything else stays."""
    shown = printable(text)

    assert len(shown) == len(text)
    assert all(c >= " " and not "\x7f" <= c <= "\x9f" for c in shown)
    assert all(a == b for a, b in zip(text, shown, strict=True) if a.isalnum())


@pytest.mark.parametrize("out", [Terminal(), io.StringIO()], ids=["terminal", "pipe"])
def test_cells_can_not_drive_the_terminal(out: io.StringIO) -> None:
    """Escape sequences are shown as question marks, in tables for people and in pipes."""
    assert "?]0;owned?" in _table(["\x1b]0;owned\x07"], out)
