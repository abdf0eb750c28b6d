"""The root of the command line: help, exit codes, one-line errors (pillarbox.cli.root)."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner

from pillarbox import __version__
from pillarbox.cli.root import NOUNS, root

EX_USAGE = 64
EX_UNAVAILABLE = 69
EX_IO_ERROR = 74
EX_NOPERM = 77
EX_CONFIG = 78
NOBODY = 65_534


def test_help_lists_every_noun() -> None:
    """`pillarbox --help` names all commands."""
    result = CliRunner().invoke(root, ["--help"])

    assert result.exit_code == 0
    assert all(f"  {noun} " in result.stdout for noun in NOUNS)


@pytest.mark.parametrize("noun", NOUNS)
def test_every_noun_has_help(noun: str) -> None:
    """Each noun can be loaded and explains itself."""
    result = CliRunner().invoke(root, [noun, "--help"])

    assert result.exit_code == 0
    assert "Usage:" in result.stdout


@pytest.mark.parametrize(
    "arguments", [["quue"], ["--bogus"], ["version", "--bogus"], ["trace"]], ids=" ".join
)
def test_wrong_usage_is_one_line_and_64(arguments: list[str]) -> None:
    """EX_USAGE, with where the help is, and nothing on standard output."""
    result = CliRunner().invoke(root, arguments)

    assert result.exit_code == EX_USAGE
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "--help" in result.stderr


@pytest.mark.parametrize("before", [[], ["--json"], ["--config", "x"]])
def test_an_option_without_its_value_names_the_command(before: list[str]) -> None:
    """Whose help has the option; that of the program has only the nouns."""
    result = CliRunner().invoke(root, [*before, "route", "add", "--to", "x", "--smarthost"])

    assert result.exit_code == EX_USAGE
    assert result.stderr.startswith("pillarbox route add: Option '--smarthost' requires")
    assert "(see: pillarbox route add --help)" in result.stderr


def test_what_is_no_number_is_called_so() -> None:
    """And no range: nobody has given one."""
    result = CliRunner().invoke(root, ["queue", "list", "--limit", "x"])

    assert result.exit_code == EX_USAGE
    assert "'--limit': 'x' is no whole number" in result.stderr


def test_an_error_drives_no_terminal() -> None:
    """What stands in it may come from elsewhere."""
    result = CliRunner().invoke(root, ["doctor", "a b\a\x9b2J"])

    assert "?2J" in result.stderr
    assert all(char == "\n" or char.isprintable() for char in result.stderr)


def test_json_and_config_may_stand_anywhere() -> None:
    """Before the noun or behind it."""
    before = CliRunner().invoke(root, ["--json", "version"])
    behind = CliRunner().invoke(root, ["version", "--json"])

    assert json.loads(before.stdout) == json.loads(behind.stdout)
    assert json.loads(before.stdout)["pillarbox"] == __version__


def test_wrong_configuration_is_78_with_all_problems(tmp_path: Path) -> None:
    """Each problem has its line, with path and hint."""
    file = tmp_path / "pillarbox.toml"
    file.write_text('host_name = "a b"\nlog.level = "loud"\n')

    result = CliRunner().invoke(root, ["check-config", "--config", str(file)])

    assert result.exit_code == EX_CONFIG
    assert result.stderr.splitlines()[0].startswith("pillarbox: host_name: ")
    assert result.stderr.splitlines()[1].startswith("pillarbox: log.level: ")


def test_missing_configuration_is_78(tmp_path: Path) -> None:
    """A file that was named but is not there is an error, not a default."""
    result = CliRunner().invoke(root, ["check-config", "--config", str(tmp_path / "no.toml")])

    assert result.exit_code == EX_CONFIG
    assert "no.toml" in result.stderr


def test_configuration_of_somebody_else_is_77(tmp_path: Path) -> None:
    """Who may not read it is not told to make another one."""
    file = tmp_path / "pillarbox.toml"
    file.touch(mode=0)
    command = ["check-config", "--config", str(file)]
    # What is imported on the way has to be there before we are somebody who may read nothing.
    CliRunner().invoke(root, [*command[:-1], str(tmp_path / "no.toml")])
    ourselves = os.geteuid()
    try:
        if ourselves == 0:
            os.seteuid(NOBODY)
        result = CliRunner().invoke(root, command)
    finally:
        os.seteuid(ourselves)

    assert result.exit_code == EX_NOPERM
    assert "as the user of the service or as root" in result.stderr
    assert "make run" not in result.stderr


def test_configuration_is_found_by_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PILLARBOX_CONFIG names the file."""
    monkeypatch.setenv("PILLARBOX_CONFIG", str(tmp_path / "elsewhere.toml"))

    result = CliRunner().invoke(root, ["check-config"])

    assert "elsewhere.toml" in result.stderr


