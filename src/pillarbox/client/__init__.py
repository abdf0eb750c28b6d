"""Sending mail from a program.

    import pillarbox

    with pillarbox.connect("submission://smtp.example.org", auth=("app", "password")) as client:
        client.send(message)

What is here is also at the top of `pillarbox`. Everything is imported when it is used: a program
that sends one message begins quickly.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillarbox.client.async_client import AsyncClient
    from pillarbox.client.auth import AccessToken, Keyring, OAuth2, Password
    from pillarbox.client.blocking_client import Client
    from pillarbox.client.builder import Message
    from pillarbox.client.connecting import connect, connect_async
    from pillarbox.client.errors import (
        ArgumentError,
        CertificateError,
        ClientClosed,
        ClientError,
        ConnectError,
        ConnectionLost,
        DiscoveryError,
        LoginError,
        MessageRefused,
        MessageUnsuitable,
        PoolTimeout,
        ProtocolError,
        ReplyTimeout,
        RequireTlsMissing,
        SessionRefused,
        TlsError,
        TlsMissing,
        TokenError,
        Unconfirmed,
        WrongTlsMode,
    )
    from pillarbox.client.options import Dsn, Pool, Timeouts
    from pillarbox.client.outgoing import Mail
    from pillarbox.client.results import RecipientResult, SendResult, SendState

__all__ = [
    "AccessToken",
    "ArgumentError",
    "AsyncClient",
    "CertificateError",
    "Client",
    "ClientClosed",
    "ClientError",
    "ConnectError",
    "ConnectionLost",
    "DiscoveryError",
    "Dsn",
    "Keyring",
    "LoginError",
    "Mail",
    "Message",
    "MessageRefused",
    "MessageUnsuitable",
    "OAuth2",
    "Password",
    "Pool",
    "PoolTimeout",
    "ProtocolError",
    "RecipientResult",
    "ReplyTimeout",
    "RequireTlsMissing",
    "SendResult",
    "SendState",
    "SessionRefused",
    "Timeouts",
    "TlsError",
    "TlsMissing",
    "TokenError",
    "Unconfirmed",
    "WrongTlsMode",
    "connect",
    "connect_async",
]

_ELSEWHERE = {
    "AsyncClient": "async_client",
    "Client": "blocking_client",
    "Mail": "outgoing",
    "Message": "builder",
    "connect": "connecting",
    "connect_async": "connecting",
    **dict.fromkeys(("AccessToken", "Keyring", "OAuth2", "Password"), "auth"),
    **dict.fromkeys(("Dsn", "Pool", "Timeouts"), "options"),
    **dict.fromkeys(("RecipientResult", "SendResult", "SendState"), "results"),
}


def __getattr__(name: str) -> object:
    """Import what is asked for; what has no place of its own is an error."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'errors')}"), name)
    globals()[name] = found
    return found
