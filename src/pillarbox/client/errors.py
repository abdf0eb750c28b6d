"""What sending from a program can fail with: one tree, and every error says what to change.

ClientError
├── ArgumentError (ValueError)   an argument can not be used; nothing was sent
├── ClientClosed                 the client has been closed
├── PoolTimeout (TimeoutError)   no connection of the pool became free in time
├── DiscoveryError               no server was found for an address
├── ConnectError                 no connection to the server
├── SessionRefused               the server does not talk to this machine, or not now
├── TlsError                     there is no safe connection; nothing was sent
│   ├── WrongTlsMode             TLS on a port that begins in the clear, or the other way round
│   ├── TlsMissing               the server offers no encryption
│   └── CertificateError         the certificate is not good for this server
├── LoginError                   the server does not take the login
│   └── TokenError               there is no access token to log in with
├── ProtocolError                the server broke the rules of SMTP
├── ConnectionLost               the connection ended; nothing was taken
│   ├── ReplyTimeout             the server did not answer in time
│   └── Unconfirmed              the server may have the message: its confirmation never came
└── MessageRefused               the server took the message for nobody
    └── MessageUnsuitable        the server can not take such a message; it was not sent
"""

from typing import TYPE_CHECKING, ClassVar

from pillarbox.errors import PillarboxError

if TYPE_CHECKING:
    from pillarbox.client.results import SendResult
    from pillarbox.mail.reply import Reply

DOCS = "docs/client.md"


class ClientError(PillarboxError):
    """Base of all that sending can fail with.

    `code` names what happened and never changes ("certificate-expired"). `cause` is what is usually
    behind it and `fix` what to change. `docs` is where more is said. `reply` is what the server
    said, or stands for it. `result` is what became of each recipient, where a message was to be
    sent. `is_transient`: the same may work later, after `retry_after` seconds; where the server
    refused everybody, for at least one recipient.
    """

    code: str = "error"
    anchor: ClassVar[str] = "errors"

    def __init__(
        self,
        what: str,
        *,
        code: str = "",
        cause: str = "",
        fix: str = "",
        is_transient: bool = False,
    ) -> None:
        super().__init__(what)
        self.code = code or type(self).code
        self.cause = cause
        self.fix = fix
        self.is_transient = is_transient
        self.retry_after: float | None = None
        self.reply: Reply | None = None
        self.result: SendResult | None = None
        self.explanation_id = ""

    @property
    def docs(self) -> str:
        """The place in the documentation."""
        return f"{DOCS}#{type(self).__name__.lower()}"

    def __str__(self) -> str:
        what = super().__str__()
        return f"{what} (fix: {self.fix})" if self.fix and self.fix not in what else what


class ArgumentError(ClientError, ValueError):
    """An argument can not be used; nothing was sent."""

    code = "argument"


class ClientClosed(ClientError):
    """The client has been closed."""

    code = "closed"


class PoolTimeout(ClientError, TimeoutError):
    """No connection of the pool became free in time; nothing was sent."""

    code = "pool-timeout"


class DiscoveryError(ClientError):
    """No server was found for an address."""

    code = "nothing-found"


class ConnectError(ClientError):
    """There is no connection to the server."""


class SessionRefused(ClientError):
    """The server does not talk to this machine, or not now."""


class TlsError(ClientError):
    """There is no safe connection; neither login nor mail was sent."""


class WrongTlsMode(TlsError):
    """TLS was begun on a port that begins in the clear, or the other way round."""


class TlsMissing(TlsError):
    """The server offers no encryption; neither login nor mail was sent."""


class CertificateError(TlsError):
    """The certificate of the server is not good."""


class LoginError(ClientError):
    """The server does not take the login."""


class TokenError(LoginError):
    """There is no access token to log in with."""

    code = "no-token"


class ProtocolError(ClientError):
    """The server broke the rules of SMTP."""


class ConnectionLost(ClientError):
    """The connection ended before the server had the message."""


class ReplyTimeout(ConnectionLost, TimeoutError):
    """The server did not answer in time; it does not have the message."""


class Unconfirmed(ConnectionLost):
    """The server may have the message: its confirmation never came. Sending it again may make a
    copy."""


class MessageRefused(ClientError):
    """The server took the message for no recipient."""

    code = "refused"


class MessageUnsuitable(MessageRefused):
    """The server can not take such a message (its size, its characters); it was not sent."""


class RequireTlsMissing(MessageUnsuitable):
    """The server does not promise TLS for the rest of the way, which require_tls= demands; the
    message was not sent."""
