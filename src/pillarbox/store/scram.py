"""SCRAM-SHA-256 verifiers of passwords (RFC 5802, RFC 7677), kept beside the Argon2id hash where
`scram_sha_256` is on.

Their cost is bounded by clients, which have to compute it at each login: Cyrus SASL, which Postfix
and many others use, refuses more than 65,536 iterations. A verifier is made by that many of
SHA-256, which a guesser who has stolen it computes far cheaper than one Argon2 hash. It is no
matter for passwords that are made here (99 bits); docs/security.md says more.

The salt follows from the user name and a key of the service. So a name that nobody has gets a
salt that looks like any other and stays the same, also when the account is made later.
"""

import base64
import hmac
import secrets
from dataclasses import dataclass, field

from sqlalchemy import Connection, select, update

from pillarbox.store.schema import setting
from pillarbox.store.schema_directory import credential
from pillarbox.store.upsert import insert_or_update

MECHANISM = "SCRAM-SHA-256"
ITERATIONS = 65_536

_SALT_OCTETS = 16
_KEY_OCTETS = 32
_KEY_NAME = "scram_key"
CURRENT = f"{MECHANISM}${ITERATIONS}:"
"""How a verifier with the present cost begins."""


class UnfitPassword(Exception):
    """A password has characters that SCRAM does not know (RFC 4013)."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """What the server has to know of a password."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def salt_for(key: bytes, account_key: str) -> bytes:
    """The salt of an account (by the key of its address), whether there is one or not."""
    name = account_key.encode("utf-8", "surrogatepass")
    return hmac.digest(key, name, "sha256")[:_SALT_OCTETS]


def make_verifier(password: str, salt: bytes) -> str:
    """The verifier, written as PostgreSQL writes it: some 20 ms. Raises UnfitPassword."""
    # Loading it takes longer than a whole command that does not need it.
    from scramp import ScramException, ScramMechanism

    try:
        salt, stored_key, server_key, iterations = ScramMechanism(MECHANISM).make_auth_info(
            password, iteration_count=ITERATIONS, salt=salt
        )
    except (ScramException, UnicodeEncodeError) as error:
        raise UnfitPassword from error
    keys = f"{_encode(stored_key)}:{_encode(server_key)}"
    return f"{MECHANISM}${iterations}:{_encode(salt)}${keys}"


def read_verifier(text: str) -> Verifier:
    """A verifier that `make_verifier` wrote."""
    _, cost, keys = text.split("$")
    iterations, _, salt = cost.partition(":")
    stored_key, _, server_key = keys.partition(":")
    return Verifier(_decode(salt), int(iterations), _decode(stored_key), _decode(server_key))


def false_verifier(key: bytes, account_key: str) -> Verifier:
    """What stands in the place of one where there is none: no password fits it."""
    salt = salt_for(key, account_key)
    return Verifier(salt, ITERATIONS, secrets.token_bytes(32), secrets.token_bytes(32))


def ensure_scram_key(connection: Connection) -> bytes:
    """The key from which salts follow; made when it is asked for the first time."""
    made = {"name": _KEY_NAME, "value": secrets.token_hex(_KEY_OCTETS)}
    statement = insert_or_update(connection, setting).values(made)
    connection.execute(statement.on_conflict_do_nothing())
    value = connection.scalar(select(setting.c.value).where(setting.c.name == _KEY_NAME))
    return bytes.fromhex(str(value))


def keep_verifier(connection: Connection, credential_id: int, verifier: str) -> None:
    """Put a verifier beside the hash of a password."""
    connection.execute(
        update(credential).where(credential.c.id == credential_id).values(scram_verifier=verifier)
    )


def _encode(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
