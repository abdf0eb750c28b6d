"""What people write when they mean a server: a host, a host and a port, a URL. Pure."""

import re
from dataclasses import dataclass

from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key
from pillarbox.publish.client_settings import Encryption

_SCHEMES = {
    "smtp": (587, None),
    "submission": (587, Encryption.STARTTLS),
    "smtps": (465, Encryption.TLS),
    "submissions": (465, Encryption.TLS),
}
"""Default port, and the encryption that the scheme insists on."""

_SECURE_PORT = 465
_MAX_PORT = 65_535

_SERVER = re.compile(
    r"(?:(?P<scheme>[^:/]*)://)?"
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[^\s:/?#@\[\]]+))"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked about. `port` and `encryption` None leave it open; then all usual ones are
    tried all the same, to tell a wrong one from a broken one."""

    text: str
    host: str
    port: int | None = None
    encryption: Encryption | None = None


def read_target(text: str) -> Target:
    """Read `host`, `host:port`, `[IPv6]:port`, or a URL with smtp, smtps, submission or
    submissions. Raises AddressError."""
    parts = _SERVER.fullmatch(text)
    if parts is None or not 0 < int(parts["port"] or 1) <= _MAX_PORT:
        name = text or "an empty text"
        raise AddressError(f"{name} names no server: write HOST, HOST:PORT or smtp://HOST:PORT")
    scheme, port = parts["scheme"], None if parts["port"] is None else int(parts["port"])
    if scheme is not None and scheme.lower() not in _SCHEMES:
        raise AddressError(f"{scheme} is no scheme of mail submission: smtp, smtps, submission")
    default, encryption = (None, None) if scheme is None else _SCHEMES[scheme.lower()]
    if port is not None and encryption is None:
        encryption = Encryption.TLS if port == _SECURE_PORT else Encryption.STARTTLS
    return Target(text, host_key(parts["v6"] or parts["host"]), port or default, encryption)


def host_key(host: str) -> str:
    """A host as it is compared. Raises AddressError."""
    return _literal(host) if ":" in host else domain_key(host.rstrip("."))


def _literal(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError as exc:
        raise AddressError(f"{text} is no IPv6 address") from exc
