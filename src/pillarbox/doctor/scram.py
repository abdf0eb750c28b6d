"""The client's part of SCRAM (RFC 5802, RFC 7677), without channel binding."""

import hashlib
import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from pillarbox.errors import RemoteProtocolError

MAX_ROUNDS = 1_000_000
"""A server may not keep us computing: about half a second."""

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}


@dataclass
class ScramClient:
    """One exchange. `nonce` is random printable ASCII without commas."""

    mechanism: str
    username: str
    password: str = field(repr=False)
    nonce: str
    _signature: bytes = b""

    def first(self) -> bytes:
        """client-first-message."""
        return f"n,,{self._bare}".encode()

    @property
    def _bare(self) -> str:
        name = self.username.replace("=", "=3D").replace(",", "=2C")
        return f"n={name},r={self.nonce}"

    def final(self, challenge: bytes) -> bytes:
        """client-final-message. Raises RemoteProtocolError for a challenge that is none."""
        digest = HASHES[self.mechanism]
        try:
            text = challenge.decode("ascii")
            given = dict(part.split("=", 1) for part in text.split(","))
            nonce, salt, rounds = given["r"], b64decode(given["s"], validate=True), int(given["i"])
        except (ValueError, KeyError) as exc:
            raise RemoteProtocolError("the challenge of SCRAM is none") from exc
        if not nonce.startswith(self.nonce) or not 1 <= rounds <= MAX_ROUNDS:
            raise RemoteProtocolError("the challenge of SCRAM is not to be trusted")
        salted = hashlib.pbkdf2_hmac(digest, self.password.encode(), salt, rounds)
        client_key = hmac.digest(salted, b"Client Key", digest)
        stored = hashlib.new(digest, client_key).digest()
        without_proof = f"c=biws,r={nonce}"
        signed = f"{self._bare},{text},{without_proof}".encode()
        proof = bytes(
            a ^ b for a, b in zip(client_key, hmac.digest(stored, signed, digest), strict=True)
        )
        self._signature = hmac.digest(hmac.digest(salted, b"Server Key", digest), signed, digest)
        return f"{without_proof},p={b64encode(proof).decode()}".encode()

    def proves_itself(self, last: bytes) -> bool:
        """Whether the server knows the password too."""
        return hmac.compare_digest(last, b"v=" + b64encode(self._signature))
