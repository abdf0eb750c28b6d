"""What people write when they mean a server: a host, a host and a port, a URL. Pure."""

from urllib.parse import urlsplit

from pillarbox.diagnosis.facts import Target
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


def read_target(text: str) -> Target:
    """Read `host`, `host:port`, `[IPv6]:port`, or a URL with smtp, smtps, submission or
    submissions. Raises AddressError."""
    scheme, mark, _ = text.partition("://")
    try:
        parts = urlsplit(text if mark else f"//{text}")
        port = parts.port
    except ValueError as exc:
        raise AddressError(f"{text} names no server: {exc}") from exc
    host = parts.hostname
    if not host or parts.username is not None or parts.path not in ("", "/") or parts.query:
        raise AddressError(f"{text} names no server: write HOST, HOST:PORT or smtp://HOST:PORT")
    if mark and scheme.lower() not in _SCHEMES:
        raise AddressError(f"{scheme} is no scheme of mail submission: smtp, smtps, submission")
    default, encryption = _SCHEMES[scheme.lower()] if mark else (None, None)
    if port is not None and encryption is None:
        encryption = Encryption.TLS if port == _SECURE_PORT else Encryption.STARTTLS
    return Target(text, _host(host), port or default, encryption)


def _host(host: str) -> str:
    return host if ":" in host else domain_key(host.rstrip("."))
