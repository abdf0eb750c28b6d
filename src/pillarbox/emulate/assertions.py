"""How an app shows who it is: its secret, or an assertion that its certificate has signed
(RFC 7523)."""

from collections.abc import Mapping

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from joserfc.jws import JWSRegistry

from pillarbox.emulate.aadsts import LoginError
from pillarbox.emulate.config import App, Tenant
from pillarbox.emulate.world import World

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ["RS256", "PS256"]
_SKEW_SECONDS = 300


class _Registry(JWSRegistry):
    """An assertion may carry the app's certificates in its header (x5c)."""

    max_header_length = 16_384


def check_client(
    world: World, tenant: Tenant, app: App, form: Mapping[str, str], *, authority: str
) -> bool:
    """Whether the app has shown a secret or an assertion, and a right one; False where it has
    shown nothing. Raises LoginError."""
    targets = (app.client_id, tenant.id, *tenant.domains)
    if "client_assertion" in form:
        if world.switches.is_at("certificate", "removed", targets):
            raise LoginError("assertion", app=app.client_id)
        _check_assertion(app, form["client_assertion"], world.clock(), authority)
        return True
    if "client_secret" in form:
        position = world.switches.get("secret", *targets)
        if position == "expired":
            raise LoginError("secret-expired", app=app.client_id)
        if position == "replaced" or not app.secret or form["client_secret"] != app.secret:
            raise LoginError("secret-wrong", app=app.client_id)
        return True
    return False


def _check_assertion(app: App, assertion: str, now: float, authority: str) -> None:
    if not app.certificate:
        raise LoginError("assertion", app=app.client_id)
    try:
        certificate = x509.load_pem_x509_certificate(app.certificate.encode())
        pem = certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        registry = _Registry(algorithms=_ALGORITHMS)
        claims = jwt.decode(assertion, RSAKey.import_key(pem), registry=registry).claims
    except (JoseError, ValueError) as error:
        raise LoginError("assertion", app=app.client_id) from error
    audience = str(claims.get("aud", ""))
    is_ours = claims.get("iss") == claims.get("sub") == app.client_id
    if not is_ours or not audience.startswith(f"{authority}/"):
        raise LoginError("assertion", app=app.client_id)
    starts_at, ends_at = claims.get("nbf", 0), claims.get("exp", 0)
    if not isinstance(starts_at, int | float) or not isinstance(ends_at, int | float):
        raise LoginError("assertion", app=app.client_id)
    if not starts_at - _SKEW_SECONDS <= now < ends_at + _SKEW_SECONDS:
        raise LoginError("assertion-time", app=app.client_id)
