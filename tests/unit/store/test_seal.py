"""store.seal: secrets that can be opened only here."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.errors import SecretError
from pillarbox.store.seal import REREAD_SECONDS, Seal, key_id, new_master_key, sealed_by

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


def test_what_older_versions_sealed_is_opened() -> None:
    """It does not say with which key: every one is tried."""
    purpose = b"pillarbox: sealed secrets, version 1"
    derived = HKDF(SHA256(), 32, salt=None, info=purpose).derive(KEY)
    old = b"\x01" + bytes(12) + AESGCM(derived).encrypt(bytes(12), b"secret", b"\x01route 1")

    assert Seal([new_master_key(), KEY]).open(old, "route 1") == b"secret"
    assert sealed_by(old) is None


def test_the_first_key_seals_and_all_open() -> None:
    """The value names its key."""
    new = new_master_key()
    before, after = Seal(KEY).seal(b"secret", "x"), Seal([new, KEY]).seal(b"secret", "x")

    assert (sealed_by(before), sealed_by(after)) == (key_id(KEY), key_id(new))
    assert {Seal([new, KEY]).open(sealed, "x") for sealed in (before, after)} == {b"secret"}


def test_a_changed_key_is_noticed() -> None:
    """When something was sealed with it, and before something is sealed."""
    new = new_master_key()
    source = [KEY]
    seal = Seal([KEY], lambda: source, monotonic=lambda: 0.0)
    source.insert(0, new)

    assert seal.open(Seal(new).seal(b"secret", "x"), "x") == b"secret"
    source.pop()
    assert sealed_by(seal.seal(b"other", "x")) == key_id(new)


def test_a_value_that_nobody_opens_does_not_make_the_source_be_read_each_time() -> None:
    """Once a second at most; a source that is away is no other error."""
    reads = []
    now = [0.0]

    def away() -> list[bytes]:
        reads.append(now[0])
        raise FileNotFoundError

    seal = Seal([KEY], away, monotonic=lambda: now[0])
    foreign = Seal(new_master_key()).seal(b"secret", "x")

    for now[0] in (0.0, 0.1, 0.5, REREAD_SECONDS):
        with pytest.raises(SecretError, match="another master key"):
            seal.open(foreign, "x")

    assert reads == [0.0, REREAD_SECONDS]
