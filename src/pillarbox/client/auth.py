"""How a client logs in: with a password, or with an access token of OAuth2.

auth=("app@example.org", "password")        the same as Password(...)
auth=Password("app@example.org", "password", mechanism="SCRAM-SHA-256")
auth=OAuth2("app@example.org", provider)
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

PASSWORD_MECHANISMS = ("SCRAM-SHA-256", "PLAIN", "LOGIN")
TOKEN_MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
"""The first that the server offers is used."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and how many seconds it is good for from now; None: nobody knows, so it is asked for
    again for each connection."""

    value: str = field(repr=False)
    expires_in: float | None = None


Token: TypeAlias = AccessToken | str
TokenProvider: TypeAlias = Callable[[], Token | Awaitable[Token]]
"""Gives a token. It is called by one thread or task at a time, when a connection needs a token that
is not at hand; a plain function runs in a thread under AsyncClient. What it raises becomes a
TokenError."""


@dataclass(frozen=True, slots=True)
class Password:
    """Log in with a password. `mechanism` "" takes the best that the server offers."""

    username: str
    password: str = field(repr=False)
    mechanism: str = ""


@dataclass(frozen=True, slots=True)
class OAuth2:
    """Log in with an access token; `token` is one, or who gives one. `mechanism` "" takes
    OAUTHBEARER where it is offered and else XOAUTH2."""

    username: str
    token: Token | TokenProvider = field(repr=False)
    mechanism: str = ""


@dataclass(frozen=True, slots=True)
class Keyring:
    """Log in with a password that stands in the keyring of this user (the extra `keyring`), under
    `service` and the user name."""

    username: str
    service: str = "pillarbox"
    mechanism: str = ""


Auth: TypeAlias = Password | OAuth2 | Keyring | tuple[str, str]
