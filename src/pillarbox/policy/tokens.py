"""What a token says, and whether it may be believed (RFC 7519, RFC 8725).

The algorithm is one of a list, all with a public key: neither `none` nor an HMAC that takes the
public key for a secret. Who issued it and which key signed it are read before that is known to be
true; nothing else is. Pure.
"""

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson
from joserfc import jwt
from joserfc.errors import ClaimError, JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from pillarbox.store.records import Issuer

ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "Ed25519"),
)

LEEWAY_SECONDS = 60
"""How far the issuer's clock may be from ours."""

_MAX_HEADER_OCTETS = 2048

Claims: TypeAlias = Mapping[str, Any]


class TokenError(Exception):
    """A token is not good; the text says why to administrators and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token says that it comes from, believed by nobody yet."""

    issuer: str
    kid: str | None


def origin_of(token: str) -> Origin:
    """Read the issuer and the id of the key. Raises TokenError."""
    pieces = token.split(".")
    if len(pieces) != 3:
        raise TokenError("it is no signed token (JWT); tokens without meaning can not be checked")
    header, claims = _object(pieces[0]), _object(pieces[1])
    if header.get("alg") not in ALGORITHMS:
        raise TokenError("its algorithm is none of those that are allowed")
    if "crit" in header:
        # RFC 7515 4.1.11: what is critical and not understood makes it invalid.
        raise TokenError("it asks for extensions")
    issuer, kid = claims.get("iss"), header.get("kid")
    if not isinstance(issuer, str) or not (kid is None or isinstance(kid, str)):
        raise TokenError("it does not say who issued it")
    return Origin(issuer, kid)


def _object(piece: str) -> Mapping[str, Any]:
    try:
        found = orjson.loads(urlsafe_b64decode(piece + "=" * (-len(piece) % 4)))
    except (binascii.Error, ValueError) as error:
        raise TokenError("it is no signed token (JWT)") from error
    if not isinstance(found, dict):
        raise TokenError("it is no signed token (JWT)")
    return found


def verify(token: str, key: RSAKey | ECKey | OKPKey, *, issuer: str, now_seconds: int) -> Claims:
    """The claims, if this key of this issuer signed them and they hold now. Raises TokenError."""
    registry = JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    registry.max_header_length = _MAX_HEADER_OCTETS
    try:
        claims = jwt.decode(token, key, registry=registry).claims
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise TokenError("its signature is not that of the issuer's key") from error
    rules = jwt.JWTClaimsRegistry(
        now=now_seconds,
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": issuer},
        exp={"essential": True},
    )
    try:
        rules.validate(claims)
    except ClaimError as error:
        raise TokenError(f"{error.claim} does not hold: wrong, expired or too early") from error
    return claims


def judge(claims: Claims, issuer: Issuer) -> None:
    """Look whether a verified token is meant for us. Raises TokenError."""
    audiences = claims.get("aud")
    if isinstance(audiences, str):
        audiences = [audiences]
    if not isinstance(audiences, list) or not any(
        isinstance(audience, str) and audience in issuer.audiences for audience in audiences
    ):
        raise TokenError("it is for another audience (aud)")
    tenant = claims.get("tid")
    if tenant is not None and _has_tenant(issuer.url) and f"/{tenant}" not in issuer.url:
        raise TokenError("it is of another tenant (tid)")
    if issuer.scope and issuer.scope not in _scopes(claims):
        raise TokenError("it does not have the scope or role that is asked for (scp, scope, roles)")


def subject_of(claims: Claims, claim: str) -> str | None:
    """What the claim says that names the subject; None if it may not be believed."""
    if claim == "email" and claims.get("email_verified", True) is not True:
        return None
    subject = claims.get(claim)
    return subject if isinstance(subject, str) and subject else None


def _has_tenant(url: str) -> bool:
    """Whether an issuer has the id of a tenant in its path, as those of Entra have."""
    return any(len(piece) == 36 and piece.count("-") == 4 for piece in url.split("/"))


def _scopes(claims: Claims) -> set[str]:
    found: set[str] = set()
    for name in ("scp", "scope", "roles"):
        value = claims.get(name)
        if isinstance(value, str):
            found |= set(value.split())
        elif isinstance(value, list):
            found |= {each for each in value if isinstance(each, str)}
    return found
