"""`pillarbox doctor` on the loopback (pillarbox.cli.doctor)."""

import json
import re
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner

from pillarbox.cli.root import root
from pillarbox.diagnosis import findings

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
EX_DATA, FAILED = 65, 2


def free_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_closed_port_is_the_verdict_and_exit_code_2() -> None:
    """The first line has the id and the next step."""
    port = free_port()

    result = CliRunner().invoke(root, ["doctor", f"127.0.0.1:{port}"])

    assert result.exit_code == FAILED
    first = result.stdout.splitlines()[0]
    assert first.startswith(f"FAIL 127.0.0.1:{port}: ")
    assert "TCP-REFUSED" in first
    assert "-> check the port" in first


def test_json_of_a_failure() -> None:
    """The same for programs, with the same exit code."""
    result = CliRunner().invoke(root, ["doctor", f"127.0.0.1:{free_port()}", "--json"])

    assert result.exit_code == FAILED
    told = json.loads(result.stdout)
    assert told["ok"] is False
    assert told["findings"][0]["id"] == "TCP-REFUSED"


@pytest.mark.parametrize("target", ["http://corp.com", "a b"])
def test_what_is_no_server_is_65(target: str) -> None:
    """One line says how it is written."""
    result = CliRunner().invoke(root, ["doctor", target])

    assert result.exit_code == EX_DATA
    assert result.stderr.count("\n") == 1


def test_every_finding_has_its_line() -> None:
    """docs/doctor.md and the code name the same ids."""
    source = Path(findings.__file__).read_text(encoding="utf-8")
    made = set(re.findall(r'"([A-Z]+(?:-[A-Z]+)+)"', source)) - {"SMTP-FAILED"}

    assert made == set(re.findall(r"`([A-Z]+(?:-[A-Z]+)+)`", PAGE))
