"""A configuration profile for Mail of iOS, iPadOS and macOS (.mobileconfig). Pure.

Apple's payload com.apple.mail.managed. It is not signed: the device says so and asks, as it asks
for the password, which does not stand in it.
"""

import hashlib
import plistlib

from pillarbox.publish.client_settings import ClientSettings
from pillarbox.publish.mailboxes import MailboxProtocol, MailboxServer

_KINDS = {MailboxProtocol.IMAP: "EmailTypeIMAP", MailboxProtocol.POP3: "EmailTypePOP"}


def apple_profile(address: str, sending: ClientSettings, mailboxes: MailboxServer) -> bytes:
    """The account of one address. Apple knows no account that only sends. With the same settings
    the identifiers are the same, so a newer profile replaces the older one."""
    door = sending.preferred_door()
    account = {
        "PayloadType": "com.apple.mail.managed",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"pillarbox.mail.{_identity(address)}",
        "PayloadUUID": _identity(f"account {address}"),
        "PayloadDisplayName": address,
        "EmailAccountDescription": address,
        "EmailAddress": address,
        "EmailAccountType": _KINDS[mailboxes.protocol],
        "IncomingMailServerAuthentication": "EmailAuthPassword",
        "IncomingMailServerHostName": mailboxes.host,
        "IncomingMailServerPortNumber": mailboxes.port,
        "IncomingMailServerUseSSL": True,
        "IncomingMailServerUsername": address,
        "OutgoingMailServerAuthentication": "EmailAuthPassword",
        "OutgoingMailServerHostName": sending.server,
        "OutgoingMailServerPortNumber": door.port,
        # By the port the device finds out whether TLS comes first or STARTTLS.
        "OutgoingMailServerUseSSL": True,
        "OutgoingMailServerUsername": address,
        "OutgoingPasswordSameAsIncomingPassword": False,
    }
    profile = {
        "PayloadType": "Configuration",
        "PayloadVersion": 1,
        "PayloadIdentifier": f"pillarbox.profile.{_identity(address)}",
        "PayloadUUID": _identity(f"profile {address}"),
        "PayloadDisplayName": f"Mail: {address}",
        "PayloadContent": [account],
    }
    return plistlib.dumps(profile)


def _identity(text: str) -> str:
    """A UUID that follows from a text (version 8, which is free for such uses)."""
    octets = bytearray(hashlib.sha256(text.encode()).digest()[:16])
    octets[6] = octets[6] & 0x0F | 0x80
    octets[8] = octets[8] & 0x3F | 0x80
    digits = octets.hex().upper()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
