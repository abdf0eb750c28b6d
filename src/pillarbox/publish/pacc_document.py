"""The document of PACC, and the TXT record that vouches for its octets. Pure.

draft-ietf-mailmaint-pacc-02: hosts alone stand in it, since each protocol has its one port with TLS
from the first octet.
"""

import hashlib
import json
from base64 import b64encode

from pillarbox.publish.client_settings import ClientSettings, Encryption
from pillarbox.publish.mailboxes import MailboxServer

SUBMISSIONS_PORT = 465
_MAILBOX_PORTS = {"imap": 993, "pop3": 995}


def pacc_document(
    domain: str, sending: ClientSettings, mailboxes: MailboxServer | None
) -> bytes | None:
    """The servers of a domain, always in the same octets; None where mail is not taken at port 465
    with TLS from the first octet, since nothing else can be said in it."""
    if not any(
        (door.port, door.encryption) == (SUBMISSIONS_PORT, Encryption.TLS) for door in sending.doors
    ):
        return None
    protocols: dict[str, object] = {}
    if mailboxes is not None and mailboxes.encryption is Encryption.TLS:
        kind = mailboxes.protocol.value
        if mailboxes.port == _MAILBOX_PORTS[kind]:
            protocols[kind] = {"host": mailboxes.host}
    protocols["smtp"] = {"host": sending.server}
    content = {
        "protocols": protocols,
        "authentication": {"password": True},
        "info": {"provider": {"name": domain, "shortName": domain}},
    }
    return json.dumps(content, indent=1).encode() + b"\n"


def pacc_record(domain: str, document: bytes) -> tuple[str, str]:
    """Name and text of the TXT record with the digest of the document."""
    digest = b64encode(hashlib.sha256(document).digest()).decode()
    return f"_ua-auto-config.{domain}", f"v=UAAC1; a=sha256; d={digest}"
