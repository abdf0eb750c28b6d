"""What a route must be like, so that no mail waits for one that can not work."""

import re

from pillarbox.errors import AddressError, DirectoryError
from pillarbox.mail.address import parse_mailbox
from pillarbox.oauth.clouds import CLOUDS, NO_UPLOADS, Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import (
    Capture,
    HopCaps,
    Microsoft365,
    MxHosts,
    Reject,
    Route,
    SmartHost,
    TlsMode,
)

_MAX_PORT = 65_535
_HTTPS = "https://"
_GRAPH_ROOT = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/?")
_ENTRA_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
"""A GUID, or the domain of a tenant."""


def check_route(route: Route) -> None:
    """Raise DirectoryError, with the fix, for what can not work."""
    _check_caps(route.caps)
    match route.next_hop:
        case SmartHost() as hop:
            _check_smart_host(hop)
        case Microsoft365() as hop:
            _check_microsoft365(hop, [hop.mailbox, *(other.mailbox for other in route.others)])
        case Capture() | Reject() if route.caps != HopCaps():
            raise DirectoryError("what goes nowhere has no limits")
        case Reject(text=text):
            if not text.strip() or not text.isascii() or not text.isprintable():
                raise DirectoryError("say in plain ASCII why the mail is refused; senders read it")
        case MxHosts(port=port, sources=sources):
            _check_port(port)
            if len({source.address for source in sources}) < len(sources):
                raise DirectoryError("an address stands twice in the pool")
        case Capture():
            pass


def _check_caps(caps: HopCaps) -> None:
    values = {
        "connections": caps.connections,
        "messages_per_connection": caps.messages_per_connection,
    }
    amounts = {str(window): min(window.amount, window.seconds) for window in caps.windows}
    for name, value in (values | amounts).items():
        if value < 1:
            raise DirectoryError(f"{name}: at least 1; to stop mail, hold it or reject it")
    if len({(window.counted, window.seconds) for window in caps.windows}) < len(caps.windows):
        raise DirectoryError("two limits of the same kind for the same time")


def _check_host(host: str, port: int) -> None:
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise DirectoryError(f"{host!r} is no host name")
    _check_port(port)


def _check_port(port: int) -> None:
    if not 1 <= port <= _MAX_PORT:
        raise DirectoryError(f"{port} is no port: write 1 to {_MAX_PORT}")


def _check_smart_host(hop: SmartHost) -> None:
    _check_host(hop.host, hop.port)
    if hop.access is not None:
        if not hop.username:
            raise DirectoryError("OAuth2 needs the user name that the token is for")
        _check_sign_in(hop.access.sign_in)
    elif bool(hop.username) != bool(hop.password):
        raise DirectoryError("a login needs both a user name and a password")
    if hop.username and hop.tls is TlsMode.NONE:
        what = "password" if hop.access is None else "token"
        raise DirectoryError(
            f"the {what} would go over the network in the clear: use TLS or STARTTLS"
        )


def _check_microsoft365(hop: Microsoft365, mailboxes: list[str]) -> None:
    for mailbox in mailboxes:
        try:
            parse_mailbox(mailbox)
        except AddressError as error:
            raise DirectoryError(f"{mailbox!r} is no mailbox: {error}") from error
        if any(c.isspace() for c in mailbox):
            raise DirectoryError(f"{mailbox!r} has a blank in it")
    if len({mailbox.lower() for mailbox in mailboxes}) < len(mailboxes):
        raise DirectoryError("a mailbox stands twice in the pool")
    _check_host(hop.smtp_host, hop.port)
    if hop.way.is_graph:
        _check_graph(hop)
        if len(mailboxes) > 1 and hop.sign_in.flow.is_for_a_person:
            raise DirectoryError(
                "by Graph a person sends by his own mailbox only: a pool needs an application"
                " (--client-secret-file or --certificate), or --way smtp"
            )
    sign_in = hop.sign_in
    if not sign_in.is_microsoft:
        raise DirectoryError("Microsoft 365 has no token URL: say authority and tenant id")
    if not CLOUDS[hop.cloud].app_scope and not sign_in.flow.is_for_a_person:
        raise DirectoryError(
            f"{CLOUDS[hop.cloud].title}: an application can not sign in as itself there; use "
            "--device-code or --browser"
        )
    _check_sign_in(sign_in)


def _check_graph(hop: Microsoft365) -> None:
    if hop.cloud is Cloud.HVE:
        raise DirectoryError("High Volume Email has no Graph: use --way smtp")
    facts = CLOUDS[hop.cloud]
    if hop.way.has_drafts and not facts.has_upload_sessions:
        raise DirectoryError(f"{facts.title}: {NO_UPLOADS}")
    if not _GRAPH_ROOT.fullmatch(hop.graph_root):
        raise DirectoryError(f"{hop.graph_root!r} is not like https://graph.microsoft.com")


def _check_sign_in(sign_in: SignIn) -> None:
    if not sign_in.client_id or not sign_in.client_id.isprintable():
        raise DirectoryError("OAuth2 needs the client id (application id) of the registration")
    if sign_in.is_microsoft:
        for name, value in (("tenant", sign_in.tenant_id), ("client", sign_in.client_id)):
            if not _ENTRA_ID.fullmatch(value):
                raise DirectoryError(f"{value!r} is no {name} id: it is a GUID, or a domain")
    address = sign_in.authority if sign_in.is_microsoft else sign_in.token_url
    if not address.startswith(_HTTPS) or any(c.isspace() for c in address):
        raise DirectoryError(f"{address!r} is no https address")
    if sign_in.flow is Flow.CLIENT_SECRET and not sign_in.secret:
        raise DirectoryError("the client secret is missing")
    if sign_in.flow is Flow.CERTIFICATE and not (sign_in.private_key and sign_in.certificate):
        raise DirectoryError("the certificate or its private key is missing")
