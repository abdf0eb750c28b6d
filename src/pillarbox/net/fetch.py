"""Fetching a small document from a host that strangers name: HTTPS, few redirects, little time, few
octets. HTTP/1.1 (RFC 9112) by h11; no cookies, no compression, nothing kept.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import h11

from pillarbox.discovery.hosts import host_name
from pillarbox.errors import DnsFailure, PillarboxError
from pillarbox.net.reach import NoSuchHostError, Reach, ReachError, in_words, stream_failure
from pillarbox.net.streams import Stream

MAX_OCTETS = 65_536
MAX_HEADER_OCTETS = 16_384
MAX_REDIRECTS = 3
FETCH_SECONDS = 5.0
"""For all of it, redirects included."""

_PORTS = {"https": 443, "http": 80}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABSENT = frozenset({401, 403, 404, 410})
"""There is nothing for us, whatever the server means by it."""


class FetchError(PillarboxError):
    """The document could not be had; the text says why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document. `is_secure` is whether each step to it was HTTPS; `kind` its media type, as the
    server says."""

    content: bytes
    url: str
    is_secure: bool
    kind: str = ""


async def fetch(url: str, reach: Reach, *, redirects: int = MAX_REDIRECTS) -> Fetched | None:
    """The document at a URL, None where there is none. Raises FetchError.

    A redirect may lead from HTTP to HTTPS and never back.
    """
    with in_words_of_fetching():
        async with asyncio.timeout(FETCH_SECONDS):
            try:
                return await _follow(url, reach, redirects)
            except NoSuchHostError:
                return None


@contextmanager
def in_words_of_fetching() -> Iterator[None]:
    """What goes wrong inside is a FetchError."""
    try:
        yield
    except TimeoutError as exc:
        raise FetchError("it took too long") from exc
    except (ReachError, DnsFailure) as exc:
        raise FetchError(str(exc)) from exc
    except h11.ProtocolError as exc:
        raise FetchError("the answer is no HTTP") from exc
    except OSError as exc:
        raise FetchError(in_words(stream_failure(exc))) from exc


async def _follow(url: str, reach: Reach, redirects: int) -> Fetched | None:
    is_secure = True
    for _ in range(redirects + 1):
        scheme, host, target = split_url(url)
        is_secure = is_secure and scheme == "https"
        async with reach.open(host, _PORTS[scheme]) as plain:
            stream: Stream = plain
            if scheme == "https":
                stream = await reach.secure(plain, host)
            head, content = await exchange(stream, "GET", host, target)
        status = head.status_code
        if status == 200:
            return Fetched(content, url, is_secure, _field(head, b"content-type"))
        if status in _ABSENT:
            return None
        location = _field(head, b"location")
        if status not in _REDIRECTS or not location:
            raise FetchError(f"the server answered {status}")
        url = _next(url, location)
    raise FetchError(f"it is redirected{' too often' if redirects else ', which is not followed'}")


def split_url(url: str) -> tuple[str, str, str]:
    """Scheme, host and request target of a URL that may be asked. Raises FetchError."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise FetchError("the address is not valid") from exc
    if parts.scheme not in _PORTS or port not in (None, _PORTS[parts.scheme]):
        raise FetchError("it leads to another service than HTTPS")
    host = host_name(parts.hostname or "")
    if parts.username is not None or host is None:
        raise FetchError("the address is not valid")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, target


def _next(url: str, location: str) -> str:
    try:
        following = urljoin(url, location)
    except ValueError as exc:
        raise FetchError("it is redirected to no address") from exc
    if url.startswith("https:") and not following.startswith("https:"):
        raise FetchError("it is redirected away from HTTPS")
    return following


async def exchange(
    stream: Stream, method: str, host: str, target: str, *, sent: bytes = b"", kind: str = ""
) -> tuple[h11.Response, bytes]:
    """Head and content of one answer; `sent` is content of this media type. Of an answer to such
    only the head is waited for."""
    client = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEADER_OCTETS)
    headers = [("Host", host), ("User-Agent", "pillarbox"), ("Connection", "close")]
    if sent:
        headers += [("Content-Type", kind), ("Content-Length", str(len(sent)))]
    octets = client.send(h11.Request(method=method, target=target.encode(), headers=headers)) or b""
    if sent:
        octets += client.send(h11.Data(data=sent)) or b""
    await stream.write(octets + (client.send(h11.EndOfMessage()) or b""))
    head, content = h11.Response(status_code=200, headers=[]), bytearray()
    while True:
        match client.next_event():
            case h11.NEED_DATA:
                client.receive_data(await stream.read())
            case h11.Response() as head:
                if head.status_code != 200 or sent:
                    return head, b""
            case h11.Data(data=data):
                content += data
                if len(content) > MAX_OCTETS:
                    raise FetchError("it is too large")
            case h11.EndOfMessage():
                return head, bytes(content)
            case h11.InformationalResponse():
                continue
            case _:
                raise FetchError("the answer ended early")


def _field(response: h11.Response, wanted: bytes) -> str:
    values = [value for name, value in response.headers if name == wanted]
    return values[0].decode("ascii", "replace") if values else ""
