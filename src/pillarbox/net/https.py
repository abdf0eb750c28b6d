"""One HTTPS request with an end: a limit for the whole of it, and for the size of its answer.

For sign-in servers. httpx2 counts its time-outs anew with each piece that comes; here a server that
trickles gets no more time than one that is silent.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx2

from pillarbox.errors import PillarboxError

REQUEST_SECONDS = 20.0
"""For one request with its answer, connecting included; that may take half of it, and so may the
handshake."""

MAX_ANSWER_OCTETS = 1024 * 1024


class HttpsFailed(PillarboxError):
    """No answer came that could be used; the text says why, and nothing that was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. It may hold a token, so its text is never shown."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    text: str = field(repr=False)


async def request(
    method: str,
    url: str,
    *,
    context: ssl.SSLContext,
    data: Mapping[str, str | bytes] | None = None,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    seconds: float = REQUEST_SECONDS,
) -> Answer:
    """Make one request; `data` is sent as a form. Raises HttpsFailed."""
    sent = dict(headers or {})
    if data is not None:
        sent["Content-Type"] = "application/x-www-form-urlencoded"
    # httpx2 leaves a connection open where it is cancelled while it shakes hands, so it has a limit
    # of its own for that, which comes first.
    to_connect = seconds / 2
    limits = httpx2.Timeout(seconds, connect=to_connect)
    # Not by httpx2: of octets, which msal gives, it would write the Python literal.
    content = None if data is None else urlencode(data)
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(verify=context, timeout=limits) as client,
            client.stream(method, url, content=content, params=params, headers=sent) as response,
        ):
            octets = await read_body(response.aiter_bytes(), MAX_ANSWER_OCTETS)
            if octets is None:
                raise HttpsFailed("the answer has no end")
            text = octets.decode("utf-8", "replace")
            return Answer(response.status_code, dict(response.headers), text)
    except TimeoutError as exc:
        raise HttpsFailed(f"no answer within {seconds:g} seconds") from exc
    except httpx2.ConnectTimeout as exc:
        raise HttpsFailed(f"no connection within {to_connect:g} seconds") from exc
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as exc:
        # The texts of httpx2 can hold the address with all its parameters; names of kinds can not.
        raise HttpsFailed(_reason(exc)) from exc


async def read_body(pieces: AsyncIterator[bytes], limit_octets: int) -> bytes | None:
    """All of a body; None where it is longer."""
    octets = bytearray()
    async for piece in pieces:
        octets += piece
        if len(octets) > limit_octets:
            return None
    return bytes(octets)


def causes(exc: BaseException) -> Iterator[BaseException]:
    """An error and what is behind it, the innermost last."""
    inner: BaseException | None = exc
    while inner is not None:
        yield inner
        inner = inner.__cause__ or inner.__context__


def _reason(exc: BaseException) -> str:
    """What is behind an error: the innermost cause that the system or OpenSSL named."""
    *_, inner = causes(exc)
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {inner.verify_message}"
    if isinstance(inner, ssl.SSLError):
        return f"TLS failed: {(inner.reason or 'no reason given').replace('_', ' ').lower()}"
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    return type(exc).__name__
