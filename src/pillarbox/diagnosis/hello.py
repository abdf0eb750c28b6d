"""The first messages of TLS, written and read by hand: which versions and cipher suites a server
takes can not be asked with the system's library, which knows no old ones. Pure.

RFC 8446 and RFC 5246 for the messages; nothing is encrypted in them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

SSL3, TLS10, TLS11, TLS12, TLS13 = 0x0300, 0x0301, 0x0302, 0x0303, 0x0304
NAMES = {
    SSL3: "SSL 3",
    TLS10: "TLS 1.0",
    TLS11: "TLS 1.1",
    TLS12: "TLS 1.2",
    TLS13: "TLS 1.3",
}

_ALERT, _HANDSHAKE = 21, 22
_SERVER_HELLO, _CERTIFICATE, _KEY_EXCHANGE, _DONE = 2, 11, 12, 14
_SNI, _GROUPS, _FORMATS, _SIGNATURES, _EMS = 0, 10, 11, 13, 23
_VERSIONS, _KEY_SHARE, _RENEGOTIATION = 43, 51, 0xFF01
_MAX_OCTETS = 131_072
_NAMED_CURVE = b"\x03"

SUITES_13 = (0x1301, 0x1302, 0x1303)
ECDHE = (0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8)
ECDHE_CBC = (0xC023, 0xC027, 0xC009, 0xC013, 0xC00A, 0xC014)
DHE = (0x009E, 0x009F, 0xCCAA, 0x0067, 0x006B, 0x0033, 0x0039)
STATIC_RSA = (0x009C, 0x009D, 0x003C, 0x003D, 0x002F, 0x0035)
BROKEN = {
    **dict.fromkeys((0x0001, 0x0002, 0x003B, 0xC006, 0xC010), "NULL"),
    **dict.fromkeys((0x0003, 0x0006, 0x0008, 0x000E, 0x0011, 0x0014), "EXPORT"),
    **dict.fromkeys((0x0004, 0x0005, 0xC007, 0xC011), "RC4"),
    **dict.fromkeys((0x0009, 0x000C, 0x000F, 0x0012, 0x0015), "DES"),
    **dict.fromkeys((0x000A, 0x0016, 0xC008, 0xC012), "3DES"),
}
ANONYMOUS = (0x00A6, 0x00A7, 0x006C, 0x0034, 0x003A, 0xC018, 0xC019, 0x0018, 0x001B)
ALL = (*ECDHE, *ECDHE_CBC, *DHE, *STATIC_RSA)


@dataclass(frozen=True, slots=True)
class Offer:
    """What a hello offers. `version` is the newest; SSL 3 and TLS 1.0 to 1.2 are the only one.
    Without `shares` TLS 1.3 gets no key, so that the server has to name the group that it wants."""

    version: int
    suites: Sequence[int]
    groups: Sequence[int] = (29, 23, 24, 25)
    shares: bool = True


def client_hello(offer: Offer, server_name: str, random: bytes) -> bytes:
    """The record to send. `random` are 64 octets; `server_name` "" names none (RFC 6066)."""
    is_13 = offer.version == TLS13
    suites = b"".join(suite.to_bytes(2, "big") for suite in offer.suites)
    # TLS 1.3 wants no compression; to others it is offered, to see whether they take it.
    compression = b"\0" if is_13 else b"\x01\0"
    extensions = b"" if offer.version == SSL3 else _extensions(offer, server_name, random)
    body = (
        min(offer.version, TLS12).to_bytes(2, "big")
        + random[:32]
        + b"\0"
        + _block(suites, 2)
        + _block(compression, 1)
        + (_block(extensions, 2) if extensions else b"")
    )
    message = b"\x01" + _block(body, 3)
    record_version = SSL3 if offer.version == SSL3 else TLS10
    return bytes([_HANDSHAKE]) + record_version.to_bytes(2, "big") + _block(message, 2)


def _block(octets: bytes, width: int) -> bytes:
    return len(octets).to_bytes(width, "big") + octets


def _extension(kind: int, octets: bytes) -> bytes:
    return kind.to_bytes(2, "big") + _block(octets, 2)


def _extensions(offer: Offer, server_name: str, random: bytes) -> bytes:
    version, made = offer.version, b""
    if offer.groups:
        groups = b"".join(group.to_bytes(2, "big") for group in offer.groups)
        made += _extension(_GROUPS, _block(groups, 2)) + _extension(_FORMATS, b"\x01\0")
    made += _extension(_EMS, b"") + _extension(_RENEGOTIATION, b"\0")
    if server_name:
        made += _extension(_SNI, _block(b"\0" + _block(server_name.encode(), 2), 2))
    if version >= TLS12:
        kinds = (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601, 0x0807, 0x0201)
        signatures = b"".join(kind.to_bytes(2, "big") for kind in kinds)
        made += _extension(_SIGNATURES, _block(signatures, 2))
    if version == TLS13:
        made += _extension(_VERSIONS, b"\x02" + TLS13.to_bytes(2, "big"))
        share = b"\0\x1d" + _block(random[32:64], 2) if offer.shares else b""
        made += _extension(_KEY_SHARE, _block(share, 2))
    return made


@dataclass(frozen=True, slots=True)
class Hello:
    """What a server answered. `version` 0: it refused. `prime_bits` is the size of the group of a
    DHE exchange, 0 for others; `group` is the named one of an exchange, 0 for none; `certificates`
    are in DER, the server's own first."""

    version: int = 0
    suite: int = 0
    compresses: bool = False
    renegotiates_safely: bool = False
    binds_session: bool = False
    certificates: tuple[bytes, ...] = ()
    prime_bits: int = 0
    group: int = 0


