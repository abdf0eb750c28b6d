"""`pillarbox doctor message` (pillarbox.cli.doctor_message)."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.gallery.letters import DELIVERED, SIGNED
from tests.unit.diagnosis.test_formats import SCHEMA, faults

from pillarbox.cli.root import root

FAILED, EX_DATA, EX_NOINPUT = 2, 65, 66
BAD = b"Subject: Hi\r\n" + SIGNED


def run(octets: bytes, *words: str) -> Result:
    """Give it a message on standard input; nobody is asked."""
    line = ["doctor", "message", "-", "--offline", *words]
    return CliRunner().invoke(root, line, input=octets)


def test_verdict_and_way_of_a_delivered_message() -> None:
    """The first line is the verdict; each server has a row with the time since the one before."""
    result = run(DELIVERED)

    assert result.exit_code == 0, result.output
    first, _, _, *rows = result.stdout.splitlines()
    assert first.startswith("OK   standard input: nothing is held against")
    assert rows[0].split()[:3] == ["1", "out.corp.com", "client.corp.com"]
    assert rows[0].endswith("-")
    assert rows[1].split()[1] == "mx.other.com"
    assert rows[1].endswith("2 seconds")


def test_json_of_a_message_is_what_the_schema_says() -> None:
    """With its way, what the receiver found, and the id of the run that sent it."""
    result = run(b"X-Pillarbox-Doctor: 4c\r\n" + DELIVERED, "--json")

    told = json.loads(result.stdout)
    assert faults(told, SCHEMA) == []
    assert told["message"]["run"] == "4c"
    assert [hop["server"] for hop in told["message"]["hops"]] == ["out.corp.com", "mx.other.com"]
    found = {one["method"]: one["result"] for one in told["message"]["results"]}
    assert found == {"dkim": "pass", "spf": "pass", "dmarc": "pass"}


@pytest.mark.parametrize("shape", ["--md", "--junit", "--sarif"])
def test_findings_come_in_all_forms(shape: str) -> None:
    """With the exit code of a failure."""
    result = run(BAD, shape)

    assert result.exit_code == FAILED
    assert "MESSAGE-FIELD-TWICE" in result.stdout


def test_file_is_named_by_its_name(tmp_path: Path) -> None:
    """One that is not there, and an address that is none, are said in one line."""
    file = tmp_path / "scan.eml"
    file.write_bytes(BAD)
    words = ["doctor", "message", str(file), "--offline"]

    assert CliRunner().invoke(root, words).stdout.startswith("FAIL scan.eml: ")
    wrong = CliRunner().invoke(root, [*words, "--sending-address", "x"])
    missing = CliRunner().invoke(root, ["doctor", "message", str(tmp_path / "none")])
    assert (wrong.exit_code, missing.exit_code) == (EX_DATA, EX_NOINPUT)
    assert (wrong.stderr + missing.stderr).count("\n") == 2
