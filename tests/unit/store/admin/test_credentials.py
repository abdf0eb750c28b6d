"""store.admin.credentials: passwords and networks of accounts."""

from functools import partial

import pytest
from sqlalchemy import select
from tests.support.storing import now_ms

from pillarbox.errors import DirectoryError
from pillarbox.store.admin.accounts import add_account
from pillarbox.store.admin.credentials import (
    add_network,
    add_password,
    list_credentials,
    remove_credential,
    set_expiry,
)
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.passwords import verify_password
from pillarbox.store.records import CredentialKind
from pillarbox.store.schema_directory import credential

NOW = now_ms()
ADDRESS = "printer@acme.example"


@pytest.fixture
def filled(database: Database) -> Database:
    """One account."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    database.write_now(lambda c: add_domain(c, "acme", "acme.example", now=NOW))
    database.write_now(lambda c: add_account(c, ADDRESS, now=NOW))
    return database


def test_a_password_is_shown_once(filled: Database) -> None:
    """The store has its hash and nothing else."""
    made = filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))

    row = filled.read_now(lambda c: c.execute(select(credential)).one())

    assert made.password not in repr(made)
    assert made.password not in repr(row)
    assert verify_password(row.password_hash, made.password)


def test_passwords_of_an_account_are_checked_by_one_hash(filled: Database) -> None:
    """All get the salt of the first."""
    for label in ("hall", "office", "lab"):
        filled.write_now(partial(add_password, address=ADDRESS, label=label, now=NOW))

    hashes = filled.read_now(lambda c: c.scalars(select(credential.c.password_hash)).all())

    assert len({encoded.split("$")[4] for encoded in hashes}) == 1


def test_credentials_are_listed_with_all_that_is_known(filled: Database) -> None:
    """Kind, label, network, end, last use."""
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW, expires_at=NOW + 9))
    filled.write_now(lambda c: add_network(c, ADDRESS, "lab", network="192.0.2.0/24", now=NOW))

    hall, lab = filled.read_now(lambda c: list_credentials(c, ADDRESS))

    assert (hall.kind, hall.label, hall.network) == (CredentialKind.PASSWORD, "hall", "")
    assert (hall.expires_at, hall.last_used_at) == (NOW + 9, None)
    assert (lab.kind, lab.network, lab.expires_at) == (CredentialKind.NETWORK, "192.0.2.0/24", None)


def test_a_label_is_used_once_for_an_account(filled: Database) -> None:
    """It is the name by which a credential is removed."""
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))

    with pytest.raises(DirectoryError, match="already"):
        filled.write_now(lambda c: add_network(c, ADDRESS, "hall", network="192.0.2.1", now=NOW))


@pytest.mark.parametrize("label", ["", "  ", "a\nb", "x" * 65])
def test_a_label_says_what_it_is(filled: Database, label: str) -> None:
    """One printable line."""
    with pytest.raises(DirectoryError, match="no label"):
        filled.write_now(lambda c: add_password(c, ADDRESS, label, now=NOW))


@pytest.mark.parametrize(
    ("network", "hint"),
    [
        ("192.0.2.7/24", "host bits"),
        ("printer", "write an address"),
        ("0.0.0.0/0", "too wide"),
        ("::/0", "too wide"),
        ("10.0.0.0/7", "host bits|too wide"),
    ],
)
def test_networks_are_checked(filled: Database, network: str, hint: str) -> None:
    """A slip of the keyboard must not open the relay to the world."""
    with pytest.raises(DirectoryError, match=hint):
        filled.write_now(lambda c: add_network(c, ADDRESS, "lab", network=network, now=NOW))


def test_an_end_in_the_past_is_a_slip(filled: Database) -> None:
    """Nobody makes a credential that has ended."""
    with pytest.raises(DirectoryError, match="later moment"):
        filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW, expires_at=NOW))


def test_the_end_can_be_moved(filled: Database) -> None:
    """Also away."""
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW, expires_at=NOW + 9))

    filled.write_now(lambda c: set_expiry(c, ADDRESS, "hall", expires_at=None))

    (hall,) = filled.read_now(list_credentials)
    assert hall.expires_at is None


def test_a_credential_is_removed_by_its_label(filled: Database) -> None:
    """Once."""
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))

    filled.write_now(lambda c: remove_credential(c, ADDRESS, "hall"))

    assert filled.read_now(list_credentials) == []
    with pytest.raises(DirectoryError, match="credential list"):
        filled.write_now(lambda c: remove_credential(c, ADDRESS, "hall"))
