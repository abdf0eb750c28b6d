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
    `username` is the login, which is also the sender address unless `sender_address` is another.
    `password` is "" where it is not known any more. `ca_file` names a PEM file that clients have
    to trust, "" where a public CA signed the certificate. `mechanisms` are those of AUTH that the
    server offers.
    """

    server: str
    doors: tuple[Door, ...]
    username: str
    password: str = field(default="", repr=False)
    ca_file: str = ""
    sender_address: str = ""
    mechanisms: tuple[str, ...] = ("PLAIN", "LOGIN")

    @property
    def sender(self) -> str:
        """The address in MAIL and in the From field."""
        return self.sender_address or self.username

    @property
    def mechanism(self) -> str:
        """The one of AUTH to name to a client that wants to be told."""
        offers_only_login = "PLAIN" not in self.mechanisms and "LOGIN" in self.mechanisms
        return "LOGIN" if offers_only_login else "PLAIN"

    def preferred_door(self) -> Door:
        """The door that the snippets use.

        RFC 8314 section 3.3: "TLS immediately upon connection" is preferred to STARTTLS.
        """
        return min(self.doors, key=lambda door: door.encryption is not Encryption.TLS)

    def door_with(self, encryption: Encryption) -> Door | None:
        """The first door with this encryption, None where there is none."""
        return next((door for door in self.doors if door.encryption is encryption), None)
