"""Both handshakes, from the first octet and after STARTTLS, and in plain words why one failed."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, cast

from pillarbox.explain.refusals import Refusal
from pillarbox.net.tls import describe
from pillarbox.reception.last_words import Handshake

SHUTDOWN_SECONDS = 5.0
"""How long a closing session waits for the client's own goodbye (close_notify)."""

READ_AHEAD_OCTETS = 32 * 1024
"""While a session is not read, the TLS layer takes no more once it holds so much. It keeps whatever
memory it has needed until the session ends, and the kernel holds what follows."""

_HUNG_UP = "the client hung up during the handshake"
_NO_TLS = "the client does not speak TLS here: it sent plain text"
_PROXIED = "a load balancer begins with the PROXY protocol, which is not spoken here"
_TOO_OLD = "the client only speaks a version of TLS or SSL before 1.2: it is too old"
_NOT_TRUSTED = "the client does not trust the certificate of this server"

# By the names that OpenSSL gives to what went wrong.
_CAUSES: dict[str, tuple[Refusal, str]] = {
    "HTTP_REQUEST": (Refusal.WRONG_PROTOCOL, "a web browser or HTTP client: wrong port"),
    "HTTPS_PROXY_REQUEST": (Refusal.WRONG_PROTOCOL, "an HTTP proxy request: wrong port"),
    "WRONG_VERSION_NUMBER": (Refusal.PLAIN_ON_TLS_PORT, _NO_TLS),
    "PACKET_LENGTH_TOO_LONG": (Refusal.PLAIN_ON_TLS_PORT, _NO_TLS),
    "RECORD_LAYER_FAILURE": (Refusal.PLAIN_ON_TLS_PORT, _NO_TLS),
    "UNSUPPORTED_PROTOCOL": (Refusal.TLS_TOO_OLD, _TOO_OLD),
    "VERSION_TOO_LOW": (Refusal.TLS_TOO_OLD, _TOO_OLD),
    "NO_SHARED_CIPHER": (
        Refusal.HANDSHAKE_FAILED,
        "the client offers no cipher suite that counts as safe: it is too old",
    ),
    "TLSV1_ALERT_UNKNOWN_CA": (
        Refusal.HANDSHAKE_FAILED,
        f"{_NOT_TRUSTED}: import its CA there, or use a certificate of a public CA",
    ),
    "SSLV3_ALERT_BAD_CERTIFICATE": (Refusal.HANDSHAKE_FAILED, _NOT_TRUSTED),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": (
        Refusal.HANDSHAKE_FAILED,
        f"{_NOT_TRUSTED}, or connects to a name that is not in it",
    ),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": (
        Refusal.HANDSHAKE_FAILED,
        "the client finds the certificate of this server expired: look at both clocks too",
    ),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        Refusal.HANDSHAKE_FAILED,
        "the client did not find a way to encrypt that both sides know",
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": (
        Refusal.HANDSHAKE_FAILED,
        "the client does not accept TLS 1.2 or 1.3",
    ),
}


class HandshakeError(Exception):
    """The handshake failed: `refusal` names the kind, `cause` says why, for administrators."""

    def __init__(self, refusal: Refusal, cause: str) -> None:
        super().__init__(cause)
        self.refusal = refusal
        self.cause = cause


async def encrypt_socket(
    accepted: socket.socket,
    protocol: asyncio.BaseProtocol,
    handshake: Handshake,
) -> None:
    """Shake hands as the server on a fresh socket; the protocol is told of its connection when it
    is encrypted. Raises HandshakeError; the socket is closed then."""
    loop = asyncio.get_running_loop()
    with _explained(handshake):
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            accepted,
            ssl=cast("ssl.SSLContext", handshake),
            ssl_handshake_timeout=handshake.seconds,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS,
        )
    if not agreed(transport):
        transport.close()
        raise HandshakeError(Refusal.HANDSHAKE_FAILED, _HUNG_UP)
    _read_little_ahead(transport)


async def encrypt_transport(
    transport: asyncio.Transport,
    protocol: asyncio.BaseProtocol,
    handshake: Handshake,
) -> asyncio.Transport:
    """Shake hands as the server on a connection that began in plain text; the new transport.

    The old one must not be reading. Raises HandshakeError; the connection is closed then.
    """
    loop = asyncio.get_running_loop()
    try:
        with _explained(handshake):
            secure = await loop.start_tls(
                transport,
                protocol,
                cast("ssl.SSLContext", handshake),
                server_side=True,
                ssl_handshake_timeout=handshake.seconds,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
    except BaseException:
        transport.abort()
        raise
    if secure is None or not agreed(secure):
        transport.abort()
        raise HandshakeError(Refusal.HANDSHAKE_FAILED, _HUNG_UP)
    _read_little_ahead(secure)
    return secure


class _TlsTransport(Protocol):
    """What the types of asyncio do not know of a transport with TLS."""

    def set_read_buffer_limits(self, high: int) -> None:
        """Pause reading from the socket at so many octets."""


def _read_little_ahead(transport: asyncio.BaseTransport) -> None:
    if transport.get_extra_info("socket") is None:
        # The client is gone already; the event loops would stumble over what it has left behind.
        return
    cast("_TlsTransport", transport).set_read_buffer_limits(READ_AHEAD_OCTETS)


def agreed(transport: asyncio.BaseTransport) -> str:
    """Version and cipher suite of a connection, "" if it is not encrypted.

    It may not be also where the event loop reports no error: when the client hung up half-way.
    """
    connection = transport.get_extra_info("ssl_object")
    return describe(connection) if connection is not None else ""


@contextmanager
def _explained(handshake: Handshake) -> Iterator[None]:
    """What the event loop raises, in plain words."""
    started = time.monotonic()
    try:
        yield
    except (OSError, RuntimeError) as error:
        # Timers of event loops are not exact.
        in_vain = time.monotonic() - started >= 0.9 * handshake.seconds
        refusal, cause = _explain(error, in_vain=in_vain)
        if refusal is Refusal.TLS_TOO_OLD and handshake.old_version:
            cause = f"the newest that the client speaks is {handshake.old_version}: it is too old"
        if handshake.is_proxied:
            refusal, cause = Refusal.PROXY_PROTOCOL, _PROXIED
        raise HandshakeError(refusal, cause) from error


def _explain(error: Exception, in_vain: bool) -> tuple[Refusal, str]:
    if isinstance(error, ssl.SSLError):
        reason = error.reason or ""
        found = _CAUSES.get(reason)
        if found is not None:
            return found
        words = reason.replace("_", " ").lower() or "no reason given"
        return Refusal.HANDSHAKE_FAILED, f"TLS says: {words}"
    if in_vain:
        return (
            Refusal.HANDSHAKE_FAILED,
            "the client did not finish the handshake in time; one that waits for a greeting in"
            " plain text has STARTTLS set where SSL/TLS is meant",
        )
    return Refusal.HANDSHAKE_FAILED, _HUNG_UP
