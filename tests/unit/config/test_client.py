"""The configuration says which server and ports a client has to enter."""

from pathlib import Path

from pillarbox.config import load
from pillarbox.config.client import client_settings
from pillarbox.publish.client_settings import Door, Encryption


def _load(folder: Path, text: str) -> Path:
    file = folder / "pillarbox.toml"
    file.write_text(f'data_directory = "."\nhost_name = "mail.example.org"\n{text}')
    return file


def test_the_host_name_is_the_server(tmp_path: Path) -> None:
    """With the usual listeners clients use 465 and 587 of the host name."""
    card = client_settings(load(_load(tmp_path, ""), {}), "app@example.org", password="secret")

    assert card.server == "mail.example.org"
    assert card.doors == (Door(587, Encryption.STARTTLS), Door(465, Encryption.TLS))
    assert (card.username, card.password, card.ca_file) == ("app@example.org", "secret", "")


def test_on_the_loopback_the_address_is_the_server(tmp_path: Path) -> None:
    """A service for this machine alone is not reached under the host name. Doors where nobody can
    log in are not shown."""
    text = (
        '[[listeners]]\naddress = "127.0.0.1"\nport = 1587\n'
        '[[listeners]]\naddress = "127.0.0.1"\nport = 25\ntls = "none"\nnetwork_login = true\n'
    )

    card = client_settings(load(_load(tmp_path, text), {}), "app@example.org")

    assert card.server == "127.0.0.1"
    assert card.doors == (Door(1587, Encryption.STARTTLS),)


def test_our_own_authority_is_named(tmp_path: Path) -> None:
    """Clients have to trust it; with another certificate they need not."""
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls" / "ca.pem").touch()
    other = '[tls]\ncertificate = "/etc/other.pem"\nkey = "/etc/other.key"\n'

    ours = client_settings(load(_load(tmp_path, ""), {}), "a@example.org")
    theirs = client_settings(load(_load(tmp_path, other), {}), "a@example.org")

    assert ours.ca_file == str(tmp_path / "tls" / "ca.pem")
    assert theirs.ca_file == ""


def test_a_port_for_what_comes_back_is_not_shown(tmp_path: Path) -> None:
    """Nobody can send there."""
    text = '[[listeners]]\nport = 587\n[[listeners]]\nport = 25\npurpose = "returns"\n'

    card = client_settings(load(_load(tmp_path, text), {}), "app@example.org")

    assert card.doors == (Door(587, Encryption.STARTTLS),)
