"""Logging in at Microsoft 365 with OAuth2 (the extra `microsoft`, which brings msal).

    auth = microsoft.client_secret("app@contoso.com", tenant_id=…, client_id=…, secret=…)
    pillarbox.connect("submission://smtp.office365.com", auth=auth)

An application signs in as itself by secret or certificate; a person once by a code that is entered
on another device. docs/client.md says what has to be registered.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pillarbox.client.auth import AccessToken, OAuth2
from pillarbox.client.errors import ArgumentError, TokenError
from pillarbox.client.issuers import issuer_error, missing_extra, read_token
from pillarbox.client.requests import Requests
from pillarbox.client.server import check_given, check_is_text
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.oauth.clouds import CLOUDS, Cloud, CloudFacts

SIGN_IN_AGAIN = "sign-in-again"


class _Application(Protocol):
    """What is used of msal's applications."""

    def acquire_token_for_client(self, scopes: list[str]) -> Mapping[str, object]: ...

    def acquire_token_by_refresh_token(
        self, refresh_token: str, scopes: list[str]
    ) -> Mapping[str, object]: ...

    def initiate_device_flow(self, scopes: list[str]) -> dict[str, object]: ...

    def acquire_token_by_device_flow(self, flow: dict[str, object]) -> Mapping[str, object]: ...


