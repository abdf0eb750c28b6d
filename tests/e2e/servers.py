"""Servers of five makers behind one face: two ports, one user, and what arrived."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.aiosmtpd_server import Aiosmtpd
from tests.e2e.exim import Exim
from tests.e2e.postfix import SMART_HOST_PASSWORD, SMART_HOST_USER, PostfixNextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support.emulated import app_token, emulator_in_background
from tests.support.token_issuer import AUDIENCE, SUBJECT, TokenIssuer

from pillarbox.client import Client, OAuth2, Password, connect
from pillarbox.emulate.config import SAMPLE_MAILBOX, SAMPLE_PASSWORD, EmulatorConfig, Limits

SECONDS = 60.0

PASSWORD_MECHANISMS = ("PLAIN", "LOGIN", "SCRAM-SHA-256")
TOKEN_MECHANISMS = ("XOAUTH2", "OAUTHBEARER")

_LIMITS = """
[limits]
wrong_port_wait_seconds = 0
login_failures_per_address = 1000
login_failures_per_account = 1000
"""
"""Else the service would serve the second client that begins with TLS on the STARTTLS port, and
make this address wait after some wrong logins."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server on localhost; `tls_port` 0: it has none. `body_for` gives the body of the message
    that it has for a recipient, or of the whole message, b"" while there is none."""

    starttls_port: int
    tls_port: int
    ca_file: Path
    username: str
    password: str
    token: str
    body_for: Callable[[str], bytes]

    @property
    def sender(self) -> str:
        """The reverse-path that the user may use."""
        return self.username

    def auth(self, mechanism: str, secret: str = "") -> Password | OAuth2:
        """The login by a mechanism; with another secret it is a wrong one."""
        if mechanism in TOKEN_MECHANISMS:
            return OAuth2(self.username, secret or self.token, mechanism=mechanism)
        return Password(self.username, secret or self.password, mechanism=mechanism)


def _postfix_body(postfix: PostfixNextHop) -> Callable[[str], bytes]:
    return lambda recipient: b"".join(kept.octets for kept in postfix.kept_for(recipient))


@contextmanager
def pillarbox_server(
    folder: Path, issuer: TokenIssuer, postfix: PostfixNextHop
) -> Iterator[Server]:
    """A service that hands on to a Postfix; logins by password, SCRAM and tokens."""
    service = Pillarbox(folder, _LIMITS, first_lines="scram_sha_256 = true\n")
    ca, subject = ("--ca-file", str(issuer.ca_file)), ("--oauth-subject", SUBJECT)
    service.admin("issuer", "set", issuer.url, "--audience", AUDIENCE, *ca)
    service.admin("credential", "add", service.username, "--label", "token", *subject)
    service.admin("route", "add", "--smarthost", f"127.0.0.1:{postfix.port}", "--tls", "none")
    try:
        service.start()
        # What SCRAM needs is made at the first login by password.
        with _client(service, Password(service.username, service.password, "PLAIN")) as client:
            client.check()
        wait_until(lambda: _offers_all(service), SECONDS, "SCRAM and tokens to be offered")
        yield Server(
            starttls_port=service.starttls_port,
            tls_port=service.tls_port,
            ca_file=service.ca_file,
            username=service.username,
            password=service.password,
            token=issuer.token(),
            body_for=_postfix_body(postfix),
        )
    finally:
        code = service.stop()
    assert code == 0, service.log[-4000:]


def _client(
    service: Pillarbox, auth: Password | None = None, said: list[str] | None = None
) -> Client:
    url = f"smtps://localhost:{service.tls_port}"
    return connect(url, auth=auth, ca_file=str(service.ca_file), transcript=said)


def _offers_all(service: Pillarbox) -> bool:
    said: list[str] = []
    with _client(service, said=said) as client:
        client.check()
    offered = " ".join(line for line in said if "AUTH " in line).split()
    return {*PASSWORD_MECHANISMS, *TOKEN_MECHANISMS} <= set(offered)


@contextmanager
def emulator_server() -> Iterator[Server]:
    """The emulator of Microsoft 365: LOGIN and XOAUTH2, no port with TLS from the first octet."""
    limits = Limits(messages=1000)
    with emulator_in_background(EmulatorConfig(limits=limits)) as emulator:

        def body_for(recipient: str) -> bytes:
            arrivals = [message.arrival for message in emulator.world.messages.all()]
            return b"".join(one.raw for one in arrivals if recipient in one.recipients)

        yield Server(
            starttls_port=emulator.smtp_port,
            tls_port=0,
            ca_file=Path(emulator.ca_file),
            username=SAMPLE_MAILBOX,
            password=SAMPLE_PASSWORD,
            token=app_token(emulator),
            body_for=body_for,
        )


def postfix_server(postfix: PostfixNextHop, ca_file: Path) -> Server:
    """A Postfix whose logins are PLAIN and LOGIN."""
    return Server(
        starttls_port=postfix.starttls_port,
        tls_port=postfix.tls_port,
        ca_file=ca_file,
        username=SMART_HOST_USER,
        password=SMART_HOST_PASSWORD,
        token="none-is-right",
        body_for=_postfix_body(postfix),
    )


@contextmanager
def exim_server(ca: Path) -> Iterator[Server]:
    """An Exim; `ca` is the folder of CA file, certificate and key."""
    exim = Exim(ca / "certificate.pem", ca / "key.pem")
    try:
        exim.start()
        yield _of(exim, ca / "ca.pem", exim.body_for)
    finally:
        exim.stop()


@contextmanager
def aiosmtpd_server(ca: Path) -> Iterator[Server]:
    """An aiosmtpd; `ca` is the folder of CA file, certificate and key."""
    aiosmtpd = Aiosmtpd(ca / "certificate.pem", ca / "key.pem")
    aiosmtpd.start()
    try:
        yield _of(aiosmtpd, ca / "ca.pem", aiosmtpd.content_for)
    finally:
        aiosmtpd.stop()


def _of(server: Exim | Aiosmtpd, ca_file: Path, body_for: Callable[[str], bytes]) -> Server:
    return Server(
        starttls_port=server.starttls_port,
        tls_port=server.tls_port,
        ca_file=ca_file,
        username=server.username,
        password=server.password,
        token=server.token,
        body_for=body_for,
    )
