"""Tokens of the authority: JWTs signed with RS256, and how the servers read them (RFC 7519)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias, cast

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

Claims: TypeAlias = Mapping[str, object]

GRAPH_AUDIENCES = frozenset(
    {
        "https://graph.microsoft.com",
        "https://graph.microsoft.us",
        "https://dod-graph.microsoft.us",
        "https://microsoftgraph.chinacloudapi.cn",
    }
)
OUTLOOK_AUDIENCES = frozenset(
    {
        "https://outlook.office.com",
        "https://outlook.office365.com",
        "https://outlook.office365.us",
        "https://partner.outlook.cn",
    }
)


@dataclass(frozen=True, slots=True)
class Access:
    """What a valid access token says. `user` is "" for an app that acts for itself."""

    audience: str
    tenant_id: str
    app_id: str
    user: str
    roles: frozenset[str]
    scopes: frozenset[str]
    ends_at: float


class Signer:
    """The authority's key, made when it is first used."""

    @cached_property
    def _key(self) -> RSAKey:
        return RSAKey.generate_key(2048, auto_kid=True)

    def change_key(self) -> None:
        """Sign with another one from now on: no server takes a token that was given out before."""
        self.__dict__.pop("_key", None)

    def key_set(self) -> dict[str, object]:
        """The public key as JWKS."""
        key = self._key.as_dict(private=False)
        return {"keys": [{**key, "use": "sig", "alg": "RS256"}]}

    def sign(self, claims: Claims) -> str:
        """A token."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self._key.kid}
        return jwt.encode(header, dict(claims), self._key, algorithms=["RS256"])

    def read(self, token: str, *, now: float) -> Access | None:
        """What an access token of ours says; None if it is none, or over."""
        try:
            claims = cast("Claims", jwt.decode(token, self._key, algorithms=["RS256"]).claims)
        except (JoseError, ValueError):
            return None
        ends_at, starts_at = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(ends_at, int) or not isinstance(starts_at, int):
            return None
        if not starts_at <= now < ends_at or "appid" not in claims:
            return None
        return Access(
            audience=str(claims.get("aud", "")),
            tenant_id=str(claims.get("tid", "")),
            app_id=str(claims["appid"]),
            user=str(claims.get("upn", "")),
            roles=frozenset(cast("list[str]", claims.get("roles", []))),
            scopes=frozenset(str(claims.get("scp", "")).split()),
            ends_at=ends_at,
        )
