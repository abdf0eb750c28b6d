"""Logging in at Gmail with OAuth2: by a refresh token, or as a service account.

auth = google.refresh_token("app@example.org", client_id=…, client_secret=…, refresh_token=…)
pillarbox.connect("smtps://smtp.gmail.com", auth=auth)
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from pillarbox.client.auth import AccessToken, OAuth2
from pillarbox.client.errors import ArgumentError
from pillarbox.client.issuers import issuer_error, missing_extra, read_token
from pillarbox.client.requests import Requests
from pillarbox.client.server import check_given
from pillarbox.explain.failures import Failure, FailureKind

HOST = "smtp.gmail.com"
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
SCOPE = "https://mail.google.com/"

_ASSERTION_SECONDS = 3600
"""The longest life that Google takes."""

_KEY_FIX = "take the JSON file that Google gave when the key was made"
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def refresh_token(
    mailbox: str,
    *,
    client_id: str,
    client_secret: str,
    refresh_token: str,
    token_url: str = TOKEN_URL,
    ca_file: str = "",
) -> OAuth2:
    """Log in to a mailbox as a person who consented once."""
    check_given("client_id", client_id)
    check_given("the client secret", client_secret)
    check_given("the refresh token", refresh_token)
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "client_secret": client_secret,
        "refresh_token": refresh_token,
    }
    return OAuth2(mailbox, lambda: _ask(token_url, form, ca_file))


def service_account(
    mailbox: str, key_file: str, *, token_url: str = "", ca_file: str = ""
) -> OAuth2:
    """Log in to a mailbox as a service account with domain-wide delegation; `key_file` is the JSON
    that Google gives. Raises ArgumentError."""
    try:
        key = json.loads(Path(key_file).read_text(encoding="utf-8"))
        issuer, pem = str(key["client_email"]), str(key["private_key"])
    except OSError as exc:
        raise ArgumentError(f"{key_file} can not be read: {exc.strerror}", fix=_KEY_FIX) from exc
    except (ValueError, KeyError, TypeError) as exc:
        what = f"{key_file} is no key of a service account"
        raise ArgumentError(what, fix=_KEY_FIX) from exc
    url = token_url or str(key.get("token_uri") or TOKEN_URL)

    def provide() -> AccessToken:
        now = int(time.time())
        claims = {
            "iss": issuer,
            "sub": mailbox,
            "scope": SCOPE,
            "aud": url,
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
        }
        return _ask(url, {"grant_type": _JWT_BEARER, "assertion": _signed(claims, pem)}, ca_file)

    return OAuth2(mailbox, provide)


def _signed(claims: Mapping[str, object], pem: str) -> str:
    """A JWT with RS256 (RFC 7519, RFC 7523)."""
    try:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError as exc:
        raise missing_extra("cryptography", "google") from exc
    key = load_pem_private_key(pem.encode(), password=None)
    if not isinstance(key, RSAPrivateKey):
        raise ArgumentError("the key of the service account is not RSA")
    text = ".".join(_encoded(json.dumps(part)) for part in ({"alg": "RS256"}, claims))
    return f"{text}.{_encoded(key.sign(text.encode(), PKCS1v15(), SHA256()))}"


def _encoded(part: str | bytes) -> str:
    octets = part.encode() if isinstance(part, str) else part
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def _ask(url: str, form: Mapping[str, str], ca_file: str) -> AccessToken:
    """One request. Raises TokenError."""
    try:
        answer = Requests(ca_file).post(url, data=form)
    except OSError as exc:
        failure = Failure(FailureKind.SIGN_IN_UNREACHABLE, f"{url}: {type(exc).__name__}")
        raise issuer_error(failure, HOST) from exc
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        detail = f"{url}: HTTP {answer.status_code} without a reason"
        raise issuer_error(Failure(FailureKind.SIGN_IN_UNAVAILABLE, detail), HOST)
    return read_token(said, url, HOST)
