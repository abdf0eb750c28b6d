"""store.passwords: made, hashed, found again."""

import re

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError
from hypothesis import given, settings
from hypothesis import strategies as st

from pillarbox.store.passwords import (
    hash_password,
    make_password,
    match_password,
    needs_rehash,
    verify_password,
)


def test_a_made_password_can_be_read_and_typed() -> None:
    """Four groups of five letters and digits, none of which looks like another."""
    passwords = {make_password() for _ in range(200)}

    assert len(passwords) == 200
    assert all(re.fullmatch(r"(?:[a-hjkmnp-z2-9]{5}-){3}[a-hjkmnp-z2-9]{5}", p) for p in passwords)


@settings(max_examples=15)
@given(st.text(max_size=40), st.text(max_size=40))
def test_only_the_password_itself_matches(password: str, other: str) -> None:
    """Any text is a password, also one that is no valid UTF-8."""
    encoded = hash_password(password)

    assert verify_password(encoded, password)
    assert verify_password(encoded, other) is (password == other)


def test_the_hash_is_one_that_others_can_check() -> None:
    """The encoded form is that of Argon2's reference (RFC 9106), variant id."""
    encoded = hash_password("open sesame")

    assert encoded.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert PasswordHasher().verify(encoded, "open sesame")


def test_a_hash_made_by_others_is_understood() -> None:
    """Also with other costs; it should be made anew."""
    encoded = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=2).hash("open sesame")

    assert verify_password(encoded, "open sesame")
    assert needs_rehash(encoded)
    assert not needs_rehash(hash_password("open sesame"))


def test_passwords_of_one_account_share_a_salt() -> None:
    """So one computation finds which of them it was; other accounts have other salts."""
    first = hash_password("one")
    second = hash_password("two", [first])
    third = hash_password("three", [first, second])

    assert len({encoded.split("$")[4] for encoded in (first, second, third)}) == 1
    assert hash_password("one") != first
    assert match_password([first, second, third], "two") == 1
    assert match_password([first, second, third], "four") is None


def test_different_salts_are_searched_too() -> None:
    """Hashes that were brought along from elsewhere."""
    hashes = [hash_password("one"), hash_password("two")]

    assert match_password(hashes, "one") == 0
    assert match_password(hashes, "two") == 1


def test_no_hashes_match_nothing() -> None:
    """An unknown user costs the same work and fails."""
    assert match_password([], "one") is None


@pytest.mark.parametrize("text", ["", "plain", "$argon2id$v=19$m=19456,t=2,p=1$!!$!!", "$1$x$y"])
def test_what_is_no_hash_is_an_error(text: str) -> None:
    """A damaged row lets nobody in."""
    with pytest.raises(InvalidHashError):
        verify_password(text, "one")
