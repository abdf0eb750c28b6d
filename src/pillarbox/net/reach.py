"""Connecting to hosts that strangers name: to public addresses only, and to those that were looked
at.

A name is looked up once, each of its addresses is judged, and the connection goes to the address
itself: a name that leads elsewhere the next time gains nothing (DNS rebinding).
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from pillarbox.discovery.hosts import host_name
from pillarbox.errors import PillarboxError
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure
from pillarbox.net.dns import Resolver
from pillarbox.net.streams import PlainStream, TlsStream
from pillarbox.net.tls import hop_failure

MAX_ADDRESSES = 4
"""So many addresses of a name are tried."""

CONNECT_SECONDS = 4.0
"""For one address."""

_NAT64 = IPv6Network("64:ff9b::/96")

Connect: TypeAlias = Callable[
    [str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
]
"""Connects to an address and a port."""


class ReachError(PillarboxError):
    """A host may not be connected to."""


class NoSuchHostError(ReachError):
    """A host has no address."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How hosts are reached. `may_be_private` says for which host names an address inside of a
    private network is as good as a public one; `tls` is what their certificates must satisfy."""

    resolver: Resolver
    tls: ssl.SSLContext
    connect: Connect = asyncio.open_connection
    may_be_private: Callable[[str], bool] = field(default=lambda _: False)

    async def addresses(self, host: str) -> list[str]:
        """The addresses of a host that may be connected to. Raises ReachError where there are none,
        DnsFailure."""
        name = host_name(host)
        if name is None:
            raise ReachError("it is no host name")
        found = list(dict.fromkeys(await self.resolver.addresses(name)))[:MAX_ADDRESSES]
        if not found:
            raise NoSuchHostError("the name was not found")
        if self.may_be_private(name):
            return found
        public = [address for address in found if is_public(address)]
        if not public:
            raise ReachError("it leads into a private network")
        return public

    @asynccontextmanager
    async def open(self, host: str, port: int) -> AsyncIterator[PlainStream]:
        """A connection to the first address that answers, dropped at the end. Raises ReachError,
        DnsFailure, OSError (TimeoutError among them)."""
        stream = await self._first(await self.addresses(host), port)
        try:
            yield stream
        finally:
            stream.close()

    async def secure(self, stream: PlainStream, host: str) -> TlsStream:
        """The same connection under TLS, with a certificate that is valid for the host. Raises
        ssl.SSLError, OSError."""
        secured = TlsStream(stream, self.tls, host)
        await secured.shake_hands()
        return secured

    async def _first(self, addresses: list[str], port: int) -> PlainStream:
        error = OSError()
        for address in addresses:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    return PlainStream(*await self.connect(address, port))
            except OSError as exc:
                error = exc
        raise error


def stream_failure(exc: OSError) -> Failure:
    """What an error of `open`, `secure` or the stream means."""
    if isinstance(exc, ssl.SSLError):
        return hop_failure(exc)
    if isinstance(exc, ConnectionError) and not isinstance(exc, ConnectionRefusedError):
        return Failure(FailureKind.CONNECTION_LOST, "it was talked to")
    return connect_failure(exc)


def in_words(failure: Failure) -> str:
    """A failure in three or four words."""
    return failure.kind.name.lower().replace("_", " ")


def is_public(text: str) -> bool:
    """Whether an address belongs to the public internet; an IPv4 address inside of an IPv6 one is
    judged as what it is."""
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        inner = _inside(address)
        return all(map(_is_public, inner)) if inner else _is_public(address)
    return _is_public(address)


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses to which an IPv6 address leads (RFC 4291, 3056, 4380, 6052)."""
    if address.ipv4_mapped is not None:
        return [address.ipv4_mapped]
    if address.sixtofour is not None:
        return [address.sixtofour]
    if address.teredo is not None:
        return list(address.teredo)
    if address in _NAT64 or int(address) < 1 << 32:
        return [IPv4Address(int(address) & 0xFFFFFFFF)]
    return []


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    return address.is_global and not address.is_multicast and not address.is_reserved