@dataclass(frozen=True, slots=True)
class _Registration:
    """Which application signs in where. `authority` and `ca_file` differ from the cloud's only for
    tests and proxies."""

    tenant_id: str
    client_id: str
    cloud: str
    authority: str
    ca_file: str
    credential: str | dict[str, str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_given("tenant_id", self.tenant_id)
        check_given("client_id", self.client_id)

    @property
    def facts(self) -> CloudFacts:
        """What is known of the cloud. Raises ArgumentError."""
        try:
            return CLOUDS[Cloud(self.cloud)]
        except ValueError as exc:
            known = ", ".join(cloud.value for cloud in Cloud)
            raise ArgumentError(f"cloud={self.cloud!r}", fix=f"write one of {known}") from exc

    @property
    def issuer(self) -> str:
        """The address that is asked for tokens."""
        return f"{self.authority or self.facts.authority}/{self.tenant_id}"

    def application(self) -> _Application:
        """An application of msal. It may look up the tenant at once. Raises TokenError."""
        try:
            import msal
        except ImportError as exc:
            raise missing_extra("msal", "microsoft") from exc
        is_public = self.credential is None
        kind = msal.PublicClientApplication if is_public else msal.ConfidentialClientApplication
        made: _Application = kind(
            self.client_id,
            authority=self.issuer,
            client_credential=self.credential,
            # msal's own lets the environment replace the trusted roots, and waits without end.
            http_client=Requests(self.ca_file),
            instance_discovery=False,
        )
        return made

    def ask(self, work: Callable[[], Mapping[str, object]]) -> AccessToken:
        """The token that msal gets. Raises TokenError."""
        host = self.facts.host
        try:
            said = work()
        except TokenError:
            raise
        except OSError as exc:
            failure = Failure(
                FailureKind.SIGN_IN_UNREACHABLE, f"{self.issuer}: {type(exc).__name__}"
            )
            raise issuer_error(failure, host) from exc
        except Exception as exc:
            kind = FailureKind.SIGN_IN_REFUSED
            if isinstance(self.credential, dict):
                kind = FailureKind.SIGN_IN_CERTIFICATE_REFUSED
            failure = Failure(kind, f"{self.issuer}: {type(exc).__name__}")
            raise issuer_error(failure, host) from exc
        return read_token(said, self.issuer, host)


def client_secret(
    mailbox: str,
    *,
    tenant_id: str,
    client_id: str,
    secret: str,
    cloud: str = Cloud.WORLDWIDE.value,
    authority: str = "",
    ca_file: str = "",
) -> OAuth2:
    """Log in to a mailbox as an application, with its client secret. Raises ArgumentError."""
    check_given("the client secret", secret)
    return _as_application(
        mailbox, _Registration(tenant_id, client_id, cloud, authority, ca_file, secret)
    )


def certificate(
    mailbox: str,
    *,
    tenant_id: str,
    client_id: str,
    private_key: str,
    public_certificate: str,
    cloud: str = Cloud.WORLDWIDE.value,
    authority: str = "",
    ca_file: str = "",
) -> OAuth2:
    """Log in to a mailbox as an application, with a key in place of a secret; both texts are PEM,
    which may be one text with both. Raises ArgumentError."""
    credential = {
        "private_key": _pem_block(private_key, "PRIVATE KEY"),
        "public_certificate": _pem_block(public_certificate, "CERTIFICATE"),
    }
    return _as_application(
        mailbox, _Registration(tenant_id, client_id, cloud, authority, ca_file, credential)
    )


def _pem_block(text: str, kind: str) -> str:
    check_is_text(f"the {kind.lower()}", text)
    found = re.search(rf"-----BEGIN ([A-Z ]*{kind})-----.*?-----END \1-----", text, re.DOTALL)
    if found is None:
        raise ArgumentError(f"there is no {kind.lower()} in PEM form", fix="give the text of both")
    return f"{found[0]}\n"


def _as_application(mailbox: str, registration: _Registration) -> OAuth2:
    scope = registration.facts.app_scope
    if not scope:
        raise ArgumentError(
            f"cloud={registration.cloud!r} knows no applications", fix="use device_code()"
        )

    def provide() -> AccessToken:
        return registration.ask(
            lambda: registration.application().acquire_token_for_client([scope])
        )

    return OAuth2(mailbox, provide)


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def device_code(
    mailbox: str,
    *,
    tenant_id: str,
    client_id: str,
    cloud: str = Cloud.WORLDWIDE.value,
    cache_file: str | os.PathLike[str] | None = None,
    tell: Callable[[str], object] = _tell,
    authority: str = "",
    ca_file: str = "",
) -> OAuth2:
    """Log in to a mailbox as a person, who enters a code on another device when `tell` says so.

    With `cache_file` that is needed once: it keeps the refresh token, readable for this user alone.
    Raises ArgumentError.
    """
    registration = _Registration(tenant_id, client_id, cloud, authority, ca_file)
    person = _Person(registration, Path(cache_file) if cache_file else None, tell)
    return OAuth2(mailbox, person.provide)


class _Person:
    """The sign-in of one person."""

    def __init__(
        self, registration: _Registration, cache_file: Path | None, tell: Callable[[str], object]
    ) -> None:
        self._registration = registration
        self._scopes = [registration.facts.user_scope]
        self._cache_file = cache_file
        self._tell = tell
        self._refresh_token = ""

    def provide(self) -> AccessToken:
        """A token, by the refresh token that is kept, or by a new code."""
        if not self._refresh_token and self._cache_file is not None and self._cache_file.exists():
            self._refresh_token = self._cache_file.read_text(encoding="utf-8").strip()
        if self._refresh_token:
            try:
                return self._registration.ask(self._by_refresh_token)
            except TokenError as exc:
                if exc.code != SIGN_IN_AGAIN:
                    raise
        return self._registration.ask(self._by_code)

    def _by_refresh_token(self) -> Mapping[str, object]:
        application = self._registration.application()
        return self._kept(
            application.acquire_token_by_refresh_token(self._refresh_token, self._scopes)
        )

    def _by_code(self) -> Mapping[str, object]:
        application = self._registration.application()
        flow = application.initiate_device_flow(self._scopes)
        if "message" not in flow:
            return flow
        self._tell(str(flow["message"]))
        return self._kept(application.acquire_token_by_device_flow(flow))

    def _kept(self, said: Mapping[str, object]) -> Mapping[str, object]:
        """The newest refresh token is kept: the one before it may be worth nothing any more."""
        token = said.get("refresh_token")
        if isinstance(token, str) and token not in ("", self._refresh_token):
            self._refresh_token = token
            if self._cache_file is not None:
                _write_privately(self._cache_file, f"{token}\n")
        return said


def _write_privately(path: Path, text: str) -> None:
    """In one step, so that a crash leaves the old file or the new one."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    new.replace(path)
