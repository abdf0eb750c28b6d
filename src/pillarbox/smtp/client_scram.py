"""Logging in by SCRAM (RFC 5802, RFC 7677): the password never leaves, and the server has
to prove that it knows it too. The client's part; channels are not bound. Pure.

    C: n,,n=user@example.org,r=NONCE
    S: r=NONCE…,s=SALT,i=4096
    C: c=biws,r=NONCE…,p=PROOF
    S: v=SIGNATURE
    C: (nothing)
"""

import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field

from pillarbox.errors import RemoteProtocolError

DIGESTS = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
"""Of each mechanism."""

MIN_ITERATIONS = 4096
"""RFC 7677 section 4: "the hash iteration-count should be such that ... at least 4096"; less would
give a server that only pretends the means to guess the password quickly."""

MAX_ITERATIONS = 1_000_000
"""Half a second of work: what a server asks for must not become an attack."""

_FIRST = re.compile(
    rb"r=(?P<nonce>[!-+\--~]+),s=(?P<salt>[A-Za-z0-9+/]+=*),i=(?P<iterations>[1-9][0-9]{0,9})"
    rb"(?:,[A-Za-z]=[^,]*)*"
)
"""RFC 5802 section 7: server-first-message, without mandatory extensions."""

_WITHOUT_BINDING = b"n,,"


@dataclass(slots=True)
class Scrambling:
    """What an exchange needs beside name and password: a `nonce` that nobody can guess, for this
    exchange alone, and a place where the salted password is kept for the next ones."""

    nonce: str
    salted: dict[tuple[bytes, int], bytes] = field(default_factory=dict, repr=False)


class ScramExchange:
    """One login."""

    def __init__(
        self,
        username: str,
        password: str,
        scrambling: Scrambling,
        mechanism: str = "SCRAM-SHA-256",
    ) -> None:
        self._mechanism = mechanism.encode()
        self._digest = DIGESTS[mechanism]
        name = prepared(username).replace("=", "=3D").replace(",", "=2C")
        self._bare = f"n={name},r={scrambling.nonce}".encode()
        self._password = prepared(password).encode()
        self._scrambling = scrambling
        self._signature = b""
        self._step = 0

    @property
    def command(self) -> bytes:
        """The first message goes as the answer to a challenge only where it is very long."""
        return b"AUTH %b %b\r\n" % (self._mechanism, b64encode(_WITHOUT_BINDING + self._bare))

    def answer(self, challenge: bytes) -> bytes:
        """The proof, and then that the server's signature was read."""
        said = _decoded(challenge)
        self._step += 1
        if self._step == 1:
            return b64encode(self._proof(said))
        if self._step == 2:
            self._check(said)
            return b""
        raise RemoteProtocolError("a challenge more than SCRAM has")

    def finish(self) -> None:
        """RFC 5802 section 5: the client must see the server's signature."""
        if self._step != 2 or self._signature:
            raise RemoteProtocolError("a login without the server's proof of the password")

    def _proof(self, said: bytes) -> bytes:
        # Here and below: what most sessions do not need is not imported for them.
        import hashlib

        parts = _FIRST.fullmatch(said)
        nonce = self._scrambling.nonce.encode()
        if parts is None or not parts["nonce"].startswith(nonce) or parts["nonce"] == nonce:
            raise RemoteProtocolError("a challenge that is not one of SCRAM")
        iterations = int(parts["iterations"])
        if not MIN_ITERATIONS <= iterations <= MAX_ITERATIONS:
            raise RemoteProtocolError(f"{iterations} iterations of SCRAM")
        salted = self._salted(_decoded(parts["salt"]), iterations)
        final = b"c=%b,r=%b" % (b64encode(_WITHOUT_BINDING), parts["nonce"])
        message = b",".join((self._bare, said, final))
        key = self._hmac(salted, b"Client Key")
        signature = self._hmac(hashlib.new(self._digest, key).digest(), message)
        self._signature = self._hmac(self._hmac(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(key, signature, strict=True))
        return final + b",p=" + b64encode(proof)

    def _salted(self, salt: bytes, iterations: int) -> bytes:
        import hashlib

        kept = self._scrambling.salted
        salted = kept.get((salt, iterations))
        if salted is None:
            salted = hashlib.pbkdf2_hmac(self._digest, self._password, salt, iterations)
            kept.clear()
            kept[salt, iterations] = salted
        return salted

    def _hmac(self, key: bytes, message: bytes) -> bytes:
        import hmac

        return hmac.digest(key, message, self._digest)

    def _check(self, said: bytes) -> None:
        if said.startswith(b"e="):
            # RFC 5802 section 7: an error; the refusal comes next, and nothing else may.
            return
        import hmac

        if not hmac.compare_digest(said.partition(b",")[0], b"v=" + b64encode(self._signature)):
            raise RemoteProtocolError("a signature that does not fit the password")
        self._signature = b""


def prepared(text: str) -> str:
    """SASLprep (RFC 4013) without its prohibitions, which are the server's to keep: other blanks
    become a blank, what is not shown goes, and the rest is NFKC."""
    if text.isascii():
        return text
    import stringprep
    import unicodedata

    kept = (" " if stringprep.in_table_c12(c) else c for c in text if not stringprep.in_table_b1(c))
    return unicodedata.normalize("NFKC", "".join(kept))


def _decoded(text: bytes) -> bytes:
    try:
        return b64decode(text, validate=True)
    except ValueError as exc:
        raise RemoteProtocolError("a challenge that is not base64") from exc
