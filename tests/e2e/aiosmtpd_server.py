"""aiosmtpd, in threads of its own: it keeps in memory what it takes after a login."""

import base64
import ssl
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from tests.e2e.programs import free_port

START_SECONDS = 60.0


class _Keeper:
    """What aiosmtpd asks about logins and messages."""

    def __init__(self, username: str, password: str, token: str) -> None:
        self._password = LoginPassword(username.encode(), password.encode())
        self._token = f"user={username}\x01auth=Bearer {token}\x01\x01".encode()
        self.kept: dict[str, bytes] = {}

    def check(self, _: SMTP, __: Session, ___: Envelope, ____: str, login: Any) -> AuthResult:
        """Whether user name and password are right."""
        return AuthResult(success=login == self._password, handled=False)

    async def auth_XOAUTH2(self, _: SMTP, args: list[str]) -> AuthResult:  # noqa: N802
        """Whether the token is right."""
        is_right = base64.b64decode(args[1]) == self._token
        return AuthResult(success=is_right, handled=False)

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message, or refuse that of a client that did not log in."""
        if not session.authenticated:
            return "530 5.7.0 Log in first"
        assert isinstance(envelope.content, bytes)
        self.kept.update(dict.fromkeys(envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 Kept"


class Aiosmtpd:
    """A port with STARTTLS and one with TLS, and one user, who has a password and a token."""

    username = "app@aiosmtpd.example"
    password = "aiosmtpd-password"
    token = "aiosmtpd-token"

    def __init__(self, certificate: Path, key: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._keeper = _Keeper(self.username, self.password, self.token)
        self.starttls_port, self.tls_port = free_port(), free_port()
        self._controllers = (
            self._controller(self.starttls_port, tls_context=context, require_starttls=True),
            # It does not count TLS from the first octet as encryption.
            self._controller(self.tls_port, ssl_context=context, auth_require_tls=False),
        )

    def _controller(self, port: int, **options: Any) -> Controller:
        return Controller(
            self._keeper,
            hostname="127.0.0.1",
            port=port,
            ready_timeout=START_SECONDS,
            authenticator=self._keeper.check,
            **options,
        )

    def start(self) -> None:
        """Start and wait until both ports take connections."""
        for controller in self._controllers:
            controller.start()

    def stop(self) -> None:
        """End both."""
        for controller in self._controllers:
            controller.stop(no_assert=True)

    def content_for(self, recipient: str) -> bytes:
        """The message for a recipient, b"" while there is none."""
        return self._keeper.kept.get(recipient, b"")
