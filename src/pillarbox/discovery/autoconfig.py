"""The XML document of autoconfig: the servers for sending that it names. Pure.

draft-ietf-mailmaint-autoconfig-06, and version 1.1 as ISPDB has it. The document comes from
strangers: it has no DTD and no entities of its own, or it is not read; what is unknown in it is
passed over; servers without encryption are.
"""

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from pillarbox.discovery.findings import Login, Offer
from pillarbox.discovery.hosts import host_name
from pillarbox.errors import PillarboxError
from pillarbox.publish.client_settings import Door, Encryption

MAX_SERVERS = 8
_MAX_DEPTH = 32
_MAX_TEXT = 1024

_ENCRYPTION = {"SSL": Encryption.TLS, "TLS": Encryption.TLS, "STARTTLS": Encryption.STARTTLS}
_LOGIN = {"password-cleartext": Login.PASSWORD, "OAuth2": Login.OAUTH2}
"""Others (CRAM-MD5, NTLM, Kerberos, by address) are not what a submission server asks for."""

_PORT = re.compile(r"[0-9]{1,5}")

_PATH = ["clientConfig", "emailProvider", "outgoingServer"]


class DocumentError(PillarboxError):
    """What was fetched is not a document of the kind that it should be."""


@dataclass(slots=True)
class _Server:
    kind: str
    texts: dict[str, str] = field(default_factory=dict)
    authentication: list[str] = field(default_factory=list)


class _Reader:
    """Collects the outgoing servers while expat reads."""

    def __init__(self) -> None:
        self.servers: list[_Server] = []
        self._path: list[str] = []
        self._text = ""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self._path.append(name)
        self._text = ""
        if len(self._path) > _MAX_DEPTH:
            raise DocumentError("it is nested too deeply")
        if self._path == _PATH:
            if len(self.servers) == MAX_SERVERS:
                raise DocumentError("it names too many servers")
            self.servers.append(_Server(attributes.get("type", "")))

    def text(self, text: str) -> None:
        """Some text of the innermost element."""
        if len(self._text) + len(text) > _MAX_TEXT:
            raise DocumentError("a text in it is too long")
        self._text += text

    def end(self, name: str) -> None:
        """An element ends."""
        self._path.pop()
        if self._path != _PATH:
            return
        server, text = self.servers[-1], self._text.strip()
        if name == "authentication":
            server.authentication.append(text)
        else:
            server.texts.setdefault(name, text)


def read_autoconfig(document: bytes, *, address: str) -> tuple[Offer, ...]:
    """The offers of a document for the owner of an address. Raises DocumentError."""
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(document, True)
    except expat.ExpatError as exc:
        raise DocumentError(f"it is no XML ({expat.errors.messages[exc.code]})") from exc
    except (LookupError, ValueError) as exc:
        raise DocumentError("it is in an unknown encoding") from exc
    offers = (_offer(server, address) for server in reader.servers if server.kind == "smtp")
    return tuple(offer for offer in offers if offer is not None)


def _refuse_doctype(name: str, system_id: str | None, public_id: str | None, inside: int) -> None:
    """Entities, and with them all XML bombs and fetches, need a document type."""
    del name, system_id, public_id, inside
    raise DocumentError("it has a document type declaration")


def _offer(server: _Server, address: str) -> Offer | None:
    texts = server.texts
    # Thunderbird fills it in here as well as in user names; documents of its database have it for
    # providers with several domains (virginmedia.com, for one).
    domain = address.rpartition("@")[2]
    host = host_name(texts.get("hostname", "").replace("%EMAILDOMAIN%", domain))
    encryption = _ENCRYPTION.get(texts.get("socketType", ""))
    port = texts.get("port", "")
    if host is None or encryption is None or not _PORT.fullmatch(port):
        return None
    logins = tuple(_LOGIN[name] for name in server.authentication if name in _LOGIN)
    if not 0 < int(port) < 65536 or not logins:
        return None
    username = _username(texts.get("username", ""), address)
    return Offer(host, Door(int(port), encryption), username, tuple(dict.fromkeys(logins)))


def _username(form: str, address: str) -> str:
    """The user name that a form with placeholders means; "" for the address itself."""
    local_part, _, domain = address.rpartition("@")
    if form in ("", "%EMAILADDRESS%") or not all(map(str.isprintable, form)):
        return ""
    filled = form.replace("%EMAILADDRESS%", address)
    filled = filled.replace("%EMAILLOCALPART%", local_part).replace("%EMAILDOMAIN%", domain)
    return "" if filled == address else filled
