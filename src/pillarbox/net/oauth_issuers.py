"""Asking any issuer of OAuth2 for a token, once, and reading what it answers (RFC 6749)."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net import oauth_errors
from pillarbox.net.https import Answer, HttpsFailed, request
from pillarbox.oauth.sign_in import Access, SignIn

_USUAL_LIFETIME_SECONDS = 3600
"""RFC 6749 section 5.1: where `expires_in` is left out "the authorization server SHOULD provide the
expiration time via other means": an hour is what everybody takes."""

_LONGEST_LIFETIME_SECONDS = 24 * 3600
"""A token is asked for once a day at least, whatever the issuer says."""

ERRORS_FROM = 400
_SERVER_ERRORS_FROM = 500
_TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Issued:
    """What an issuer gave. `refresh_token` is "" where none came."""

    access_token: str = field(repr=False)
    lifetime_seconds: int
    refresh_token: str = field(default="", repr=False)


async def ask(access: Access, refresh_token: str, *, context: ssl.SSLContext) -> Issued | Failure:
    """Ask for a token. `refresh_token` is what a person granted, "" for an application."""
    sign_in = access.sign_in
    form = {"grant_type": "client_credentials", "client_id": sign_in.client_id}
    if refresh_token:
        form |= {"grant_type": "refresh_token", "refresh_token": refresh_token}
    # RFC 6749 section 2.3.1: in the form, which Google wants, rather than by HTTP Basic.
    if sign_in.secret:
        form["client_secret"] = sign_in.secret
    if access.scope:
        form["scope"] = access.scope
    headers = {"Accept": "application/json"}
    try:
        answer = await request(
            "POST", sign_in.token_url, context=context, data=form, headers=headers
        )
    except HttpsFailed as error:
        return oauth_errors.unreachable(sign_in.issuer, str(error))
    return read_answer(sign_in, answer)


def read_answer(sign_in: SignIn, answer: Answer) -> Issued | Failure:
    """What the answer of a token endpoint says."""
    try:
        said = json.loads(answer.text)
    except (ValueError, RecursionError):
        said = None
    if isinstance(said, dict) and (answer.status < ERRORS_FROM or "error" in said):
        return read_result(sign_in, said)
    if answer.status >= _SERVER_ERRORS_FROM or answer.status == _TOO_MANY:
        return oauth_errors.unavailable(sign_in.issuer, f"HTTP {answer.status}")
    detail = f"{sign_in.issuer}: HTTP {answer.status} without a reason"
    return Failure(FailureKind.SIGN_IN_REFUSED, detail)


def read_result(sign_in: SignIn, said: Mapping[str, object]) -> Issued | Failure:
    """A token or an error, as RFC 6749 section 5 writes them."""
    token = said.get("access_token")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
        codes = said.get("error_codes")
        return oauth_errors.refused(
            sign_in.issuer,
            said.get("error"),
            codes if isinstance(codes, list) else (),
            str(said.get("error_description") or ""),
        )
    lifetime, refresh_token = said.get("expires_in"), said.get("refresh_token")
    try:
        seconds = int(str(lifetime)) if lifetime is not None else _USUAL_LIFETIME_SECONDS
    except ValueError:
        seconds = _USUAL_LIFETIME_SECONDS
    seconds = max(0, min(seconds, _LONGEST_LIFETIME_SECONDS))
    return Issued(token, seconds, refresh_token if isinstance(refresh_token, str) else "")
