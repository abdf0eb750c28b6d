"""Access, refresh and id tokens as the token endpoint gives them out."""

import base64
import json
import uuid
from collections.abc import Callable, Iterable

from pillarbox.emulate.aadsts import LoginError
from pillarbox.emulate.config import App, Tenant
from pillarbox.emulate.grants import Grant
from pillarbox.emulate.tokens import GRAPH_AUDIENCES, OUTLOOK_AUDIENCES
from pillarbox.emulate.world import World

_RESERVED = frozenset({"openid", "profile", "email", "offline_access"})
_NAMES = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_GRAPH = "https://graph.microsoft.com"


def object_id(text: str) -> str:
    """A stable id for a user or an app."""
    return str(uuid.uuid5(_NAMES, text))


class Issuer:
    """Makes tokens of one authority."""

    def __init__(self, world: World, authority: str) -> None:
        self._world = world
        self._authority = authority

    def for_app(self, tenant: Tenant, app: App, scope: str) -> dict[str, object]:
        """client_credentials: the scope is a resource and "/.default". Without consent the token
        has no roles. Raises LoginError."""
        resource, _, name = scope.strip().rpartition("/")
        if name != ".default" or " " in scope.strip():
            raise LoginError("scope")
        resource = self._resource(resource, tenant)
        targets = (app.client_id, tenant.id, *tenant.domains)
        has_consent = self._world.switches.is_at("consent", "given", targets)
        claims: dict[str, object] = {
            "oid": object_id(app.client_id),
            "sub": object_id(app.client_id),
            "idtyp": "app",
        }
        if has_consent and app.roles:
            claims["roles"] = list(app.roles)
        seconds = self._world.limits.token_seconds
        return {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self._access(tenant, app, resource, claims),
        }

    def for_user(
        self,
        grant: Grant,
        *,
        scope: str,
        refresh: Callable[[Grant], str],
        with_client_info: bool,
    ) -> dict[str, object]:
        """A user's tokens: access, with offline_access a refresh token, with openid an id token.
        Raises LoginError."""
        self._check_user(grant)
        asked = (scope or grant.scope).split()
        resource, scopes = self._scopes(asked, grant)
        claims = self._user_claims(grant) | {"scp": " ".join(scopes)}
        seconds = self._world.limits.token_seconds
        answer: dict[str, object] = {
            "token_type": "Bearer",
            "scope": " ".join(f"{resource}/{name}" for name in scopes),
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": self._access(grant.tenant, grant.app, resource, claims),
        }
        if "offline_access" in grant.scope.split() or "offline_access" in asked:
            answer["refresh_token"] = refresh(grant)
        if "openid" in grant.scope.split() or "openid" in asked:
            answer["id_token"] = self._id_token(grant)
        if with_client_info:
            info = {"uid": object_id(grant.user), "utid": grant.tenant.id}
            answer["client_info"] = base64.urlsafe_b64encode(json.dumps(info).encode()).decode()
        return answer

    def _check_user(self, grant: Grant) -> None:
        targets = (grant.user, grant.app.client_id, grant.tenant.id, *grant.tenant.domains)
        switches = self._world.switches
        for name, position, error in (
            ("mailbox", "disabled", "user-disabled"),
            ("consent", "missing", "consent"),
            ("conditional_access", "all", "conditional-access"),
        ):
            if switches.is_at(name, position, targets):
                raise LoginError(error, app=grant.app.client_id)

    def _scopes(self, asked: Iterable[str], grant: Grant) -> tuple[str, list[str]]:
        """The one resource that is asked for, and the names of its scopes that the app has."""
        resource = ""
        names: list[str] = []
        for text in asked:
            if text in _RESERVED:
                continue
            named, _, name = text.rpartition("/")
            found = self._resource(named or _GRAPH, grant.tenant)
            if resource and found != resource:
                raise LoginError("scope")
            resource = found
            names += grant.app.scopes if name == ".default" else [name]
        unknown = [name for name in names if name not in grant.app.scopes]
        if unknown:
            raise LoginError("consent", app=grant.app.client_id)
        return resource or _GRAPH, names

    def _resource(self, name: str, tenant: Tenant) -> str:
        name = name.rstrip("/")
        if name not in OUTLOOK_AUDIENCES | GRAPH_AUDIENCES | self._world.graph_audiences:
            raise LoginError("resource", resource=name, tenant=tenant.id)
        return name

    def _common(self, tenant: Tenant) -> dict[str, object]:
        now = int(self._world.clock())
        return {
            "iss": f"{self._authority}/{tenant.id}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + self._world.limits.token_seconds,
            "tid": tenant.id,
            "ver": "2.0",
        }

    def _access(self, tenant: Tenant, app: App, resource: str, claims: dict[str, object]) -> str:
        own = {"aud": resource, "appid": app.client_id, "azp": app.client_id}
        return self._world.signer.sign(
            self._common(tenant) | own | {"uti": uuid.uuid4().hex[:22]} | claims
        )

    def _user_claims(self, grant: Grant) -> dict[str, object]:
        return {
            "upn": grant.user,
            "oid": object_id(grant.user),
            "sub": object_id(f"{grant.user} {grant.app.client_id}"),
            "idtyp": "user",
        }

    def _id_token(self, grant: Grant) -> str:
        claims = self._common(grant.tenant) | self._user_claims(grant)
        claims |= {
            "aud": grant.app.client_id,
            "preferred_username": grant.user,
            "name": grant.user,
        }
        if grant.nonce:
            claims["nonce"] = grant.nonce
        return self._world.signer.sign(claims)
