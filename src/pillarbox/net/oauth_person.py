"""A person signs in at Microsoft, once, for a route: with a code on another device (RFC 8628), or
with the browser of this one (RFC 7636, RFC 8252). What comes of it is a refresh token.

For the command line. The thread of msal is a daemon: it sleeps between its questions, and must not
keep a program alive that was interrupted.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Mapping
from typing import TypeVar

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.oauth_issuers import read_result
from pillarbox.net.oauth_microsoft import LoopRequests, guarded, msal_application
from pillarbox.oauth.sign_in import Access, Flow

BROWSER_SECONDS = 300
"""So long somebody may take in the browser. A code for another device says its own time."""

T = TypeVar("T")


async def sign_in_person(
    access: Access, *, context: ssl.SSLContext, tell: Callable[[str], None]
) -> str | Failure:
    """Let a person sign in; the refresh token. `tell` says what there is to do."""
    sign_in = access.sign_in
    requests = LoopRequests(asyncio.get_running_loop(), context)
    by = _by_device_code if sign_in.flow is Flow.DEVICE_CODE else _by_browser

    def work() -> Mapping[str, object]:
        return by(access, requests, tell)

    said = await _in_daemon(lambda: guarded(sign_in, requests, work))
    issued = said if isinstance(said, Failure) else read_result(sign_in, said)
    if isinstance(issued, Failure):
        return issued
    if not issued.refresh_token:
        return Failure(FailureKind.SIGN_IN_REFUSED, f"{sign_in.issuer}: no refresh token came")
    return issued.refresh_token


def _by_device_code(
    access: Access, requests: LoopRequests, tell: Callable[[str], None]
) -> Mapping[str, object]:
    application = msal_application(access.sign_in, requests)
    flow = application.initiate_device_flow(access.scope.split())
    if "message" not in flow:
        return flow
    tell(str(flow["message"]))
    return application.acquire_token_by_device_flow(flow)


def _by_browser(
    access: Access, requests: LoopRequests, tell: Callable[[str], None]
) -> Mapping[str, object]:
    application = msal_application(access.sign_in, requests)
    tell("Sign in with the browser that opens now.")
    return application.acquire_token_interactive(
        access.scope.split(),
        timeout=BROWSER_SECONDS,
        auth_uri_callback=lambda url: tell(f"No browser was found here. Open this page: {url}"),
    )


async def _in_daemon(work: Callable[[], T]) -> T:
    """Run it in a thread that ends with the program. It must not raise."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        result = work()
        try:
            loop.call_soon_threadsafe(_settle, done, result)
        except RuntimeError:
            # The loop is closed: nobody waits any more.
            return

    threading.Thread(target=run, daemon=True, name="sign-in").start()
    return await done


def _settle(done: "asyncio.Future[T]", result: T) -> None:
    if not done.done():
        done.set_result(result)
