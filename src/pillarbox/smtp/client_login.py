"""Logging in at a server: which mechanism, and what is said. Pure.

With a password PLAIN (RFC 4616) or LOGIN; with an access token of OAuth2 OAUTHBEARER (RFC 7628) or
XOAUTH2, its forerunner, which is all that Microsoft offers. RFC 4954 for the exchange.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client_replies import Secrets

_MAX_COMMAND_OCTETS = 512

_DUMMY = {"OAUTHBEARER": b64encode(b"\x01"), "XOAUTH2": b""}
"""What answers the challenge in which a server says why it will refuse the token. RFC 7628 section
3.2.3: "the client MUST then send either an additional client response consisting of a single %x01
(control A) character ... or a cancellation"; with XOAUTH2 it is an empty line."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `host` and `port` are what the server was asked for by: OAUTHBEARER names
    them."""

    value: str = field(repr=False)
    host: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in, with a token or else with a password."""

    username: str
    password: str = field(default="", repr=False)
    token: Token | None = None


class LoginDialogue(NamedTuple):
    """The AUTH command to begin with and the answers to the challenges that follow, in order."""

    command: bytes
    answers: list[bytes]


def choose_login(mechanisms: Sequence[str], login: Login) -> LoginDialogue | None:
    """The dialogue for the best mechanism that is offered; None if there is none in common."""
    if login.token is not None:
        return _choose_for_token(mechanisms, login.username, login.token)
    user, secret = login.username.encode(), login.password.encode()
    if "PLAIN" in mechanisms:
        return _with_initial_response("PLAIN", b"\0%b\0%b" % (user, secret))
    if "LOGIN" in mechanisms:
        return LoginDialogue(b"AUTH LOGIN\r\n", [b64encode(user), b64encode(secret)])
    return None


def _choose_for_token(
    mechanisms: Sequence[str], username: str, token: Token
) -> LoginDialogue | None:
    if "OAUTHBEARER" in mechanisms:
        chosen, response = "OAUTHBEARER", oauthbearer(username, token)
    elif "XOAUTH2" in mechanisms:
        chosen, response = "XOAUTH2", xoauth2(username, token)
    else:
        return None
    command, answers = _with_initial_response(chosen, response)
    return LoginDialogue(command, [*answers, _DUMMY[chosen]])


def xoauth2(username: str, token: Token) -> bytes:
    """What XOAUTH2 says, before base64."""
    return f"user={username}\x01auth=Bearer {token.value}\x01\x01".encode()


def oauthbearer(username: str, token: Token) -> bytes:
    """What OAUTHBEARER says, before base64. RFC 7628 section 3.1; RFC 5801 section 4 for `a=`."""
    user = username.replace("=", "=3D").replace(",", "=2C")
    where = f"host={token.host}\x01port={token.port}\x01" if token.host else ""
    return f"n,a={user},\x01{where}auth=Bearer {token.value}\x01\x01".encode()


def _with_initial_response(mechanism: str, response: bytes) -> LoginDialogue:
    name, encoded = mechanism.encode(), b64encode(response)
    command = b"AUTH %b %b\r\n" % (name, encoded)
    # RFC 4954 section 4: where the initial response makes the line longer than a command may be,
    # it is sent as the answer to a challenge. Tokens are nearly always that long.
    if len(command) > _MAX_COMMAND_OCTETS:
        return LoginDialogue(b"AUTH %b\r\n" % name, [encoded])
    return LoginDialogue(command, [])


def secrets_of(login: Login) -> Secrets:
    """What has to be masked where a server repeats it."""
    token = login.token
    if token is None:
        return Secrets.of_password(login.username, login.password)
    return Secrets.of_token(
        token.value, [xoauth2(login.username, token), oauthbearer(login.username, token)]
    )


def refusal_kind(code: int, login: Login) -> FailureKind:
    """What a login that was answered by this code has failed with."""
    if code < 500:
        return FailureKind.LOGIN_UNAVAILABLE
    return FailureKind.LOGIN_REFUSED if login.token is None else FailureKind.TOKEN_REFUSED
