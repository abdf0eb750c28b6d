"""`pillarbox explain`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from pillarbox.cli.root import root

KNOWN = (
    "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant"
)
OF_THE_SERVER = ("sqlalchemy", "alembic", "pydantic", "uvloop", "pillarbox.store", "pillarbox.net")


def test_known_reply_is_explained_with_its_fix_and_source() -> None:
    """Words of a shell need no quotes."""
    result = CliRunner().invoke(root, ["explain", *KNOWN.split()])

    assert result.exit_code == 0
    assert "m365-12 (Microsoft 365)" in result.stdout
    assert "Set-CASMailbox MAILBOX -SmtpClientAuthenticationDisabled $false" in result.stdout
    assert "(documented)" in result.stdout


def test_report_is_read_from_standard_input_as_json() -> None:
    """For programs: names that stay."""
    report = f"Remote Server returned '{KNOWN}'\n"

    result = CliRunner().invoke(root, ["explain", "-", "--json"], input=report)

    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["id"], told["class"], told["scope"]) == ("m365-12", "admin", "hop")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_unknown_reply_is_said_to_be_unknown(options: list[str]) -> None:
    """With an exit code that scripts see."""
    result = CliRunner().invoke(root, ["explain", "nothing of that kind", *options])

    assert result.exit_code == 1
    assert ("null" if options else "not known") in result.stdout


def test_nothing_to_explain_is_a_mistake() -> None:
    """As any command that was written wrongly."""
    assert CliRunner().invoke(root, ["explain"]).exit_code == 64


def test_explaining_needs_no_part_of_the_server(tmp_path: Path) -> None:
    """No configuration, no database, and none of their packages is loaded."""
    code = (
        "import sys\n"
        "from pillarbox.cli.root import root\n"
        f"root(['explain', {KNOWN!r}], standalone_mode=False)\n"
        f"loaded = [m for m in sys.modules if m.startswith({OF_THE_SERVER!r})]\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr.decode()
    assert b"m365-12" in done.stdout
