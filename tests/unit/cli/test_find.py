"""`pillarbox find`, without the service and without a network (pillarbox.cli.find)."""

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pillarbox.cli.root import root
from pillarbox.publish.snippets import SNIPPET_NAMES

EX_DATA, EX_NO_SUCH, EX_UNAVAILABLE = 65, 67, 69

BARE = """
import importlib.abc, sys

class Bare(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in {there}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Bare())
sys.argv[1:] = {arguments}
from pillarbox.cli import main
main()
"""
"""The program where only some packages are installed."""

LIBRARY = {"pillarbox", "dns", "h11", "idna", "publicsuffixlist"}
CLIENT = LIBRARY | {"click"}


def find(*arguments: str) -> Result:
    """Run the command; nobody is asked."""
    return CliRunner().invoke(root, ["find", *arguments, "--offline"])


def bare(there: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program where only these packages are."""
    code = BARE.format(there=there, arguments=list(arguments))
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def test_card_of_microsoft_365_says_what_guides_get_wrong() -> None:
    """Port 587 alone, no AUTH PLAIN, and the date that ends passwords."""
    result = find("app@corp.onmicrosoft.com")

    assert result.exit_code == 0
    assert "smtp.office365.com" in result.stdout
    for fact in ("587", "no port 465", "AUTH PLAIN is not offered", "December 2026"):
        assert fact in " ".join(result.stdout.split())
    assert max(map(len, result.stdout.splitlines())) <= 100


def test_json_has_its_version_and_all_that_the_card_says() -> None:
    """Programs can rely on the names."""
    found: dict[str, Any] = json.loads(find("ann@web.de", "--json").stdout)

    assert found["version"] == 1
    assert found["found"] is True
    assert found["settings"]["server"] == "smtp.web.de"
    assert found["settings"]["username"] == "ann"
    assert [port["port"] for port in found["settings"]["ports"]] == [465, 587]
    assert found["settings"]["verified"] is False
    assert set(found["snippets"]) == set(SNIPPET_NAMES)


@pytest.mark.parametrize("name", SNIPPET_NAMES)
def test_example_alone_can_be_printed(name: str) -> None:
    """For each client: the server and the user name stand in it, and nothing around it."""
    text = find("ann@mailbox.org", "--for", name).stdout

    assert "smtp.mailbox.org" in text
    assert "ann@mailbox.org" in text
    assert "How sure" not in text


def test_example_uses_the_mechanism_that_is_known() -> None:
    """Microsoft 365 has no PLAIN, also where it can not be looked at."""
    assert "--auth LOGIN" in find("a@corp.onmicrosoft.com", "--for", "swaks").stdout


def test_no_example_where_passwords_are_not_taken() -> None:
    """Outlook.com takes OAuth2 alone: an example with a password would only mislead."""
    result = find("ann@outlook.com", "--for", "python")

    assert result.exit_code == EX_UNAVAILABLE
    assert "only OAuth2" in result.stderr
    assert "smtplib" not in result.stdout


def test_nothing_found_is_67() -> None:
    """Scripts can tell; people are told what was asked and whom to ask."""
    result = find("ann@corp.example")

    assert result.exit_code == EX_NO_SUCH
    assert "No server for sending was found" in result.stdout


def test_what_is_no_address_is_65() -> None:
    """One line says so."""
    result = find("ann at corp")

    assert result.exit_code == EX_DATA
    assert "neither an address nor a domain" in result.stderr

    result = find("ann b@corp.example")

    assert result.exit_code == EX_DATA
    assert "'ann b@corp.example' is no address: " in result.stderr


def test_extra_client_is_enough() -> None:
    """`pip install "pillarbox[client]"` has click and nothing of the service."""
    done = bare(CLIENT, "find", "ann@gmail.com", "--offline")

    assert done.returncode == 0, done.stderr
    assert "smtp.gmail.com" in done.stdout


@pytest.mark.parametrize("command", ["account list", "check-config", "serve"])
def test_command_of_the_service_names_the_extra_that_it_needs(command: str) -> None:
    """One line instead of a traceback."""
    done = bare(CLIENT, *command.split())

    assert done.returncode == EX_UNAVAILABLE
    assert done.stderr.count("\n") == 1
    assert 'pip install "pillarbox[server]"' in done.stderr


def test_library_alone_names_both_extras() -> None:
    """Without click there is no command line at all."""
    done = bare(LIBRARY, "find", "ann@gmail.com")

    assert done.returncode == EX_UNAVAILABLE
    assert "pillarbox[client]" in done.stderr
    assert "pillarbox[server]" in done.stderr
