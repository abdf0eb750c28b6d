"""What the authority has given out and waits for: device codes, authorization codes, refresh
tokens. In memory."""

import base64
import hashlib
import secrets
import string
from dataclasses import dataclass

from pillarbox.emulate.aadsts import LoginError
from pillarbox.emulate.config import App, Tenant
from pillarbox.emulate.world import World

_USER_CODE_LETTERS = string.ascii_uppercase + string.digits


@dataclass(frozen=True, slots=True)
class Grant:
    """A user lets an app act for him, within these scopes."""

    tenant: Tenant
    app: App
    user: str
    scope: str
    nonce: str = ""


@dataclass(slots=True)
class DeviceCode:
    """A sign-in on another device. `decision` is "" until somebody has decided."""

    user_code: str
    grant: Grant
    ends_at: float
    decision: str = ""


@dataclass(frozen=True, slots=True)
class AuthorizationCode:
    """What /authorize gave out. `challenge` is "" without PKCE (RFC 7636)."""

    grant: Grant
    redirect_uri: str
    challenge: str
    method: str


class Grants:
    """All of them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._devices: dict[str, DeviceCode] = {}
        self._codes: dict[str, AuthorizationCode] = {}
        self._refresh: dict[str, Grant] = {}

    # Device codes (RFC 8628)

    def begin_device(self, grant: Grant, seconds: float) -> tuple[str, str]:
        """Device code and user code."""
        device_code = secrets.token_urlsafe(48)
        user_code = "".join(secrets.choice(_USER_CODE_LETTERS) for _ in range(9))
        ends_at = self._world.clock() + seconds
        self._devices[device_code] = DeviceCode(user_code, grant, ends_at)
        return device_code, user_code

    def decide_device(self, user_code: str, decision: str, user: str = "") -> bool:
        """Approve or decline as a user does; whether there is such a code."""
        for device in self._devices.values():
            if device.user_code == user_code:
                device.decision = decision
                if user:
                    old = device.grant
                    device.grant = Grant(old.tenant, old.app, user, old.scope, old.nonce)
                return True
        return False

    def redeem_device(self, device_code: str) -> Grant:
        """The grant behind a device code. Raises LoginError while there is none."""
        device = self._devices.get(device_code)
        if device is None:
            raise LoginError("grant-unknown")
        decision = device.decision
        if not decision:
            grant = device.grant
            targets = (grant.user, grant.app.client_id, grant.tenant.id, *grant.tenant.domains)
            decision = self._world.switches.get("device_code", *targets)
        if decision == "expire" or self._world.clock() >= device.ends_at:
            raise LoginError("device-expired")
        if decision == "wait":
            raise LoginError("pending")
        del self._devices[device_code]
        if decision == "decline":
            raise LoginError("declined")
        return device.grant

    # Authorization codes (RFC 6749 4.1, RFC 7636)

    def give_code(self, code: AuthorizationCode) -> str:
        """A code to redeem once."""
        text = secrets.token_urlsafe(48)
        self._codes[text] = code
        return text

    def redeem_code(self, text: str, redirect_uri: str, verifier: str) -> Grant:
        """The grant behind a code. Raises LoginError."""
        code = self._codes.pop(text, None)
        if code is None or code.redirect_uri != redirect_uri:
            raise LoginError("code-used")
        if code.challenge:
            digest = hashlib.sha256(verifier.encode()).digest()
            answer = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
            if (answer if code.method == "S256" else verifier) != code.challenge:
                raise LoginError("verifier")
        return code.grant

    # Refresh tokens

    def give_refresh(self, grant: Grant) -> str:
        """A new one; those before it stay valid."""
        token = f"1.{secrets.token_urlsafe(64)}"
        self._refresh[token] = grant
        return token

    def redeem_refresh(self, token: str) -> Grant:
        """The grant behind a refresh token. Raises LoginError."""
        grant = self._refresh.get(token)
        if grant is None:
            raise LoginError("grant-unknown")
        targets = (grant.user, grant.app.client_id, grant.tenant.id, *grant.tenant.domains)
        position = self._world.switches.get("refresh_tokens", *targets)
        if position != "valid":
            raise LoginError(f"refresh-{position}")
        return grant
