"""Small JSON documents over HTTPS, from hosts that an administrator or another document named.

https only, verified; no redirects, no proxies, a bound of octets and of time. A host that no
administrator named must have public addresses only, and the one that was looked at is the one that
is connected to: no document can make the service ask inside of its own network.
"""

import asyncio
import contextlib
import socket
from collections.abc import Mapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import httpx2
import orjson

from pillarbox.errors import ConfigError, FetchError
from pillarbox.net.https import read_body
from pillarbox.net.reach import is_public
from pillarbox.net.tls import ClientContexts

MAX_OCTETS = 262_144
"""Of one document: a set of a hundred keys with certificates is smaller."""

MAX_URL = 2048
MOST_ADDRESSES = 4
"""That are tried of one host."""

STEP_SECONDS = 5.0
"""For each of connecting, writing and reading once."""

Document: TypeAlias = Mapping[str, Any]


class Fetcher:
    """Fetches for one process; whoever calls sets the time for all of it."""

    def __init__(self) -> None:
        self._contexts = ClientContexts()

    async def fetch(self, url: str, *, ca_file: str = "", is_named: bool = False) -> Document:
        """The JSON object at `url`. `is_named`: an administrator named its host, so it may be in
        a private network. Raises FetchError; its text names no more than the host."""
        host, port = _host_of(url)
        addresses = await _addresses_of(host, port, may_be_private=is_named)
        try:
            context = self._contexts.get(verify=True, ca_file=ca_file, for_web=True)
            async with httpx2.AsyncClient(
                verify=context, trust_env=False, timeout=STEP_SECONDS
            ) as client:
                octets = await _ask_each(client, httpx2.URL(url), addresses)
        except ConfigError as error:
            raise FetchError(f"{host}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise FetchError(f"{host}: {_reason(error)}") from error
        return _document(octets, host)


async def _ask_each(client: httpx2.AsyncClient, url: httpx2.URL, addresses: list[str]) -> bytes:
    """What stands at the URL, from the first address that takes the connection."""
    *others, last = addresses
    for address in others:
        with contextlib.suppress(httpx2.ConnectError, httpx2.ConnectTimeout):
            return await _ask(client, url, address)
    return await _ask(client, url, last)


async def _ask(client: httpx2.AsyncClient, url: httpx2.URL, address: str) -> bytes:
    headers = {
        "Host": url.netloc.decode("ascii"),
        "Accept": "application/json",
        # What is packed has no bound.
        "Accept-Encoding": "identity",
    }
    async with client.stream(
        "GET", url.copy_with(host=address), headers=headers, extensions={"sni_hostname": url.host}
    ) as response:
        return await _body(response, url.host)


def _host_of(url: str) -> tuple[str, int | None]:
    """Host and port of an https URL."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    is_plain = url.isascii() and url.isprintable() and len(url) <= MAX_URL
    if not host or not is_plain or parts.scheme != "https" or parts.username is not None:
        raise FetchError("an address that is no https URL")
    return host, port


async def _addresses_of(host: str, port: int | None, *, may_be_private: bool) -> list[str]:
    """The addresses of the host, if they may be connected to."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port or 443, type=socket.SOCK_STREAM
        )
    except (OSError, UnicodeError) as error:
        raise FetchError(f"{host}: its name can not be resolved") from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    if not addresses:
        raise FetchError(f"{host}: it has no address")
    if not may_be_private and not all(map(is_public, addresses)):
        raise FetchError(f"{host}: it is inside of a private network, and nobody named it here")
    return addresses[:MOST_ADDRESSES]


async def _body(response: httpx2.Response, host: str) -> bytes:
    if response.status_code != httpx2.codes.OK:
        raise FetchError(f"{host}: it answered {response.status_code}")
    octets = await read_body(response.aiter_raw(), MAX_OCTETS)
    if octets is None:
        raise FetchError(f"{host}: its answer is longer than {MAX_OCTETS} octets")
    return octets


def _document(octets: bytes, host: str) -> Document:
    try:
        document = orjson.loads(octets)
    except ValueError as error:
        raise FetchError(f"{host}: its answer is no JSON") from error
    if not isinstance(document, dict):
        raise FetchError(f"{host}: its answer is no JSON object")
    return document


def _reason(error: Exception) -> str:
    """What failed, in a few words of the error's kind: what others wrote is not repeated."""
    cause = error.__cause__ or error
    text = str(cause)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted (a CA of its own: --ca-file)"
    if isinstance(error, httpx2.TimeoutException):
        return "it did not answer in time"
    if isinstance(error, httpx2.ConnectError):
        return "no connection could be made"
    return f"the request failed ({type(error).__name__})"