class HelloReader:
    """Reads the answer as it comes."""

    def __init__(self) -> None:
        self._octets = b""
        self._messages = b""
        self._taken = 0
        self._is_told = False
        self.hello = Hello()

    def feed(self, octets: bytes) -> bool:
        """Take octets; whether all is known now. Raises ValueError for what is no TLS."""
        self._octets += octets
        self._taken += len(octets)
        if self._taken > _MAX_OCTETS:
            raise ValueError("an answer without end")
        while len(self._octets) >= 5:
            kind, length = self._octets[0], int.from_bytes(self._octets[3:5], "big")
            if kind not in (_ALERT, _HANDSHAKE) or self._octets[1] != 3:
                # TLS 1.3 goes on encrypted, behind a record that changes nothing.
                if self._is_told:
                    return True
                raise ValueError("no TLS")
            if len(self._octets) < 5 + length:
                return False
            record, self._octets = self._octets[5 : 5 + length], self._octets[5 + length :]
            if kind == _ALERT:
                if record[:1] != b"\x01":
                    return True
                continue
            self._messages += record
            if self._read_messages():
                return True
        return False

    def _read_messages(self) -> bool:
        while len(self._messages) >= 4:
            length = int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < 4 + length:
                return False
            kind, body = self._messages[0], self._messages[4 : 4 + length]
            self._messages = self._messages[4 + length :]
            if kind == _SERVER_HELLO:
                self._is_told = True
                self.hello = _server_hello(body)
                if self.hello.version == TLS13:
                    return True
            elif kind == _CERTIFICATE:
                self.hello = replace(self.hello, certificates=_certificates(body))
            elif kind == _KEY_EXCHANGE and self.hello.suite in DHE:
                bits = int.from_bytes(_cut(body, 0, 2)[0], "big").bit_length()
                self.hello = replace(self.hello, prime_bits=bits)
            elif kind == _KEY_EXCHANGE and body[:1] == _NAMED_CURVE:
                self.hello = replace(self.hello, group=int.from_bytes(body[1:3], "big"))
            elif kind == _DONE:
                return True
        return False


def _cut(octets: bytes, start: int, width: int) -> tuple[bytes, int]:
    """A block with its length before it, and where what follows begins. Raises ValueError."""
    begin = start + width
    end = begin + int.from_bytes(octets[start:begin], "big")
    if len(octets) < max(begin, end):
        raise ValueError("a message that is cut")
    return octets[begin:end], end


def _server_hello(body: bytes) -> Hello:
    _, at = _cut(body, 34, 1)
    if len(body) < at + 3:
        raise ValueError("a message that is cut")
    suite, compression = int.from_bytes(body[at : at + 2], "big"), body[at + 2]
    extensions = _read_extensions(body[at + 3 :])
    version = int.from_bytes(extensions.get(_VERSIONS, body[:2]), "big")
    return Hello(
        version=version,
        suite=suite,
        compresses=compression != 0,
        renegotiates_safely=version == TLS13 or _RENEGOTIATION in extensions,
        binds_session=version == TLS13 or _EMS in extensions,
        # A server that wants another group than it got a key for names it alone (RFC 8446 4.2.8).
        group=int.from_bytes(extensions.get(_KEY_SHARE, b"")[:2], "big"),
    )


def _read_extensions(octets: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if octets:
        octets, at = _cut(octets, 0, 2)[0], 0
        while at + 4 <= len(octets):
            kind = int.from_bytes(octets[at : at + 2], "big")
            found[kind], at = _cut(octets, at + 2, 2)
    return found


def _certificates(body: bytes) -> tuple[bytes, ...]:
    octets, at = _cut(body, 0, 3)[0], 0
    found: list[bytes] = []
    while at + 3 <= len(octets) and len(found) < 10:
        one, at = _cut(octets, at, 3)
        found.append(one)
    return tuple(found)
