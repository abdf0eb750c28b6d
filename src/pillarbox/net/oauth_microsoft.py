"""Asking Microsoft for tokens, by its own library.

msal waits in a thread, but its requests are made by the event loop (net.https): they end in time
whatever the server does, so a thread is never lost to one. Nothing is kept in msal's caches: what
is kept, and where, net.oauth says.
"""

import asyncio
import functools
import ssl
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net import oauth_errors
from pillarbox.net.https import REQUEST_SECONDS, Answer, HttpsFailed, request
from pillarbox.net.oauth_issuers import ERRORS_FROM, Issued, read_answer, read_result
from pillarbox.oauth.sign_in import Access, Flow, SignIn

_LOOP_SECONDS = 10.0
"""A request ends by itself; so much longer a thread waits for an event loop that is gone."""


class MsalApplication(Protocol):
    """What is used of msal's applications."""

    def acquire_token_by_refresh_token(
        self, refresh_token: str, scopes: list[str]
    ) -> Mapping[str, object]:
        """Use a refresh token."""
        ...

    def acquire_token_for_client(self, scopes: list[str]) -> Mapping[str, object]:
        """Sign in as the application itself."""
        ...

    def initiate_device_flow(self, scopes: list[str]) -> dict[str, object]:
        """Ask for a code that a person enters elsewhere."""
        ...

    def acquire_token_by_device_flow(self, flow: dict[str, object]) -> Mapping[str, object]:
        """Wait until somebody did."""
        ...

    def acquire_token_interactive(
        self, scopes: list[str], *, timeout: int, auth_uri_callback: Callable[[str], None]
    ) -> Mapping[str, object]:
        """Let a person sign in with the browser of this machine."""
        ...


async def ask(
    access: Access, refresh_token: str, *, context: ssl.SSLContext, threads: Executor
) -> Issued | Failure:
    """Ask for a token. `refresh_token` is what a person granted, "" for an application."""
    loop = asyncio.get_running_loop()
    requests = LoopRequests(loop, context)
    work = functools.partial(_use_msal, access, refresh_token, requests)
    return await loop.run_in_executor(threads, work)


def _use_msal(access: Access, refresh_token: str, requests: "LoopRequests") -> Issued | Failure:
    """Runs in a thread."""
    sign_in = access.sign_in

    def work() -> Mapping[str, object]:
        application = msal_application(sign_in, requests)
        scopes = access.scope.split()
        if refresh_token:
            return dict(application.acquire_token_by_refresh_token(refresh_token, scopes))
        return dict(application.acquire_token_for_client(scopes))

    said = guarded(sign_in, requests, work)
    return said if isinstance(said, Failure) else read_result(sign_in, said)


def guarded(
    sign_in: SignIn, requests: "LoopRequests", work: Callable[[], Mapping[str, object]]
) -> Mapping[str, object] | Failure:
    """Run something of msal's; what it raises becomes a failure. Runs in a thread."""
    try:
        return work()
    except HttpsFailed as error:
        return oauth_errors.unreachable(sign_in.issuer, str(error))
    except Exception as error:  # noqa: BLE001 - a library's own kinds; its texts are not shown
        last = requests.last
        if last is not None and last.status >= ERRORS_FROM:
            # The tenant could not be looked up: an answer that msal only passes on in words.
            found = read_answer(sign_in, last)
            if isinstance(found, Failure):
                return found
        kind, what = FailureKind.SIGN_IN_REFUSED, type(error).__name__
        if sign_in.flow is Flow.CERTIFICATE and last is not None:
            kind, what = FailureKind.SIGN_IN_CERTIFICATE_REFUSED, "the key can not be used"
        return Failure(kind, f"{sign_in.issuer}: {what}")


def msal_application(sign_in: SignIn, requests: "LoopRequests") -> MsalApplication:
    """An application of msal; it looks up the tenant at once, and keeps nothing for later."""
    import msal

    credential: str | dict[str, str] | None = None
    if sign_in.flow is Flow.CLIENT_SECRET:
        credential = sign_in.secret
    elif sign_in.flow is Flow.CERTIFICATE:
        credential = {
            "private_key": sign_in.private_key,
            "public_certificate": sign_in.certificate,
        }
    is_public = credential is None
    kind = msal.PublicClientApplication if is_public else msal.ConfidentialClientApplication
    application: MsalApplication = kind(
        sign_in.client_id,
        authority=sign_in.issuer,
        client_credential=credential,
        http_client=requests,
        instance_discovery=False,
    )
    return application


@dataclass(frozen=True, slots=True)
class _Response:
    """An answer as msal expects it."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def raise_for_status(self) -> None:
        """As the interface wants it."""
        if self.status_code >= ERRORS_FROM:
            raise HttpsFailed(f"HTTP {self.status_code}")


class LoopRequests:
    """msal's HTTP client: called in a thread, it lets the event loop make the request."""

    def __init__(self, loop: asyncio.AbstractEventLoop, context: ssl.SSLContext) -> None:
        self._loop = loop
        self._context = context
        self.last: Answer | None = None

    def get(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> _Response:
        """See msal."""
        return self._make("GET", url, None, params, headers)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, str | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: object,
    ) -> _Response:
        """See msal."""
        return self._make("POST", url, data, params, headers)

    def close(self) -> None:
        """Nothing is kept open."""

    def _make(
        self,
        method: str,
        url: str,
        data: Mapping[str, str | bytes] | None,
        params: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> _Response:
        made = request(
            method, url, context=self._context, data=data, params=params, headers=headers
        )
        self.last = None
        future = asyncio.run_coroutine_threadsafe(made, self._loop)
        answer = future.result(REQUEST_SECONDS + _LOOP_SECONDS)
        self.last = answer
        return _Response(answer.status, answer.text, answer.headers)
