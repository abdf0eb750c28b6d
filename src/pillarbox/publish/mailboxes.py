"""Where mail of a domain is read, as clients are told beside the server for sending. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from urllib.parse import urlsplit

from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key
from pillarbox.publish.client_settings import Encryption


class MailboxProtocol(StrEnum):
    """How mail is read."""

    IMAP = "imap"
    POP3 = "pop3"


_USUAL_PORTS = {
    (MailboxProtocol.IMAP, Encryption.TLS): 993,
    (MailboxProtocol.IMAP, Encryption.STARTTLS): 143,
    (MailboxProtocol.POP3, Encryption.TLS): 995,
    (MailboxProtocol.POP3, Encryption.STARTTLS): 110,
}
_SCHEMES = {
    "imaps": (MailboxProtocol.IMAP, Encryption.TLS),
    "imap": (MailboxProtocol.IMAP, Encryption.STARTTLS),
    "pop3s": (MailboxProtocol.POP3, Encryption.TLS),
    "pop3": (MailboxProtocol.POP3, Encryption.STARTTLS),
}
_SCHEME_OF = {value: scheme for scheme, value in _SCHEMES.items()}


@dataclass(frozen=True, slots=True)
class MailboxServer:
    """A server for reading mail; the login is that for sending, the full address."""

    host: str
    port: int
    protocol: MailboxProtocol
    encryption: Encryption

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `imaps://HOST`, `imap://` (STARTTLS), `pop3s://` or `pop3://` (STARTTLS), each with
        or without a port. Raises AddressError."""
        form = "write imaps://imap.example.org, or imap:// with STARTTLS, pop3s://, pop3://"
        try:
            parts = urlsplit(url if "://" in url else f"imaps://{url}")
            protocol, encryption = _SCHEMES[parts.scheme.lower()]
            port = _USUAL_PORTS[protocol, encryption] if parts.port is None else parts.port
            host = domain_key(parts.hostname or "")
        except (KeyError, ValueError, AddressError):
            raise AddressError(f"{url!r} is no server for reading mail: {form}") from None
        if parts.username is not None or parts.path.strip("/") or parts.query or parts.fragment:
            raise AddressError(f"{url!r} has more than a host and a port: {form}")
        if not port:
            raise AddressError(f"{url!r} has no port from 1 to 65535: {form}")
        if host.startswith("[") or host.replace(".", "").isdigit():
            raise AddressError(f"{url!r} names an address; clients check a certificate by a name")
        return cls(host, port, protocol, encryption)

    @property
    def url(self) -> str:
        """As `from_url` reads it."""
        return f"{_SCHEME_OF[self.protocol, self.encryption]}://{self.host}:{self.port}"
