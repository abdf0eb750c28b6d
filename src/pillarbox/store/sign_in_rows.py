"""Columns of the table `route` that say how tokens are got, as a value and back. Secrets are
sealed, each for its own place."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import RowMapping

from pillarbox.mail.identifier import format_id
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.store.seal import Seal

EMPTY = dict.fromkeys(
    (
        *("oauth_flow", "oauth_client_id", "oauth_authority", "oauth_tenant_id"),
        *("oauth_token_url", "oauth_scope", "oauth_secret_sealed", "oauth_key_sealed"),
        *("oauth_certificate", "oauth_secret_ends_at"),
    )
)


def sign_in_of(row: RowMapping | Mapping[str, Any], seal: Seal | None) -> SignIn:
    """How the route signs in, with its secrets opened by `seal`, or without them. Raises
    SecretError."""
    route_id = row["id"]
    return SignIn(
        flow=Flow(row["oauth_flow"]),
        client_id=row["oauth_client_id"],
        authority=row["oauth_authority"] or "",
        tenant_id=row["oauth_tenant_id"] or "",
        token_url=row["oauth_token_url"] or "",
        secret=_opened(seal, row["oauth_secret_sealed"], secret_context(route_id)),
        private_key=_opened(seal, row["oauth_key_sealed"], key_context(route_id)),
        certificate=row["oauth_certificate"] or "",
        secret_ends_at=row["oauth_secret_ends_at"],
        ca_file=row["ca_file"] or "",
        grant_id=route_id,
    )


def sign_in_values(
    sign_in: SignIn, seal: Seal, route_id: int
) -> dict[str, str | int | bytes | None]:
    """The columns for it."""
    secret, key = sign_in.secret.encode(), sign_in.private_key.encode()
    return {
        "oauth_flow": sign_in.flow.value,
        "oauth_client_id": sign_in.client_id,
        "oauth_authority": sign_in.authority or None,
        "oauth_tenant_id": sign_in.tenant_id or None,
        "oauth_token_url": sign_in.token_url or None,
        "oauth_secret_sealed": seal.seal(secret, secret_context(route_id)) if secret else None,
        "oauth_key_sealed": seal.seal(key, key_context(route_id)) if key else None,
        "oauth_certificate": sign_in.certificate or None,
        "oauth_secret_ends_at": sign_in.secret_ends_at,
    }


def _opened(seal: Seal | None, sealed: bytes | None, context: str) -> str:
    return "" if seal is None or sealed is None else seal.open(sealed, context).decode()


def secret_context(route_id: int) -> str:
    """The place for which a client secret is sealed."""
    return f"route {format_id(route_id)}: client secret"


def key_context(route_id: int) -> str:
    """The place for which the private key of a certificate is sealed."""
    return f"route {format_id(route_id)}: private key"
