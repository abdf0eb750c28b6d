"""Pillarbox: the SMTP submission service for every application, server and device."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pillarbox.client import (
        AccessToken,
        ArgumentError,
        AsyncClient,
        CertificateError,
        Client,
        ClientClosed,
        ClientError,
        ConnectError,
        ConnectionLost,
        DiscoveryError,
        Dsn,
        Keyring,
        LoginError,
        Mail,
        Message,
        MessageRefused,
        MessageUnsuitable,
        OAuth2,
        Password,
        Pool,
        PoolTimeout,
        ProtocolError,
        RecipientResult,
        ReplyTimeout,
        RequireTlsMissing,
        SendResult,
        SendState,
        SessionRefused,
        Timeouts,
        TlsError,
        TlsMissing,
        TokenError,
        Unconfirmed,
        WrongTlsMode,
        connect,
        connect_async,
    )
    from pillarbox.client.discovery import discover, discover_async

__version__ = "0.1.0"

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
    "__version__",
    "connect",
    "connect_async",
    "discover",
    "discover_async",
]

_DISCOVERY = frozenset({"discover", "discover_async"})


def __getattr__(name: str) -> object:
    """Import what is seldom used when it is used: the command line begins quickly without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _DISCOVERY:
        from pillarbox.client import discovery

        return getattr(discovery, name)
    from pillarbox import client

    return getattr(client, name)
