"""The examples of examples/, run as their first lines say."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.programs import program

PRINTER = Path(__file__).parents[2] / "examples/m365/printer.py"
RECIPIENTS = "for ann@fabrikam.example, bob@fabrikam.example:"


@pytest.mark.parametrize(("way", "mechanism"), [("smtp", "XOAUTH2"), ("graph", "Bearer")])
def test_a_printer_sends_by_microsoft_365(way: str, mechanism: str) -> None:
    """A password in, OAuth2 out: all recipients, and the one of the envelope alone is not shown."""
    program("swaks", "swaks")

    done = subprocess.run(
        [sys.executable, str(PRINTER), way],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    head, _, mail = done.stdout.partition(RECIPIENTS)
    assert f"Arrived by {way}, {mechanism}, at printer@contoso.example\n" in head
    assert "To: Ann <ann@fabrikam.example>\n" in mail.replace("\r", "")
    assert "Page 1 of 1" in mail
    assert "bob" not in mail
