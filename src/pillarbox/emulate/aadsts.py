"""The errors of login.microsoftonline.com: AADSTS numbers, texts, and their JSON.

Number and error are from memory for most of them (grade M); the form of the JSON is documented.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from pillarbox.emulate.http import Response, json_response


@dataclass(frozen=True, slots=True)
class KnownError:
    """One error. `text` may have places: {app}, {tenant}, {resource}, {grant}."""

    code: int
    error: str
    status: int
    text: str
    suberror: str = ""


_GRANT, _CLIENT, _REQUEST = "invalid_grant", "invalid_client", "invalid_request"

ERRORS: Mapping[str, KnownError] = MappingProxyType(
    {
        "secret-wrong": KnownError(
            7000215,
            _CLIENT,
            401,
            "Invalid client secret provided. Ensure the secret being sent in the request is the"
            " client secret value, not the client secret ID, for a secret added to app '{app}'.",
        ),
        "secret-expired": KnownError(
            7000222,
            _CLIENT,
            401,
            "The provided client secret keys for app '{app}' are expired.",
        ),
        "secret-missing": KnownError(
            7000218,
            _CLIENT,
            401,
            "The request body must contain the following parameter: 'client_assertion' or"
            " 'client_secret'.",
        ),
        "assertion": KnownError(
            700027,
            _CLIENT,
            401,
            "The certificate with identifier used to sign the client assertion is not registered on"
            " application '{app}'.",
        ),
        "assertion-time": KnownError(
            700024, _CLIENT, 401, "Client assertion is not within its valid time range."
        ),
        "app": KnownError(
            700016,
            "unauthorized_client",
            400,
            "Application with identifier '{app}' was not found in the directory '{tenant}'. This"
            " can happen if the application has not been installed by the administrator of the"
            " tenant or consented to by any user in the tenant.",
        ),
        "app-disabled": KnownError(
            7000112, "unauthorized_client", 400, "Application '{app}'({app}) is disabled."
        ),
        "tenant": KnownError(
            90002,
            _REQUEST,
            400,
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are"
            " signing into the correct cloud.",
        ),
        "consent": KnownError(
            65001,
            _GRANT,
            400,
            "The user or administrator has not consented to use the application with ID '{app}'."
            " Send an interactive authorization request for this user and resource.",
            "consent_required",
        ),
        "conditional-access": KnownError(
            53003,
            _GRANT,
            400,
            "Access has been blocked by Conditional Access policies. The access policy does not"
            " allow token issuance.",
        ),
        "mfa": KnownError(
            50076,
            _GRANT,
            400,
            "Due to a configuration change made by your administrator, or because you moved to a"
            " new location, you must use multi-factor authentication to access '{resource}'.",
        ),
        "user-disabled": KnownError(50057, _GRANT, 400, "The user account is disabled."),
        "refresh-expired": KnownError(
            700082, _GRANT, 400, "The refresh token has expired due to inactivity."
        ),
        "refresh-revoked": KnownError(
            50173,
            _GRANT,
            400,
            "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
        ),
        "grant-unknown": KnownError(
            9002313, _GRANT, 400, "Invalid request. Request is malformed or invalid."
        ),
        "code-used": KnownError(
            54005, _GRANT, 400, "OAuth2 Authorization code was already redeemed."
        ),
        "verifier": KnownError(
            501481,
            _GRANT,
            400,
            "The Code_Verifier does not match the code_challenge supplied in the authorization"
            " request.",
        ),
        "pending": KnownError(
            70016,
            "authorization_pending",
            400,
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling.",
        ),
        "declined": KnownError(
            70018, "authorization_declined", 400, "The end user denied the authorization request."
        ),
        "device-expired": KnownError(70020, "expired_token", 400, "This device code has expired."),
        "scope": KnownError(
            70011,
            "invalid_scope",
            400,
            "The provided value for the input parameter 'scope' is not valid.",
        ),
        "resource": KnownError(
            500011,
            "invalid_resource",
            400,
            "The resource principal named {resource} was not found in the tenant named {tenant}.",
        ),
        "grant-type": KnownError(
            70003,
            "unsupported_grant_type",
            400,
            "The app requested an unsupported grant type '{grant}'.",
        ),
        "malformed": KnownError(
            900144, _REQUEST, 400, "The request body must contain the required parameters."
        ),
    }
)


class LoginError(Exception):
    """A request to the authority is refused: the name of the error and what fills its places."""

    def __init__(self, name: str, **facts: str) -> None:
        super().__init__(name)
        self.name = name
        self.facts = facts


def error_response(error: LoginError, *, now: datetime, authority: str) -> Response:
    """The JSON of an error."""
    known = ERRORS[error.name]
    facts = dict.fromkeys(("app", "tenant", "resource", "grant"), "") | error.facts
    timestamp = f"{now:%Y-%m-%d %H:%M:%SZ}"
    trace_id, correlation_id = str(uuid.uuid4()), str(uuid.uuid4())
    description = (
        f"AADSTS{known.code}: {known.text.format_map(facts)} Trace ID: {trace_id}"
        f" Correlation ID: {correlation_id} Timestamp: {timestamp}"
    )
    body: dict[str, object] = {
        "error": known.error,
        "error_description": description,
        "error_codes": [known.code],
        "timestamp": timestamp,
        "trace_id": trace_id,
        "correlation_id": correlation_id,
        "error_uri": f"{authority}/error?code={known.code}",
    }
    if known.suberror:
        body["suberror"] = known.suberror
    return json_response(known.status, body)
