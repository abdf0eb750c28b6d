"""Autodiscover in plain XML (POX), for Outlook accounts with IMAP or POP3, and for others. Pure.

[MS-OXDSCLI] 2.2.3 (request) and 2.2.4 (response).
"""

from xml.etree.ElementTree import Element, SubElement, indent, tostring
from xml.parsers import expat

from pillarbox.errors import AddressError
from pillarbox.publish.client_settings import ClientSettings, Encryption
from pillarbox.publish.mailboxes import MailboxServer

_SCHEMA = "http://schemas.microsoft.com/exchange/autodiscover"
_ENVELOPE = f"{_SCHEMA}/responseschema/2006"
_ANSWER = f"{_SCHEMA}/outlook/responseschema/2006a"
_ENCRYPTIONS = {Encryption.TLS: "SSL", Encryption.STARTTLS: "TLS"}
"""[MS-OXDSCLI] names STARTTLS so."""

_MAX_DEPTH = 16
_MAX_TEXT = 1024


class _Reader:
    """Takes the text of EMailAddress out of a request while expat reads."""

    def __init__(self) -> None:
        self.address = ""
        self._depth = 0
        self._is_inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        del attributes
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise AddressError("the request is nested too deeply")
        self._is_inside = name.rpartition(":")[2] == "EMailAddress"

    def text(self, text: str) -> None:
        """Some text of the innermost element."""
        if self._is_inside:
            self.address += text
        if len(self.address) > _MAX_TEXT:
            raise AddressError("the address in the request is too long")

    def end(self, name: str) -> None:
        """An element ends."""
        del name
        self._depth -= 1
        self._is_inside = False


def requested_address(request: bytes) -> str:
    """The address that a request asks for. Raises AddressError where it has none, or is no XML; a
    document type is refused, and with it entities and all that they could do."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(request, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise AddressError("the request is no XML") from error
    if not reader.address.strip():
        raise AddressError("the request names no EMailAddress")
    return reader.address.strip()


def _refuse_doctype(name: str, system_id: str | None, public_id: str | None, inside: int) -> None:
    del name, system_id, public_id, inside
    raise AddressError("the request has a document type declaration")


def autodiscover_document(
    address: str, sending: ClientSettings, mailboxes: MailboxServer | None
) -> bytes:
    """The settings of one address."""
    root = Element("Autodiscover", xmlns=_ENVELOPE)
    account = SubElement(SubElement(root, "Response", xmlns=_ANSWER), "Account")
    SubElement(account, "AccountType").text = "email"
    SubElement(account, "Action").text = "settings"
    if mailboxes is not None:
        kind = mailboxes.protocol.value.upper()
        _protocol(account, kind, address, mailboxes.host, mailboxes.port, mailboxes.encryption)
    door = sending.preferred_door()
    _protocol(account, "SMTP", address, sending.server, door.port, door.encryption)
    return _octets(root)


def autodiscover_error(text: str) -> bytes:
    """What answers a request that can not be served: 600 is "invalid request"."""
    root = Element("Autodiscover", xmlns=_ENVELOPE)
    error = SubElement(SubElement(root, "Response"), "Error", Id="1")
    SubElement(error, "ErrorCode").text = "600"
    SubElement(error, "Message").text = text
    SubElement(error, "DebugData")
    return _octets(root)


def _protocol(
    account: Element, kind: str, address: str, host: str, port: int, encryption: Encryption
) -> None:
    protocol = SubElement(account, "Protocol")
    for name, text in (
        ("Type", kind),
        ("Server", host),
        ("Port", str(port)),
        ("DomainRequired", "off"),
        ("LoginName", address),
        ("SPA", "off"),
        ("SSL", "on"),
        ("Encryption", _ENCRYPTIONS[encryption]),
        ("AuthRequired", "on"),
    ):
        SubElement(protocol, name).text = text


def _octets(root: Element) -> bytes:
    indent(root)
    octets: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return octets + b"\n"
