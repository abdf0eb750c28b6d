"""TLS over memory: the session encrypts by itself, so that what came in the clear can never be
taken for what was said under TLS, and blocking and asynchronous clients do the same.
"""

import ssl
from contextlib import suppress

from pillarbox.net.tls import describe

_RECORDS = frozenset({0x15, 0x16})
"""RFC 8446 section 5.1: alert, handshake."""

_RECORD_OCTETS = 16_384
"""RFC 8446 section 5.1: what a record holds at most. OpenSSL reads one at a time."""


def begins_tls(octets: bytes) -> bool:
    """Whether these are the first octets of a side that speaks TLS."""
    return octets[:1] != b"" and octets[0] in _RECORDS and octets[1:2] in (b"", b"\x03")


class TlsLayer:
    """One side of a TLS connection."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        """Raises ValueError for a host that can not be one."""
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        self.is_over = False

    @property
    def description(self) -> str:
        """Version and cipher suite."""
        return describe(self._tls)

    def shake_hands(self) -> bool:
        """Go on with the handshake; whether it is done. Raises ssl.SSLError."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def pending(self) -> bytes:
        """What has to be written for TLS's own sake."""
        return self._outgoing.read()

    def feed(self, octets: bytes) -> None:
        """Take what was read, for the handshake."""
        self._incoming.write(octets)

    def seal(self, plain: bytes) -> bytes:
        """The octets to write for these."""
        if plain:
            self._tls.write(plain)
        return self._outgoing.read()

    def unseal(self, octets: bytes) -> bytes:
        """What these octets say. After a broken record or a good-bye nothing more comes."""
        self._incoming.write(octets)
        pieces: list[bytes] = []
        try:
            while piece := self._tls.read(_RECORD_OCTETS):
                pieces.append(piece)
            self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self.is_over = True
        return b"".join(pieces)

    def farewell(self) -> bytes:
        """The octets that say that nothing more follows. RFC 8446 section 6.1."""
        # It wants the other side's good-bye too, which many servers never send.
        with suppress(ssl.SSLError, ValueError):
            self._tls.unwrap()
        return self._outgoing.read()
