"""One handshake, watched from the side: has the client spoken, and what does it read if it fails?

The event loops close a connection whose handshake failed without a word: the alert that OpenSSL
made for the client stays behind, and who sent plain text reads nothing at all. A `Handshake` stands
in for the context of the listener, so that the last words leave before the loop closes.

RFC 8446 6 (alerts), RFC 9112 (the answer to a web browser).
"""

import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from pillarbox.errors import LocalProtocolError
from pillarbox.explain.refusals import Refusal
from pillarbox.reception.services import Door

_ALERT = 0x15
_OLD_VERSIONS = {0x0300: "SSL 3.0", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1"}
_HTTP_REASONS = frozenset({"HTTP_REQUEST", "HTTPS_PROXY_REQUEST"})
_PLAIN_REASONS = frozenset({"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG"})
_BEHIND_PROXY = (b" TCP4 ", b" TCP6 ", b" UNKNOWN", b"\r\nQUIT\n")
"""What follows the five octets that OpenSSL has read of a header of the PROXY protocol."""


class _Watched(ssl.SSLObject):
    """The server's side of one connection; what it does after the handshake is not watched."""

    watch: "Handshake | None" = None

    def go_straight(self) -> None:
        """Let the event loop call OpenSSL itself for each block: the methods of ssl.SSLObject only
        pass on."""
        connection = self._sslobj  # type: ignore[attr-defined]  # not in typeshed
        self.read = connection.read  # type: ignore[method-assign]
        self.write = connection.write  # type: ignore[method-assign]
        self.pending = connection.pending  # type: ignore[method-assign]

    def do_handshake(self) -> None:
        """Go on as far as the octets that are there reach."""
        watch = self.watch
        if watch is None:
            super().do_handshake()
            return
        watch.rounds += 1
        try:
            super().do_handshake()
        except ssl.SSLWantReadError:
            raise
        except ssl.SSLError as error:
            watch.failed(error)
            raise
        # A session that lasts for hours need not keep it.
        self.watch = None


class Handshake:
    """What one handshake has to be made with. `send` writes to the socket past the event loop.

    `session_id` is given where the connection begins with TLS: only there plain text is answered in
    plain text. After STARTTLS it could be somebody between the client and us who sent it.
    """

    __slots__ = (
        "_context",
        "_incoming",
        "_outgoing",
        "_send",
        "_session_id",
        "is_proxied",
        "old_version",
        "rounds",
        "seconds",
    )

    def __init__(self, door: Door, send: Callable[[bytes], object], session_id: str = "") -> None:
        if door.certificate is None:
            raise LocalProtocolError("TLS on a listener without a certificate")
        self._context = door.certificate.context
        self._context.sslobject_class = _Watched
        self._send = send
        self._session_id = session_id
        self._incoming: ssl.MemoryBIO | None = None
        self._outgoing: ssl.MemoryBIO | None = None
        self.rounds = 0
        self.seconds = door.services.limits.handshake_timeout_seconds
        self.old_version = ""
        """The version that a client offered which is too old."""
        self.is_proxied = False
        """Whether a load balancer began with the PROXY protocol."""

    @property  # type: ignore[misc]
    def __class__(self) -> type[ssl.SSLContext]:  # type: ignore[override]
        """The event loops insist on an SSLContext, and ask nothing of it but `wrap_bio`."""
        return ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
    ) -> ssl.SSLObject:
        """As of ssl.SSLContext: the object for this one connection."""
        made = cast(
            "_Watched", self._context.wrap_bio(incoming, outgoing, server_side, server_hostname)
        )
        made.watch = self
        made.go_straight()
        self._incoming, self._outgoing = incoming, outgoing
        return made

    @property
    def is_silent(self) -> bool:
        """Whether nothing has come yet: the first round is made at the start, without octets."""
        return self.rounds <= 1

    def failed(self, error: ssl.SSLError) -> None:
        """OpenSSL has given up: write what the client can read."""
        alert = self._outgoing.read() if self._outgoing is not None else b""
        if alert[:1] == bytes((_ALERT,)):
            # OpenSSL puts the version of the client there.
            self.old_version = _OLD_VERSIONS.get(int.from_bytes(alert[1:3], "big"), "")
        reason = error.reason or ""
        if not self._session_id or reason not in _HTTP_REASONS | _PLAIN_REASONS:
            self._write(alert)
        elif reason in _HTTP_REASONS:
            self._write(_http_answer(self._session_id))
        elif self._incoming is not None and self._incoming.read().startswith(_BEHIND_PROXY):
            self.is_proxied = True
            self._write(Refusal.PROXY_PROTOCOL.reply(self._session_id).encode())
        else:
            self.say_it_in_plain_text()

    def say_it_in_plain_text(self) -> None:
        """For a client that speaks plain text, or waits for a greeting in it."""
        self._write(Refusal.PLAIN_ON_TLS_PORT.reply(self._session_id).encode())

    def _write(self, octets: bytes) -> None:
        # A few octets into an empty buffer: if they do not fit, the client is gone.
        with suppress(OSError):
            self._send(octets)


def _http_answer(session_id: str) -> bytes:
    """What a browser shows; nothing of the request stands in it."""
    text = Refusal.WRONG_PROTOCOL.reply(session_id).text + "\n"
    head = (
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    return (head + text).encode("ascii")
