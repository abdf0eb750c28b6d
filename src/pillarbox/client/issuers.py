"""What issuers of access tokens answer (RFC 6749 section 5)."""

from collections.abc import Mapping

from pillarbox.client.auth import AccessToken
from pillarbox.client.errors import ClientError, TokenError
from pillarbox.client.server import SUBMISSION_PORT, Server
from pillarbox.client.verdicts import error_of
from pillarbox.explain.failures import Failure
from pillarbox.net.oauth_errors import refused

_USUAL_LIFETIME_SECONDS = 3600.0
"""Where the answer does not say: what everybody takes."""


def read_token(said: Mapping[str, object], issuer: str, host: str) -> AccessToken:
    """The token in an answer. Raises TokenError for one that has none."""
    token, lifetime = said.get("access_token"), said.get("expires_in")
    if isinstance(token, str) and token:
        try:
            seconds = float(str(lifetime)) if lifetime is not None else _USUAL_LIFETIME_SECONDS
        except ValueError:
            seconds = _USUAL_LIFETIME_SECONDS
        return AccessToken(token, seconds)
    codes = said.get("error_codes")
    failure = refused(
        issuer,
        said.get("error"),
        codes if isinstance(codes, list) else (),
        str(said.get("error_description") or ""),
    )
    raise issuer_error(failure, host)


def issuer_error(failure: Failure, host: str) -> ClientError:
    """The error that a failure to get a token for a host is raised as."""
    return error_of(failure, Server(host, SUBMISSION_PORT, is_implicit=False))


def missing_extra(package: str, extra: str) -> TokenError:
    """A package is not there that an extra brings."""
    return TokenError(
        f"the package {package} is not installed",
        code="missing-extra",
        cause=f"It comes with the extra {extra} and not by itself.",
        fix=f'pip install "pillarbox[{extra}]"',
    )
