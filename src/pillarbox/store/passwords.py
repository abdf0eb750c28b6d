"""Passwords of accounts: made here, shown once, kept as Argon2id hashes (RFC 9106).

A made password has 99 bits, so a stolen hash is safe by that alone; the cost of the hash is for
passwords that people chose. It is the one that OWASP names (19 MiB, 2 passes): about 15 ms, and a
few at a time stay far below the memory that a small machine has.

All passwords of one account share a salt. An account may have one for each of twenty devices, and
which of them a login used is found by one hash instead of twenty, in the same time for every
account. A salt keeps one computation from serving against many accounts; it still does.
"""

import base64
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from argon2 import Parameters, Type, extract_parameters
from argon2.exceptions import InvalidHashError
from argon2.low_level import hash_secret_raw

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
_HASH_OCTETS = 32
_SALT_OCTETS = 16
_ARGON2_VERSION = 19

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""No i, l, 1, o and 0, no capitals, nothing that a printer's keyboard hides: it can be read from
paper and typed on a panel."""
_GROUPS = 4
_GROUP_DIGITS = 5


def make_password() -> str:
    """A new password such as "h7wqk-3mzpd-x9tcv-rn4fe"."""
    groups = ("".join(map(secrets.choice, [ALPHABET] * _GROUP_DIGITS)) for _ in range(_GROUPS))
    return "-".join(groups)


@dataclass(frozen=True, slots=True)
class _Hash:
    """An encoded hash taken apart."""

    parameters: Parameters
    salt: bytes
    digest: bytes


def hash_password(password: str, beside: Sequence[str] = ()) -> str:
    """The encoded Argon2id hash of a password. `beside`: the other hashes of the account."""
    parts = (_parse(encoded) for encoded in beside)
    salts = [part.salt for part in parts if part.parameters == _PARAMETERS]
    salt = salts[0] if salts else secrets.token_bytes(_SALT_OCTETS)
    digest = _digest(password, salt, _PARAMETERS)
    cost = f"m={MEMORY_KIB},t={PASSES},p={LANES}"
    return f"$argon2id$v={_ARGON2_VERSION}${cost}${_encode(salt)}${_encode(digest)}"


def match_password(hashes: Sequence[str], password: str) -> int | None:
    """The position of the hash that this password belongs to; None if it belongs to none.

    Costs one hash, also for no hashes at all, and one more for each further salt or cost that
    occurs among them (after a change of the parameters).
    """
    if not hashes:
        _digest(password, bytes(_SALT_OCTETS), _PARAMETERS)
        return None
    digests: dict[str, bytes] = {}
    found: int | None = None
    for position, encoded in enumerate(hashes):
        part = _parse(encoded)
        # All but the digest: cost and salt.
        key = encoded.rpartition("$")[0]
        if key not in digests:
            digests[key] = _digest(password, part.salt, part.parameters)
        if hmac.compare_digest(digests[key], part.digest):
            found = position
    return found


def verify_password(encoded: str, password: str) -> bool:
    """Whether the password belongs to this hash."""
    return match_password((encoded,), password) is not None


def needs_rehash(encoded: str) -> bool:
    """Whether a hash has another cost than new ones get."""
    return _parse(encoded).parameters != _PARAMETERS


_PARAMETERS = Parameters(
    type=Type.ID,
    version=_ARGON2_VERSION,
    salt_len=_SALT_OCTETS,
    hash_len=_HASH_OCTETS,
    time_cost=PASSES,
    memory_cost=MEMORY_KIB,
    parallelism=LANES,
)


def _digest(password: str, salt: bytes, parameters: Parameters) -> bytes:
    return hash_secret_raw(
        password.encode("utf-8", "surrogatepass"),
        salt,
        time_cost=parameters.time_cost,
        memory_cost=parameters.memory_cost,
        parallelism=parameters.parallelism,
        hash_len=parameters.hash_len,
        type=parameters.type,
        version=parameters.version,
    )


def _parse(encoded: str) -> _Hash:
    parameters = extract_parameters(encoded)
    pieces = encoded.split("$")
    try:
        return _Hash(parameters, _decode(pieces[-2]), _decode(pieces[-1]))
    except ValueError as error:
        raise InvalidHashError from error


def _encode(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii").rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
