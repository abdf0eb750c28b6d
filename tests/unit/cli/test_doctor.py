"""`pillarbox doctor` on the loopback (pillarbox.cli.doctor)."""

import json
import runpy
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.support.storing import now_ms
from tests.unit.cli.conftest import Service

from pillarbox.cli.root import root
from pillarbox.store.self_looks import KnownFinding, SelfLook, record_look

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "doctor.md").read_text(encoding="utf-8")
EX_USAGE, EX_DATA, FAILED = 64, 65, 2


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
    """docs/doctor.md says what the catalog says: scripts/doctor_findings.py writes it."""
    assert runpy.run_path(str(ROOT / "scripts" / "doctor_findings.py"))["page"](PAGE) == PAGE


def check(*words: str, **environment: str) -> Result:
    """Run it at a port at which nobody listens."""
    line = ["doctor", f"127.0.0.1:{free_port()}", *words]
    return CliRunner(env=environment).invoke(root, line)


def test_password_comes_from_file_or_environment(tmp_path: Path) -> None:
    """There is no option that takes it; where nobody can be asked it says how."""
    file = tmp_path / "password"
    file.write_text("secret\n", encoding="utf-8")

    assert check("--user", "u", "--password-file", str(file)).exit_code == FAILED
    assert check("--user", "u", PILLARBOX_DOCTOR_PASSWORD="secret").exit_code == FAILED
    assert check("--user", "u", PILLARBOX_DOCTOR_TOKEN="token").exit_code == FAILED
    assert "--password-file" in check("--user", "u").stderr
    assert check("--user", "u").exit_code == EX_USAGE
    assert check("--password", "secret").exit_code == EX_USAGE


@pytest.mark.parametrize("option", ["--password-file", "--token-file"])
def test_file_that_is_no_text_holds_no_secret(tmp_path: Path, option: str) -> None:
    """It is named, and nothing that stands in it is shown."""
    file = tmp_path / "key.der"
    file.write_bytes(b"secret\xff\xfe")

    result = check("--user", "u", option, str(file))

    assert result.exit_code == EX_DATA
    assert result.stderr == f"pillarbox: {file} is no text in UTF-8 (is it the right file?)\n"


@pytest.mark.parametrize(
    "words",
    [("--send",), ("--recipient", "a@b.com"), ("--password-file", "x"), ("--mechanism", "NTLM")],
)
def test_options_that_need_others_say_so(words: tuple[str, ...]) -> None:
    """In one line, with 64."""
    result = check(*words)

    assert result.exit_code == EX_USAGE
    assert result.stderr.count("\n") == 1


def test_sender_must_be_an_address() -> None:
    """It goes into a command of SMTP."""
    assert check("--sender", "a@b.com>\r\nDATA").exit_code == EX_DATA


def test_settings_of_a_client_are_the_target(tmp_path: Path) -> None:
    """With host, port and way; that it sends in the clear is a warning."""
    file = tmp_path / "msmtprc"
    file.write_text(f"account a\nhost 127.0.0.1\nport {free_port()}\nfrom a@localhost\n", "utf-8")

    result = CliRunner().invoke(root, ["doctor", "check", "--settings", str(file), "--json"])

    assert result.exit_code == FAILED
    told = json.loads(result.stdout)
    assert told["target"].startswith("msmtprc (127.0.0.1:")
    ids = [finding["id"] for finding in told["findings"]]
    assert ids[0] == "TCP-REFUSED"
    assert "CLIENT-IN-CLEAR" in ids


def test_server_and_settings_are_not_named_together(tmp_path: Path) -> None:
    """One of them, and not none."""
    file = tmp_path / "x"
    for words in (["doctor", "check"], ["doctor", "a.com", "--settings", str(file)]):
        assert CliRunner().invoke(root, words).exit_code == EX_USAGE


@pytest.mark.parametrize("words", [("--ehlo-name", "a.com"), ("--block-list", "bl.a.com")])
def test_what_is_asked_about_an_address_needs_the_address(words: tuple[str, ...]) -> None:
    """In one line, with 64; nobody is asked."""
    result = CliRunner().invoke(root, ["doctor", "dns", "a.com", *words])

    assert result.exit_code == EX_USAGE
    assert "--sending-address" in result.stderr


def test_what_is_asked_about_a_domain_needs_a_sender() -> None:
    """A host has no SPF record: who named an address would wait for its finding in vain."""
    words = ["doctor", f"127.0.0.1:{free_port()}", "--sending-address", "11.9.9.9"]
    result = CliRunner().invoke(root, words)

    assert result.exit_code == EX_USAGE
    assert "--sender" in result.stderr


def test_since_leaves_out_what_was_known_then(service: Service) -> None:
    """Since the last look, or since a time: what was found after it is told again."""
    known = KnownFinding("SELF-NOT-RUNNING", "service", "fail", "", "", now_ms())
    look = SelfLook(now_ms(), "", (known,))
    service.database.write_now(lambda c: record_look(c, "mail.example.org", look))

    def first(*words: str) -> str:
        told = json.loads(service.run("doctor", "--self", *words, "--json").stdout)
        return str(told["findings"][0]["id"])

    assert first() == "SELF-NOT-RUNNING"
    assert first("--since", "2026-01-01") == "SELF-NOT-RUNNING"
    assert first("--since", "2099-01-01T09:30") != "SELF-NOT-RUNNING"
    assert first("--since") != "SELF-NOT-RUNNING"
    assert service.run("doctor", "--self", "--since", "yesterday").exit_code == EX_DATA
