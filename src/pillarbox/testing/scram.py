"""SCRAM-SHA-256 on the server's side, its arithmetic (RFC 5802 section 3). Quick, for tests alone:
the least number of iterations, and passwords of ASCII."""

import base64
import hashlib
import hmac
import secrets

ITERATIONS = 4096
"""RFC 7677 section 4: "should be at least 4096"."""


class ScramProof:
    """One login: `challenge` answers the client's first message, `signature` its proof."""

    def __init__(self, client_first: str, password: str) -> None:
        # What stands before are the flag of the channel and the authorization identity.
        self._client_first = client_first.split(",", 2)[2]
        salt = secrets.token_bytes(16)
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        self._stored_key = hashlib.sha256(client_key).digest()
        self._server_key = hmac.digest(salted, b"Server Key", "sha256")
        nonce = self._client_first.partition("r=")[2].partition(",")[0]
        self._nonce = nonce + secrets.token_urlsafe(18)
        self._server_first = f"r={self._nonce},s={_encode(salt)},i={ITERATIONS}"

    def challenge(self) -> bytes:
        """The server's first message."""
        return self._server_first.encode("ascii")

    def signature(self, client_final: str) -> bytes | None:
        """The server's final message; None where the proof is wrong."""
        without_proof, _, proof_text = client_final.rpartition(",p=")
        message = f"{self._client_first},{self._server_first},{without_proof}".encode()
        mask = hmac.digest(self._stored_key, message, "sha256")
        proof = base64.b64decode(proof_text)
        client_key = bytes(a ^ b for a, b in zip(proof, mask, strict=False))
        is_proved = hmac.compare_digest(hashlib.sha256(client_key).digest(), self._stored_key)
        if not is_proved or f",r={self._nonce}" not in without_proof:
            return None
        return b"v=" + _encode(hmac.digest(self._server_key, message, "sha256")).encode("ascii")


def _encode(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
