"""Serves the settings for clients of all tenants' domains over HTTPS: autoconfig, Autodiscover,
PACC and Apple's profile. What stands in them is in publish.

A domain that no tenant has is not known here: 404. No answer tells whether an address exists.
"""

import socket
import ssl

from pillarbox.config import Settings
from pillarbox.config.client import client_settings
from pillarbox.errors import AddressError, ConfigError, SpoolUnavailable
from pillarbox.mail.address import domain_key, parse_mailbox
from pillarbox.net.http_server import HttpServer, Request, Response, text_response, wrong_method
from pillarbox.net.tls import ServerCertificate
from pillarbox.observe.log import log
from pillarbox.policy.clock import Clock
from pillarbox.publish.apple_profile import apple_profile
from pillarbox.publish.autoconfig_document import autoconfig_document
from pillarbox.publish.autodiscover_document import (
    autodiscover_document,
    autodiscover_error,
    requested_address,
)
from pillarbox.publish.pacc_document import pacc_document
from pillarbox.reception.handshake_limits import HandshakeLimits
from pillarbox.reception.web_gate import WebGate
from pillarbox.store.database import Database
from pillarbox.store.published import PublishedDomain, published_domain

OWN_NAMES = ("autoconfig.", "autodiscover.", "ua-auto-config.", "www.")
"""Names in front of a domain at which clients look for its documents."""

PROFILE_PATH = "/mail.mobileconfig"
_XML = "text/xml; charset=utf-8"
_PROFILE = "application/x-apple-aspen-config"


class Publisher:
    """Answers on one socket, so many clients at once. Raises ConfigError where the certificate can
    not be used."""

    def __init__(
        self, settings: Settings, database: Database, clock: Clock, *, connections: int
    ) -> None:
        publishing = settings.publishing
        certificate = publishing.certificate or settings.tls.certificate
        key = publishing.key or settings.tls.key
        self._certificate = ServerCertificate(certificate, key) if publishing.tls else None
        self._sending = client_settings(settings, "")
        self._database = database
        limits = HandshakeLimits(settings.limits.handshakes_per_address, clock)
        # Without TLS all of them come from the web server in front.
        gate = WebGate(limits) if publishing.tls else None
        self._server = HttpServer(self._answer, connections=connections, gate=gate)

    def start(self, bound: socket.socket) -> None:
        """Take connections."""
        self._server.start(bound, self._context)

    async def close(self) -> None:
        """Take no more."""
        await self._server.close()

    def _context(self) -> ssl.SSLContext | None:
        """The context of the certificate as it is now on the disk."""
        if self._certificate is None:
            return None
        try:
            if self._certificate.refresh():
                log.info("publishing.certificate_loaded")
        except ConfigError as error:
            log.error("publishing.certificate_unusable", cause=str(error))
        return self._certificate.context

    async def _answer(self, request: Request) -> Response:
        match request.path.lower():
            case "/mail/config-v1.1.xml" | "/.well-known/autoconfig/mail/config-v1.1.xml":
                make, method = self._autoconfig, "GET"
            case "/autodiscover/autodiscover.xml":
                make, method = self._autodiscover, "POST"
            case "/.well-known/user-agent-configuration.json":
                make, method = self._pacc, "GET"
            case path if path == PROFILE_PATH:
                make, method = self._profile, "GET"
            case _:
                return text_response(404, "there is no such document")
        if request.method != method:
            return wrong_method(method)
        try:
            return await make(request)
        except SpoolUnavailable:
            return text_response(503, "try again in a minute")

    async def _autoconfig(self, request: Request) -> Response:
        asked = request.query.get("emailaddress", "")
        domain = await self._find(_domain_of(asked) or _domain_at(request.host))
        if domain is None:
            return _UNKNOWN
        document = autoconfig_document(domain.name, self._sending, domain.mailboxes)
        return Response(200, _XML, document)

    async def _autodiscover(self, request: Request) -> Response:
        """Errors come with 200, as Exchange gives them."""
        try:
            address = parse_mailbox(requested_address(request.body))
        except AddressError as error:
            return Response(200, _XML, autodiscover_error(str(error)))
        domain = await self._find(address.domain_key)
        if domain is None:
            return Response(200, _XML, autodiscover_error("the domain is not known here"))
        document = autodiscover_document(address.address, self._sending, domain.mailboxes)
        return Response(200, _XML, document)

    async def _pacc(self, request: Request) -> Response:
        domain = await self._find(_domain_at(request.host))
        if domain is None:
            return _UNKNOWN
        document = pacc_document(domain.name, self._sending, domain.mailboxes)
        if document is None:
            return text_response(404, "PACC needs a listener at port 465 with TLS")
        return Response(200, "application/json", document)

    async def _profile(self, request: Request) -> Response:
        try:
            address = parse_mailbox(request.query.get("address", ""))
        except AddressError:
            return text_response(400, f"write {PROFILE_PATH}?address=YOU@YOUR.DOMAIN")
        domain = await self._find(address.domain_key)
        if domain is None:
            return _UNKNOWN
        if domain.mailboxes is None:
            hint = f"pillarbox domain mailboxes {domain.name} imaps://imap.example.org"
            return text_response(
                404,
                "Apple knows no account that only sends, and nobody has said where mail of this"
                f" domain is read ({hint})",
            )
        body = apple_profile(address.address, self._sending, domain.mailboxes)
        name = {"Content-Disposition": 'attachment; filename="mail.mobileconfig"'}
        return Response(200, _PROFILE, body, name)

    async def _find(self, name: str) -> PublishedDomain | None:
        return await self._database.read(lambda c: published_domain(c, name)) if name else None


_UNKNOWN = text_response(404, "the domain is not known here")


def _domain_of(address: str) -> str:
    """The domain of an address as it is kept, "" where there is none."""
    try:
        return parse_mailbox(address).domain_key
    except AddressError:
        return ""


def _domain_at(host: str) -> str:
    """The domain whose documents are asked for at a host, "" where it is no name."""
    for name in OWN_NAMES:
        host = host.removeprefix(name)
    try:
        return domain_key(host)
    except AddressError:
        return ""
