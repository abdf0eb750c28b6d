"""Secrets that Pillarbox itself has to use (the password of a smart host), sealed at rest with a
key that is not in the database. AES-256-GCM; the key is derived from a master key.

    1 octet version | 4 octets id of the master key | 12 octets nonce | ciphertext and tag

The context ("route 0ABC…: password") is bound to the secret, so a sealed value that is copied to
another row can not be opened there. Version 1 had no id; every key is tried there.
"""

import secrets
import time
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pillarbox.errors import PillarboxError, SecretError

MASTER_KEY_OCTETS = 16
"""The least that a master key must have; `new_master_key` makes 32."""

REREAD_SECONDS = 1.0
"""The source of the keys is read at most so often because of a value that can not be opened."""

_VERSION = 2
_WITHOUT_ID = 1
_ID_OCTETS = 4
_NONCE_OCTETS = 12
_TAG_OCTETS = 16
_PURPOSE = b"pillarbox: sealed secrets, version 1"
_NAMING = b"pillarbox: the id of a master key, version 1"


def new_master_key() -> bytes:
    """A new master key."""
    return secrets.token_bytes(32)


def key_id(master_key: bytes) -> bytes:
    """What names a key in sealed values; it tells nothing about the key."""
    return HKDF(SHA256(), _ID_OCTETS, salt=None, info=_NAMING).derive(master_key)


def sealed_by(sealed: bytes) -> bytes | None:
    """The id of the key that a value was sealed with; None where it does not say."""
    return sealed[1 : 1 + _ID_OCTETS] if sealed[:1] == bytes((_VERSION,)) else None


class Seal:
    """Seals with the first of some master keys, and opens with any of them. Without a key it
    refuses both.

    `reread` gives the keys as they are now: before something is sealed, and when a value says that
    it was sealed with a key that is not known, as after `pillarbox key rotate`.
    """

    def __init__(
        self,
        master_keys: bytes | Sequence[bytes] | None,
        reread: Callable[[], Sequence[bytes]] | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reread = reread
        self._monotonic = monotonic
        self._read_at = -REREAD_SECONDS
        # By the id of the key; the first one seals. Changed as a whole: threads share it.
        self._ciphers: dict[bytes, AESGCM] = {}
        self._take([master_keys] if isinstance(master_keys, bytes) else master_keys or ())

    def _take(self, master_keys: Sequence[bytes]) -> None:
        for master_key in master_keys:
            if len(master_key) < MASTER_KEY_OCTETS:
                raise SecretError(f"the master key is shorter than {MASTER_KEY_OCTETS} octets")
        self._ciphers = {key_id(each): _cipher(each) for each in master_keys}

    def _look_again(self) -> None:
        """Take up changed keys; where they can not be read now, go on with those at hand."""
        self._read_at = self._monotonic()
        if self._reread is not None:
            try:
                found = self._reread()
            except (OSError, PillarboxError):
                return
            if found:
                self._take(found)

    def seal(self, secret: bytes, context: str) -> bytes:
        """Seal a secret for one place. Raises SecretError without a master key."""
        self._look_again()
        found = next(iter(self._ciphers.items()), None)
        if found is None:
            raise _no_key()
        name, cipher = found
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        head = bytes((_VERSION,)) + name
        return head + nonce + cipher.encrypt(nonce, secret, head + context.encode())

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open what was sealed for this place. Raises SecretError."""
        found = self._open(sealed, context)
        if found is None and self._monotonic() - self._read_at >= REREAD_SECONDS:
            self._look_again()
            found = self._open(sealed, context)
        if found is not None:
            return found
        if not self._ciphers:
            raise _no_key()
        raise SecretError(
            f"the secret of {context} can not be opened: it was sealed with another master key, or"
            " for something else (set it again, or restore the master key)"
        )

    def _open(self, sealed: bytes, context: str) -> bytes | None:
        version = sealed[0] if sealed else 0
        head = 1 if version == _WITHOUT_ID else 1 + _ID_OCTETS
        is_known = version in (_WITHOUT_ID, _VERSION)
        if not is_known or len(sealed) < head + _NONCE_OCTETS + _TAG_OCTETS:
            raise SecretError(f"the secret of {context} was sealed in a way that is not known here")
        nonce, rest = sealed[head : head + _NONCE_OCTETS], sealed[head + _NONCE_OCTETS :]
        ciphers = self._ciphers
        if version == _VERSION:
            ciphers = {name: ciphers[name] for name in [sealed[1:head]] if name in ciphers}
        for cipher in ciphers.values():
            try:
                return cipher.decrypt(nonce, rest, sealed[:head] + context.encode())
            except InvalidTag:
                continue
        return None


def _cipher(master_key: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(master_key))


def _no_key() -> SecretError:
    return SecretError("there is no master key (set master_key or master_key_file)")
