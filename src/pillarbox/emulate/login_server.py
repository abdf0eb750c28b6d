"""login.microsoftonline.com: discovery, keys, /authorize, /devicecode and /token.

OAuth 2.0 (RFC 6749, 7523, 7636, 8628) as the v2.0 endpoints speak it. The tenant in the path is an
id or a domain; `common` and `organizations` find the tenant by the app.
"""

import html
import uuid
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from pillarbox.emulate.aadsts import LoginError, error_response
from pillarbox.emulate.assertions import check_client
from pillarbox.emulate.config import App, Tenant
from pillarbox.emulate.faults import Stage
from pillarbox.emulate.grants import AuthorizationCode, Grant, Grants
from pillarbox.emulate.http import Request, Response, json_response, meet_fault
from pillarbox.emulate.issuing import Issuer
from pillarbox.emulate.world import World

_ANY_TENANT = frozenset({"common", "organizations", "consumers"})


class LoginServer:
    """The handler of the authority. `authority` is its URL, known once it listens."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.grants = Grants(world)
        self.authority = ""

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        fault = await meet_fault(self._world, "login", Stage.REQUEST, request)
        if fault is not None:
            return fault
        try:
            response = await self._route(request)
        except LoginError as error:
            return error_response(error, now=self._world.now(), authority=self.authority)
        fault = await meet_fault(self._world, "login", Stage.TAKEN, request)
        return fault or response

    async def _route(self, request: Request) -> Response:
        name, *rest = request.segments
        match request.method, rest:
            case "GET", ["v2.0", ".well-known", "openid-configuration"]:
                return json_response(200, self._configuration(name))
            case "GET", [".well-known", "openid-configuration"]:
                return json_response(200, self._configuration(name))
            case "GET", ["discovery", "v2.0", "keys"]:
                return json_response(200, self._world.signer.key_set())
            case "GET", ["discovery", "instance"]:
                return json_response(200, self._instance(request))
            case "GET", ["oauth2", "v2.0", "authorize"]:
                return self._authorize(name, request.query)
            case "POST", ["oauth2", "v2.0", "devicecode"]:
                return json_response(200, self._device_code(name, await request.form()))
            case "POST", ["oauth2", "v2.0", "token"]:
                return await self._token(name, request)
            case _:
                return json_response(404, {"error": "not_found"})

    # Discovery

    def _configuration(self, name: str) -> dict[str, object]:
        known = name if name in _ANY_TENANT else self._tenant(name).id
        base = f"{self.authority}/{known}"
        return {
            "issuer": f"{base}/v2.0",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "token_endpoint": f"{base}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{base}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{base}/discovery/v2.0/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "form_post"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "subject_types_supported": ["pairwise"],
            "tenant_region_scope": "EU",
        }

    def _instance(self, request: Request) -> dict[str, object]:
        asked = urlsplit(request.query.get("authorization_endpoint", ""))
        name = asked.path.split("/")[1] if "/" in asked.path else "common"
        host = urlsplit(self.authority).netloc
        return {
            "tenant_discovery_endpoint": (
                f"{self.authority}/{name}/v2.0/.well-known/openid-configuration"
            ),
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }

    # Who asks

    def _tenant(self, name: str) -> Tenant:
        tenant = self._world.tenant(name)
        targets = (tenant.id, *tenant.domains) if tenant else ()
        if tenant is None or self._world.switches.is_at("tenant", "missing", targets):
            raise LoginError("tenant", tenant=name)
        return tenant

    def _client(self, name: str, form: Mapping[str, str]) -> tuple[Tenant, App]:
        client_id = form.get("client_id", "")
        if not client_id:
            raise LoginError("malformed")
        tenants = self._world.config.tenants if name in _ANY_TENANT else [self._tenant(name)]
        for tenant in tenants:
            app = self._world.app(tenant, client_id)
            if app is not None:
                targets = (client_id, tenant.id, *tenant.domains)
                if self._world.switches.is_at("app", "disabled", targets):
                    raise LoginError("app-disabled", app=client_id)
                return self._tenant(tenant.id), app
        raise LoginError("app", app=client_id, tenant=name)

    def _user(self, tenant: Tenant, hint: str) -> str:
        """Who signs in: the one that is hinted at, else the first mailbox with a password."""
        owner = self._world.owner_of_primary(hint)
        if owner is not None and owner.tenant is tenant:
            return owner.mailbox.address
        users = [mailbox.address for mailbox in tenant.mailboxes if mailbox.password]
        if not users:
            raise LoginError("grant-unknown")
        return users[0]

    # Sign-in of users

    def _authorize(self, name: str, query: Mapping[str, str]) -> Response:
        """Sign the user in at once, and go back to the program on the loopback."""
        tenant, app = self._client(name, query)
        redirect_uri = query.get("redirect_uri", "")
        if urlsplit(redirect_uri).hostname not in ("localhost", "127.0.0.1", "::1"):
            raise LoginError("malformed")
        user = self._user(tenant, query.get("login_hint", ""))
        grant = Grant(tenant, app, user, query.get("scope", ""), query.get("nonce", ""))
        code = AuthorizationCode(
            grant,
            redirect_uri,
            query.get("code_challenge", ""),
            query.get("code_challenge_method", "plain"),
        )
        answer = {"code": self.grants.give_code(code), "session_state": str(uuid.uuid4())}
        if "state" in query:
            answer["state"] = query["state"]
        if query.get("response_mode") == "form_post":
            return Response(200, _form(redirect_uri, answer), "text/html; charset=utf-8")
        joint = "&" if "?" in redirect_uri else "?"
        return Response(302, headers={"Location": f"{redirect_uri}{joint}{urlencode(answer)}"})

    def _device_code(self, name: str, form: Mapping[str, str]) -> dict[str, object]:
        tenant, app = self._client(name, form)
        limits = self._world.limits
        grant = Grant(tenant, app, self._user(tenant, ""), form.get("scope", ""))
        device_code, user_code = self.grants.begin_device(grant, limits.device_code_seconds)
        uri = f"{self.authority}/common/oauth2/deviceauth"
        return {
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": uri,
            "expires_in": limits.device_code_seconds,
            "interval": limits.device_code_interval_seconds,
            "message": (
                f"To sign in, use a web browser to open the page {uri} and enter the code"
                f" {user_code} to authenticate."
            ),
        }

    # Tokens

    async def _token(self, name: str, request: Request) -> Response:
        form = await request.form()
        tenant, app = self._client(name, form)
        has_shown = check_client(self._world, tenant, app, form, authority=self.authority)
        issuer = Issuer(self._world, self.authority)
        if form.get("grant_type") == "client_credentials":
            if not has_shown:
                raise LoginError("secret-missing", app=app.client_id)
            return json_response(200, issuer.for_app(tenant, app, form.get("scope", "")))
        grant = self._grant(form)
        if grant.app is not app or grant.tenant is not tenant:
            raise LoginError("grant-unknown")
        answer = issuer.for_user(
            grant,
            scope=form.get("scope", ""),
            refresh=self.grants.give_refresh,
            with_client_info=form.get("client_info") == "1",
        )
        return json_response(200, answer, {"Cache-Control": "no-store"})

    def _grant(self, form: Mapping[str, str]) -> Grant:
        match form.get("grant_type"):
            case "authorization_code":
                return self.grants.redeem_code(
                    form.get("code", ""),
                    form.get("redirect_uri", ""),
                    form.get("code_verifier", ""),
                )
            case "urn:ietf:params:oauth:grant-type:device_code" | "device_code":
                return self.grants.redeem_device(form.get("device_code", ""))
            case "refresh_token":
                return self.grants.redeem_refresh(form.get("refresh_token", ""))
            case None:
                raise LoginError("malformed")
            case other:
                raise LoginError("grant-type", grant=other)


def _form(action: str, fields: Mapping[str, str]) -> bytes:
    """A page that posts the answer to the program at once."""
    inputs = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in fields.items()
    )
    return (
        f'<!doctype html><body onload="document.forms[0].submit()"><form method="post"'
        f' action="{html.escape(action)}">{inputs}<button>Continue</button></form></body>'
    ).encode()
