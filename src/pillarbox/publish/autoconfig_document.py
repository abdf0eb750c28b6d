"""The document that Thunderbird, K-9, Evolution, FairEmail and others look for. Pure.

draft-ietf-mailmaint-autoconfig-06; version 1.1 of the format, which all of them read.
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from pillarbox.publish.client_settings import ClientSettings, Encryption
from pillarbox.publish.mailboxes import MailboxServer

_SOCKETS = {Encryption.TLS: "SSL", Encryption.STARTTLS: "STARTTLS"}
"""1.1 calls TLS by its older name."""


def autoconfig_document(
    domain: str, sending: ClientSettings, mailboxes: MailboxServer | None
) -> bytes:
    """The servers of a domain. The user name is the address, which the client fills in. Some
    clients, Thunderbird among them, want a server for reading beside the one for sending."""
    root = Element("clientConfig", version="1.1")
    provider = SubElement(root, "emailProvider", id=domain)
    SubElement(provider, "domain").text = domain
    SubElement(provider, "displayName").text = domain
    SubElement(provider, "displayShortName").text = domain
    if mailboxes is not None:
        _server(
            SubElement(provider, "incomingServer", type=mailboxes.protocol.value),
            mailboxes.host,
            mailboxes.port,
            mailboxes.encryption,
        )
    best = sending.preferred_door()
    for door in (best, *(door for door in sending.doors if door != best)):
        outgoing = SubElement(provider, "outgoingServer", type="smtp")
        _server(outgoing, sending.server, door.port, door.encryption)
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"


def _server(element: Element, host: str, port: int, encryption: Encryption) -> None:
    SubElement(element, "hostname").text = host
    SubElement(element, "port").text = str(port)
    SubElement(element, "socketType").text = _SOCKETS[encryption]
    SubElement(element, "username").text = "%EMAILADDRESS%"
    SubElement(element, "authentication").text = "password-cleartext"