def test_missing_certificate_is_said_by_check_config(tmp_path: Path) -> None:
    """A listener with TLS can not start without its certificate."""
    file = tmp_path / "pillarbox.toml"
    file.write_text('host_name = "mail.example.org"\n')

    result = CliRunner().invoke(root, ["check-config", "--config", str(file)])

    assert result.exit_code == EX_CONFIG
    assert "certificate.pem" in result.stderr


@pytest.mark.parametrize(("year", "code"), [(2020, EX_CONFIG), (2100, 0)])
def test_certificate_that_has_ended_is_said_by_check_config(
    tmp_path: Path, year: int, code: int
) -> None:
    """The service would start with it, and no client would send."""
    file = tmp_path / "pillarbox.toml"
    text = '[tls]\ncertificate = "certificate.pem"\nkey = "key.pem"\n'
    file.write_text(f'host_name = "mail.example.org"\n{text}')
    (tmp_path / "data").mkdir()
    issued = trustme.CA().issue_cert("mail.example.org", not_after=datetime(year, 1, 2, tzinfo=UTC))
    issued.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")

    result = CliRunner().invoke(root, ["check-config", "--config", str(file)])

    assert result.exit_code == code
    assert ("certificate.pem: this certificate ended at 2020-01-0" in result.stderr) is bool(code)


def test_without_the_server_extra_the_command_says_what_to_install() -> None:
    """The light library has no click; the program says how to get the service."""
    code = "import sys; sys.modules['click'] = None; from pillarbox.cli import main; main()"

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.returncode == EX_UNAVAILABLE
    assert result.stderr.count("\n") == 1
    assert 'pip install "pillarbox[server]"' in result.stderr


def test_start_up_is_light() -> None:
    """Help and version load neither the database nor the table printer."""
    code = (
        "import sys; from pillarbox.cli.root import root;"
        "root(['version'], standalone_mode=False);"
        "print(sorted({'sqlalchemy', 'rich', 'pydantic', 'cryptography'} & set(sys.modules)))"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.stdout.splitlines()[-1] == "[]"


def test_what_shows_the_queue_loads_nothing_that_delivers() -> None:
    """Who watches a queue calls it again and again."""
    code = (
        "import sys, pillarbox.cli.queue;"
        "heavy = ('httpx2', 'pillarbox.scheduler', 'pillarbox.delivery.factory');"
        "print([name for name in heavy if name in sys.modules])"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert result.stdout == "[]\n"


def test_whoever_has_read_enough_is_told_nothing() -> None:
    """`pillarbox … | head`: that the rest could not be written is nobody's fault."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "pillarbox", "version"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)

    assert (result.returncode, result.stderr) == (EX_IO_ERROR, b"")


def test_a_full_disk_is_told_in_one_line() -> None:
    """Also by the help, which is written before there is a command."""
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "pillarbox", "--help"],
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )

    assert result.returncode == EX_IO_ERROR
    assert result.stderr == b"pillarbox: No space left on device\n"
