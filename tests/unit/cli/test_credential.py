"""Credentials and the settings card by command (pillarbox.cli.credential, .settings)."""

import json
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Service

from pillarbox.publish.client_settings import PASSWORD_PLACEHOLDER
from pillarbox.publish.snippets import SNIPPET_NAMES
from pillarbox.store.admin.credentials import list_credentials
from pillarbox.store.directory_reading import read_login
from pillarbox.store.passwords import match_password
from pillarbox.store.seal import Seal

EX_USAGE = 64
EX_DATA = 65
EX_NO_SUCH = 67

ADD = ("credential", "add", "printer@example.org", "--label", "hall")


def test_password_is_shown_once_and_kept_as_a_hash(office: Service) -> None:
    """What `add` shows logs in; afterwards nothing shows it, and no file holds it."""
    password = office.json(*ADD)["password"]

    login = office.database.read_now(lambda c: read_login(c, "printer@example.org", Seal(None)))
    assert login is not None
    assert match_password([k.password_hash for k in login.credentials], password) == 0
    for arguments in (
        ("credential", "list"),
        ("credential", "show", "printer@example.org", "hall"),
        ("settings", "printer@example.org"),
    ):
        assert password not in office.do(*arguments)
        assert password not in office.do(*arguments, "--json")
    for file in office.config_file.parent.iterdir():
        assert password.encode() not in file.read_bytes()


def test_people_get_the_settings_with_the_password(office: Service) -> None:
    """Everything that has to be typed into the device stands together."""
    shown = office.do(*ADD)

    for fact in ("mail.example.org", "587", "465", "printer@example.org", "shown only now"):
        assert fact in shown


def test_expiry_day_counts_to_its_end(office: Service) -> None:
    """A credential that expires on a day still works on it; --never-expires takes that back."""
    added = office.json(*ADD, "--expires", "2099-12-31T12:00+00:00")
    assert added["expires_at"] == "2099-12-31T12:00:00.000Z"

    changed = office.json("credential", "change", "printer@example.org", "hall", "--never-expires")
    assert changed["expires_at"] is None


@pytest.mark.parametrize(
    ("expires", "code"), [("yesterday", EX_USAGE), ("2001-01-01", EX_DATA)], ids=["word", "past"]
)
def test_expiry_that_makes_no_sense_is_refused(office: Service, expires: str, code: int) -> None:
    """No credential comes of it."""
    result = office.run(*ADD, "--expires", expires)

    assert result.exit_code == code
    assert office.json("credential", "list") == []


def test_network_needs_no_password(office: Service) -> None:
    """A network credential has its range and says where it works."""
    shown = office.do(*ADD, "--network", "10.0.0.0/24")

    assert "network_login = true" in shown
    [credential] = office.json("credential", "list")
    assert (credential["kind"], credential["network"]) == ("network", "10.0.0.0/24")


def test_network_of_everybody_is_refused(office: Service) -> None:
    """Nobody opens a relay by a typing error."""
    result = office.run(*ADD, "--network", "0.0.0.0/0")

    assert result.exit_code == EX_DATA


def test_label_is_used_once(office: Service) -> None:
    """Two passwords of one account have two labels."""
    office.do(*ADD)

    result = office.run(*ADD)

    assert result.exit_code == EX_DATA
    assert "hall" in result.stderr


def test_removed_credential_is_gone(office: Service) -> None:
    """By its label; another label names the one that was meant."""
    office.do(*ADD)

    missing = office.run("credential", "remove", "printer@example.org", "halll")
    office.do("credential", "remove", "printer@example.org", "hall")

    assert missing.exit_code == EX_NO_SUCH
    assert "did you mean hall?" in missing.stderr
    assert office.database.read_now(list_credentials) == []


def test_settings_card_comes_back_without_the_password(office: Service) -> None:
    """The card for somebody who has the password already."""
    card = office.do("settings", "printer@example.org")

    assert "mail.example.org" in card
    assert PASSWORD_PLACEHOLDER in card


def test_settings_for_programs_hold_every_example(office: Service) -> None:
    """JSON with server, ports and snippets by name; --for chooses one."""
    everything = office.json("settings", "printer@example.org")
    one = office.json("settings", "printer@example.org", "--for", "curl")
    document = office.json("settings", "printer@example.org", "--for", "autoconfig")

    assert everything["ports"] == [
        {"port": 587, "encryption": "starttls"},
        {"port": 465, "encryption": "tls"},
    ]
    assert tuple(everything["snippets"]) == SNIPPET_NAMES
    assert list(one["snippets"]) == ["curl"]
    assert "<clientConfig" in document["snippets"]["autoconfig"]


def test_settings_without_a_door_name_the_fix(office: Service, tmp_path: Path) -> None:
    """A service that only takes mail from networks has no login to show."""
    text = office.config_file.read_text()
    listener = '\n[[listeners]]\nport = 25\ntls = "none"\nnetwork_login = true\n'
    (tmp_path / "pillarbox.toml").write_text(text + listener)

    result = office.run("settings", "printer@example.org")

    assert result.exit_code == 78
    assert "[[listeners]]" in result.stderr


def test_ids_are_text_in_json(office: Service) -> None:
    """64-bit numbers do not survive JavaScript."""
    shown = json.loads(office.do(*ADD, "--json"))

    assert isinstance(shown["id"], str)
    assert len(shown["id"]) == 13


def test_label_and_end_can_be_changed(office: Service) -> None:
    """The password stays what it is."""
    password = office.json(*ADD)["password"]

    changed = office.json(
        *("credential", "change", "printer@example.org", "hall", "--label", "hall, 2nd floor"),
        *("--expires", "2099-12-31T12:00+00:00"),
    )

    assert changed["label"] == "hall, 2nd floor"
    assert changed["expires_at"] == "2099-12-31T12:00:00.000Z"
    login = office.database.read_now(lambda c: read_login(c, "printer@example.org", Seal(None)))
    assert login is not None
    assert match_password([k.password_hash for k in login.credentials], password) == 0


def test_network_can_be_changed(office: Service) -> None:
    """Of a credential that is one, to one that is not too wide."""
    office.do(*ADD, "--network", "10.0.0.0/24")
    change = ("credential", "change", "printer@example.org", "hall", "--network")

    assert office.json(*change, "10.0.1.0/24")["network"] == "10.0.1.0/24"
    assert office.run(*change, "0.0.0.0/0").exit_code == EX_DATA
    assert office.run(*change[:4], "--oauth-subject", "x").exit_code == EX_DATA


def test_change_that_can_not_be_is_refused(office: Service) -> None:
    """A label that is taken, a password as a network, and nothing at all."""
    office.do(*ADD)
    office.do("credential", "add", "printer@example.org", "--label", "lab")
    change = ("credential", "change", "printer@example.org", "hall")

    assert office.run(*change, "--label", "lab").exit_code == EX_DATA
    assert office.run(*change, "--label", " ").exit_code == EX_DATA
    assert office.run(*change, "--network", "10.0.0.1").exit_code == EX_DATA
    assert office.run(*change).exit_code == EX_USAGE
    assert sorted(c["label"] for c in office.json("credential", "list")) == ["hall", "lab"]
