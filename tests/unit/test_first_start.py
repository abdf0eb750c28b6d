"""The first start makes a data folder; every later one keeps what is there."""

import os
import shlex
import stat
import sys
from pathlib import Path

import pytest

from pillarbox.config import load
from pillarbox.errors import DirectoryError
from pillarbox.first_start import CONFIG_NAME, FIRST_ACCOUNT, main, prepare
from pillarbox.net.tls import server_context
from pillarbox.route import TlsMode
from pillarbox.store.admin.accounts import list_accounts
from pillarbox.store.admin.credentials import list_credentials
from pillarbox.store.admin.tenants import add_domain, add_tenant, list_tenants
from pillarbox.store.database import Database

NOW = 1_700_000_000_000


def _prepare(folder: Path, address: str = FIRST_ACCOUNT) -> str:
    return prepare(folder, address=address, now=NOW)


def _open(folder: Path) -> Database:
    return Database.open(load(folder / CONFIG_NAME, {}).database_url, reserve_octets=0)


def _contents(folder: Path) -> dict[str, bytes]:
    """All files but those of the database, which changes by being opened."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files if "sqlite" not in path.name}


def test_a_first_start_makes_everything(tmp_path: Path) -> None:
    """Configuration, certificate, tenant, domain and account; the card shows the password."""
    folder = tmp_path / "deep" / "data"

    card = _prepare(folder, "me@my.example")

    settings = load(folder / CONFIG_NAME, {})
    assert [(door.address, door.port, door.tls) for door in settings.listeners] == [
        ("127.0.0.1", 1587, TlsMode.STARTTLS),
        ("127.0.0.1", 1465, TlsMode.TLS),
    ]
    assert [len(key) for key in settings.master_key] == [32]
    server_context(settings.tls.certificate, settings.tls.key)
    database = _open(folder)
    assert [tenant.name for tenant in database.read_now(list_tenants)] == ["default"]
    assert [account.address for account in database.read_now(list_accounts)] == ["me@my.example"]
    database.close_now()
    assert "me@my.example" in card
    assert "shown once" not in card
    assert "--- Python" in card


def test_nobody_else_can_read_the_data(tmp_path: Path) -> None:
    """The folder is its owner's, keys most of all."""
    _prepare(tmp_path / "data")

    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    for name in ("master.key", "tls/key.pem", "tls/ca.key"):
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600


def test_a_second_start_keeps_everything(tmp_path: Path) -> None:
    """No file changes, no password is made, and the card does not know the one that was."""
    _prepare(tmp_path)
    before = _contents(tmp_path)

    card = _prepare(tmp_path)

    assert _contents(tmp_path) == before
    database = _open(tmp_path)
    assert len(database.read_now(list_credentials)) == 1
    database.close_now()
    assert "shown once" in card
    assert "pillarbox credential add" in card


def test_a_command_to_paste_means_the_account(tmp_path: Path) -> None:
    """Whatever stands in its address."""
    _prepare(tmp_path, "o'brien&co@my.example")

    card = _prepare(tmp_path, "o'brien&co@my.example")

    words = shlex.split(card.rpartition("Snippets: ")[2])
    assert words == ["pillarbox", "settings", "o'brien&co@my.example"]


def test_what_was_changed_by_hand_stays(tmp_path: Path) -> None:
    """The configuration is the user's after the first start."""
    _prepare(tmp_path)
    config = tmp_path / CONFIG_NAME
    config.write_text(config.read_text().replace("1587", "2587"))

    card = _prepare(tmp_path)

    assert "2587" in card


def test_what_is_missing_is_made_again(tmp_path: Path) -> None:
    """A certificate that was deleted comes from the same authority, which clients trust."""
    _prepare(tmp_path)
    ca = (tmp_path / "tls" / "ca.pem").read_bytes()
    (tmp_path / "tls" / "certificate.pem").unlink()

    _prepare(tmp_path)

    assert (tmp_path / "tls" / "certificate.pem").exists()
    assert (tmp_path / "tls" / "ca.pem").read_bytes() == ca


def test_tenants_without_an_account_are_left_alone(tmp_path: Path) -> None:
    """Who set up tenants of his own does not get one of ours."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / CONFIG_NAME).write_text('data_directory = "."\n')
    database = _open(folder)
    database.migrate()
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    database.write_now(lambda c: add_domain(c, "acme", "acme.example", now=NOW))
    database.close_now()

    assert _prepare(folder) == ""


def test_an_account_that_is_no_address_is_refused(tmp_path: Path) -> None:
    """The error names it; nothing is half made, a better one works."""
    with pytest.raises(DirectoryError, match="no mail address"):
        _prepare(tmp_path, "nobody")

    assert "me@my.example" in _prepare(tmp_path, "me@my.example")


def test_a_file_that_is_no_database_is_told_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the code of the commands and of the service, and nothing is written over it."""
    _prepare(tmp_path)
    letter = "no database, but a letter\n" * 500
    (tmp_path / "pillarbox.sqlite3").write_text(letter)
    monkeypatch.setattr(sys, "argv", ["first_start", str(tmp_path)])

    assert main() == os.EX_IOERR

    assert capsys.readouterr().err.startswith("pillarbox: the database can not be used: ")
    assert (tmp_path / "pillarbox.sqlite3").read_text() == letter
