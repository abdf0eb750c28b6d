"""store.seal: secrets that can be opened only here."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.errors import SecretError
from pillarbox.store.seal import Seal, new_master_key

KEY = new_master_key()


@given(st.binary(max_size=200), st.text(max_size=50))
def test_a_secret_comes_back(secret: bytes, context: str) -> None:
    """Sealed and opened is what it was, and the sealed form does not show it."""
    sealed = Seal(KEY).seal(secret, context)

    assert Seal(KEY).open(sealed, context) == secret
    assert len(secret) < 4 or secret not in sealed


@given(st.binary(max_size=100))
def test_anything_else_is_an_error_of_ours(sealed: bytes) -> None:
    """Damaged or foreign octets never raise anything but SecretError."""
    with pytest.raises(SecretError):
        Seal(KEY).open(sealed, "route")


def test_another_key_does_not_open_it() -> None:
    """A copy of the database alone is worth nothing."""
    with pytest.raises(SecretError, match="master key"):
        Seal(new_master_key()).open(Seal(KEY).seal(b"secret", "route 1"), "route 1")


def test_a_secret_belongs_to_its_place() -> None:
    """A sealed value that is copied to another row stays closed."""
    with pytest.raises(SecretError):
        Seal(KEY).open(Seal(KEY).seal(b"secret", "route 1"), "route 2")


def test_the_same_secret_never_looks_the_same() -> None:
    """Nobody sees that two routes have one password."""
    assert Seal(KEY).seal(b"secret", "route") != Seal(KEY).seal(b"secret", "route")


def test_a_short_master_key_is_refused() -> None:
    """It could be guessed."""
    with pytest.raises(SecretError, match="shorter"):
        Seal(b"too short")


def test_without_a_master_key_nothing_is_sealed() -> None:
    """The error names the setting."""
    with pytest.raises(SecretError, match="master_key_file"):
        Seal(None).seal(b"secret", "route")
