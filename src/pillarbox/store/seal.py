"""Secrets that Pillarbox itself has to use (the password of a smart host), sealed at rest with a
key that is not in the database. AES-256-GCM; the key is derived from the master key.

    1 octet version | 12 octets nonce | ciphertext and tag

The context ("route 0ABC…: password") is bound to the secret, so a sealed value that is copied to
another row can not be opened there.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from pillarbox.errors import SecretError

MASTER_KEY_OCTETS = 16
"""The least that a master key must have; `new_master_key` makes 32."""

_VERSION = 1
_NONCE_OCTETS = 12
_TAG_OCTETS = 16
_PURPOSE = b"pillarbox: sealed secrets, version 1"


def new_master_key() -> bytes:
    """A new master key."""
    return secrets.token_bytes(32)


class Seal:
    """Seals and opens with one master key. `Seal(None)` refuses both: there is no key."""

    def __init__(self, master_key: bytes | None) -> None:
        self._cipher: AESGCM | None = None
        if master_key is None:
            return
        if len(master_key) < MASTER_KEY_OCTETS:
            raise SecretError(f"the master key is shorter than {MASTER_KEY_OCTETS} octets")
        derived = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(master_key)
        self._cipher = AESGCM(derived)

    def seal(self, secret: bytes, context: str) -> bytes:
        """Seal a secret for one place. Raises SecretError without a master key."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        sealed = self._key().encrypt(nonce, secret, _bound(context))
        return bytes((_VERSION,)) + nonce + sealed

    def open(self, sealed: bytes, context: str) -> bytes:
        """Open what was sealed for this place. Raises SecretError."""
        if len(sealed) < 1 + _NONCE_OCTETS + _TAG_OCTETS or sealed[0] != _VERSION:
            raise SecretError(f"the secret of {context} was sealed in a way that is not known here")
        nonce, rest = sealed[1 : 1 + _NONCE_OCTETS], sealed[1 + _NONCE_OCTETS :]
        try:
            return self._key().decrypt(nonce, rest, _bound(context))
        except InvalidTag:
            raise SecretError(
                f"the secret of {context} can not be opened: it was sealed with another master "
                "key, or for something else (set it again, or restore the master key)"
            ) from None

    def _key(self) -> AESGCM:
        if self._cipher is None:
            raise SecretError("there is no master key (set master_key or master_key_file)")
        return self._cipher


def _bound(context: str) -> bytes:
    return bytes((_VERSION,)) + context.encode()
