"""store.scram: verifiers, their salts, and where they are kept."""

from functools import partial

import pytest
from sqlalchemy import select
from tests.support.storing import now_ms

from pillarbox.errors import DirectoryError
from pillarbox.store.admin.accounts import add_account, disable_account
from pillarbox.store.admin.credentials import add_password, list_credentials
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database
from pillarbox.store.directory import Directory
from pillarbox.store.schema_directory import credential
from pillarbox.store.scram import (
    CURRENT,
    ITERATIONS,
    UnfitPassword,
    ensure_scram_key,
    false_verifier,
    make_verifier,
    read_verifier,
    salt_for,
)
from pillarbox.store.seal import Seal

NOW = now_ms()
ADDRESS = "Printer@acme.example"
KEY = "printer@acme.example"


@pytest.fixture
def filled(database: Database) -> Database:
    """One account."""
    database.write_now(lambda c: add_tenant(c, "acme", now=NOW))
    database.write_now(lambda c: add_domain(c, "acme", "acme.example", now=NOW))
    database.write_now(lambda c: add_account(c, ADDRESS, now=NOW))
    return database


def test_a_verifier_is_read_as_it_was_made() -> None:
    """Neither shows keys nor password."""
    text = make_verifier("pässword", b"s" * 16)

    verifier = read_verifier(text)

    assert (verifier.salt, verifier.iterations) == (b"s" * 16, ITERATIONS)
    assert len(verifier.stored_key) == len(verifier.server_key) == 32
    assert text.startswith(CURRENT)
    assert "stored_key" not in repr(verifier)
    assert make_verifier("pässword", b"s" * 16) == text
    assert make_verifier("password", b"s" * 16) != text


@pytest.mark.parametrize("password", ["\u0221", "bell\x07", "\ud800"])
def test_some_passwords_are_unfit(password: str) -> None:
    """Those that SASLprep (RFC 4013) does not know."""
    with pytest.raises(UnfitPassword):
        make_verifier(password, b"s" * 16)


def test_the_salt_of_nobody_looks_like_any_other() -> None:
    """It follows from the name; what proves it is by chance."""
    one, again = (
        false_verifier(b"k", "nobody@acme.example"),
        false_verifier(b"k", "nobody@acme.example"),
    )

    assert one.salt == again.salt == salt_for(b"k", "nobody@acme.example")
    assert one.salt != false_verifier(b"other", "nobody@acme.example").salt
    assert one.stored_key != again.stored_key


def test_the_key_stays_the_same(filled: Database) -> None:
    """Whoever asks first makes it."""
    key = filled.write_now(ensure_scram_key)

    assert len(key) == 32
    assert filled.write_now(ensure_scram_key) == key


async def test_a_password_can_be_made_with_its_verifier(filled: Database) -> None:
    """All passwords of an account share the salt that nobody of this name would have got."""
    directory = Directory(filled, Seal(None))
    for label in ("hall", "lab"):
        filled.write_now(
            partial(add_password, address=ADDRESS, label=label, now=NOW, with_scram=True)
        )

    login = await directory.login(ADDRESS)

    assert login is not None
    salt = salt_for(filled.write_now(ensure_scram_key), KEY)
    assert [read_verifier(one.scram_verifier).salt for one in login.credentials] == [salt, salt]
    assert login.credentials[0].scram_verifier not in repr(login)
    assert not await directory.lacks_verifiers(NOW)
    assert all(one.has_verifier for one in filled.read_now(list_credentials))


def test_a_password_that_is_unfit_is_not_taken_with_a_verifier(filled: Database) -> None:
    """Else SCRAM could never be offered."""
    chosen = "twelve or more \u0221"

    with pytest.raises(DirectoryError, match="scram_sha_256"):
        filled.write_now(
            lambda c: add_password(c, ADDRESS, "hall", now=NOW, chosen=chosen, with_scram=True)
        )


async def test_passwords_without_a_verifier_are_found(filled: Database) -> None:
    """Those that can be used for a login now."""
    directory = Directory(filled, Seal(None))
    assert not await directory.lacks_verifiers(NOW)
    made = filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW, expires_at=NOW + 9))
    assert await directory.lacks_verifiers(NOW)
    assert not await directory.lacks_verifiers(NOW + 9)
    login = await directory.login(ADDRESS)
    assert login is not None

    old = make_verifier(made.password, b"s" * 16).replace(str(ITERATIONS), "4096")
    await directory.keep_verifier(login.account, made.credential_id, old)
    assert await directory.lacks_verifiers(NOW)
    new = make_verifier(made.password, b"s" * 16)
    await directory.keep_verifier(login.account, made.credential_id, new)

    assert not await directory.lacks_verifiers(NOW)
    renewed = await directory.login(ADDRESS)
    assert renewed is not None
    assert renewed.credentials[0].scram_verifier == new
    assert filled.read_now(lambda c: c.scalar(select(credential.c.scram_verifier))) == new


async def test_who_is_switched_off_does_not_count(filled: Database) -> None:
    """Nobody could make the verifier."""
    directory = Directory(filled, Seal(None))
    filled.write_now(lambda c: add_password(c, ADDRESS, "hall", now=NOW))

    filled.write_now(lambda c: disable_account(c, ADDRESS, disabled_at=NOW))

    assert not await directory.lacks_verifiers(NOW)
