"""What a client needs to know to send through Pillarbox (RFC 6409, RFC 8314). Pure values."""

from dataclasses import dataclass, field
from enum import StrEnum

EXAMPLE_RECIPIENT = "someone@example.net"
"""Stands in every snippet where the first recipient goes."""

PASSWORD_PLACEHOLDER = "YOUR-PASSWORD"  # noqa: S105 - it says where the password goes
"""Stands where the password goes on a card that does not know it: passwords are shown once."""


class Encryption(StrEnum):
    """How a client secures its connection to one port."""

    TLS = "tls"
    """TLS from the first byte (RFC 8314 section 3.3), usually port 465."""
    STARTTLS = "starttls"
    """Plain text first, then STARTTLS (RFC 3207), usually port 587."""


@dataclass(frozen=True, slots=True)
class Door:
    """One port of the service and how it is encrypted."""

    port: int
    encryption: Encryption


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings of one account.

    `server` is a host name or an IP literal without brackets. `doors` holds at least one.
    `username` is the login, which is also the sender address. `password` is "" where it is not
    known any more. `ca_file` names a PEM file that clients have to trust, "" where a public CA
    signed the certificate.
    """

    server: str
    doors: tuple[Door, ...]
    username: str
    password: str = field(default="", repr=False)
    ca_file: str = ""

    def preferred_door(self) -> Door:
        """The door that the snippets use.

        RFC 8314 section 3.3: "TLS immediately upon connection" is preferred to STARTTLS.
        """
        return min(self.doors, key=lambda door: door.encryption is not Encryption.TLS)

    def door_with(self, encryption: Encryption) -> Door | None:
        """The first door with this encryption, None where there is none."""
        return next((door for door in self.doors if door.encryption is encryption), None)
