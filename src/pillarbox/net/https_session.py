"""Requests to one HTTPS server over one kept connection, each with an end.

For next hops: an error says whether the server may have seen the request.
"""

import asyncio
import ssl
from collections.abc import Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx2

from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure
from pillarbox.net.https import MAX_ANSWER_OCTETS, Answer, causes, read_body
from pillarbox.net.tls import hop_failure

_NOT_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_PIECE_SECONDS = 60.0
"""For one piece to be sent or to come."""

_SUCCESS = 2
_BEGUN = "http11.send_request_headers.started"
"""What httpcore2 calls the moment when the connection stands and the request goes out."""


class HttpsSession:
    """One HTTP/1.1 connection, opened with the first request and again when it was lost."""

    def __init__(
        self, context: ssl.SSLContext, *, connect_seconds: float, total_seconds: float
    ) -> None:
        self._total_seconds = total_seconds
        self._is_open = False
        self._client = httpx2.AsyncClient(
            verify=context,
            # None is kept: whoever is on the way could set one that no request can carry.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx2.Timeout(_PIECE_SECONDS, connect=connect_seconds),
            limits=httpx2.Limits(
                max_connections=1, max_keepalive_connections=1, keepalive_expiry=None
            ),
        )

    @property
    def is_open(self) -> bool:
        """Whether there is a connection: also while a request is on its way, however long the
        server takes for it."""
        return self._is_open

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes = b""
    ) -> Answer | Failure:
        """Make one request. A failure is CONFIRMATION_LOST where the server may have acted on it;
        all others are from before it was sent. A success whose body can not be read has none."""
        made = await self._exchange(method, url, headers=headers, content=content)
        self._is_open = (
            isinstance(made, Answer) and made.headers.get("connection", "").lower() != "close"
        )
        return made

    async def _note(self, event: str, _: object) -> None:
        if event == _BEGUN:
            self._is_open = True

    async def _exchange(
        self, method: str, url: str, *, headers: Mapping[str, str], content: bytes
    ) -> Answer | Failure:
        asked = self._client.stream(
            method,
            url,
            headers=dict(headers),
            content=content,
            extensions={"trace": self._note},
        )
        begun: Answer | None = None
        try:
            async with asyncio.timeout(self._total_seconds), asked as got:
                begun = Answer(got.status_code, dict(got.headers) | {"connection": "close"}, "")
                octets = await read_body(got.aiter_bytes(), MAX_ANSWER_OCTETS)
                if octets is not None:
                    text = octets.decode("utf-8", "replace")
                    return Answer(got.status_code, dict(got.headers), text)
                failure = Failure(FailureKind.CONFIRMATION_LOST, "the answer has no end")
        except _NOT_SENT as exc:
            failure = _not_connected(exc)
        except httpx2.InvalidURL:
            failure = Failure(FailureKind.NAME_NOT_FOUND)
        except (TimeoutError, httpx2.TimeoutException):
            failure = Failure(FailureKind.CONFIRMATION_LOST, "it did not answer in time")
        except (httpx2.HTTPError, OSError) as exc:
            # The texts of httpx2 can hold what was sent; names of kinds can not.
            failure = Failure(FailureKind.CONFIRMATION_LOST, type(exc).__name__)
        # That it was done says the status alone; why it was not, the body.
        return begun if begun is not None and begun.status // 100 == _SUCCESS else failure

    async def close(self) -> None:
        """Close the connection."""
        self._is_open = False
        await self._client.aclose()


def _not_connected(exc: BaseException) -> Failure:
    """What is behind an error of connecting: the causes that the system or OpenSSL named."""
    last: OSError | None = None
    for inner in causes(exc):
        if isinstance(inner, ssl.SSLError):
            return hop_failure(inner)
        if isinstance(inner, OSError):
            last = inner
    if last is not None:
        return connect_failure(last)
    timed_out = isinstance(exc, httpx2.TimeoutException)
    kind = FailureKind.CONNECTION_TIMED_OUT if timed_out else FailureKind.UNREACHABLE
    return Failure(kind, type(exc).__name__)
