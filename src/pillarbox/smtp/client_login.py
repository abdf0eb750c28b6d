"""Logging in at a server: which mechanism, and what is said. Pure.

With a password SCRAM (smtp.client_scram), PLAIN (RFC 4616) or LOGIN; with an access token
of OAuth2 OAUTHBEARER (RFC 7628) or XOAUTH2, its forerunner, which is all that Microsoft offers.
RFC 4954 for the exchange.
"""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pillarbox.errors import RemoteProtocolError
from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client_replies import Secrets
from pillarbox.smtp.client_scram import DIGESTS, Scrambling, ScramExchange

_MAX_COMMAND_OCTETS = 512

PASSWORD_MECHANISMS = ("PLAIN", "LOGIN")
TOKEN_MECHANISMS = ("OAUTHBEARER", "XOAUTH2")
"""The first that a server offers is used."""

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
    """Who logs in, with a token or else with a password.

    `mechanisms` may be used, the first that is offered; empty means the usual ones. SCRAM needs
    `scrambling`.
    """

    username: str
    password: str = field(default="", repr=False)
    token: Token | None = None
    mechanisms: tuple[str, ...] = ()
    scrambling: Scrambling | None = None

    @property
    def allowed(self) -> tuple[str, ...]:
        """The mechanisms that may be used."""
        usual = PASSWORD_MECHANISMS if self.token is None else TOKEN_MECHANISMS
        return self.mechanisms or usual


class LoginDialogue(Protocol):
    """One exchange. All methods raise RemoteProtocolError where the server breaks the rules."""

    @property
    def command(self) -> bytes:
        """The AUTH command to begin with."""

    def answer(self, challenge: bytes) -> bytes:
        """What answers a challenge; both are in base64, without line ends."""

    def finish(self) -> None:
        """The server says that we are logged in."""


class _Recital:
    """Answers that stand before the challenges are known."""

    def __init__(self, command: bytes, answers: Sequence[bytes]) -> None:
        self.command = command
        self._answers = list(answers)

    def answer(self, challenge: bytes) -> bytes:
        del challenge
        if not self._answers:
            raise RemoteProtocolError("a challenge more than the login has answers")
        return self._answers.pop(0)

    def finish(self) -> None:
        """Nothing to check: the server has the secret now."""


def choose_login(mechanisms: Sequence[str], login: Login) -> LoginDialogue | None:
    """The dialogue for the best mechanism that is offered; None if there is none in common."""
    chosen = next((name for name in login.allowed if name in mechanisms), None)
    user, secret = login.username.encode(), login.password.encode()
    if login.token is not None:
        return _choose_for_token(chosen, login.username, login.token)
    if chosen in DIGESTS and login.scrambling is not None:
        return ScramExchange(login.username, login.password, login.scrambling, chosen)
    if chosen == "PLAIN":
        return _with_initial_response("PLAIN", b"\0%b\0%b" % (user, secret))
    if chosen == "LOGIN":
        return _Recital(b"AUTH LOGIN\r\n", [b64encode(user), b64encode(secret)])
    return None


def _choose_for_token(chosen: str | None, username: str, token: Token) -> LoginDialogue | None:
    if chosen == "OAUTHBEARER":
        return _with_initial_response(chosen, oauthbearer(username, token), _DUMMY[chosen])
    if chosen == "XOAUTH2":
        return _with_initial_response(chosen, xoauth2(username, token), _DUMMY[chosen])
    return None


def xoauth2(username: str, token: Token) -> bytes:
    """What XOAUTH2 says, before base64."""
    return f"user={username}\x01auth=Bearer {token.value}\x01\x01".encode()


def oauthbearer(username: str, token: Token) -> bytes:
    """What OAUTHBEARER says, before base64. RFC 7628 section 3.1; RFC 5801 section 4 for `a=`."""
    user = username.replace("=", "=3D").replace(",", "=2C")
    where = f"host={token.host}\x01port={token.port}\x01" if token.host else ""
    return f"n,a={user},\x01{where}auth=Bearer {token.value}\x01\x01".encode()


def _with_initial_response(mechanism: str, response: bytes, *more: bytes) -> LoginDialogue:
    name, encoded = mechanism.encode(), b64encode(response)
    command = b"AUTH %b %b\r\n" % (name, encoded)
    # RFC 4954 section 4: where the initial response makes the line longer than a command may be,
    # it is sent as the answer to a challenge. Tokens are nearly always that long.
    if len(command) > _MAX_COMMAND_OCTETS:
        return _Recital(b"AUTH %b\r\n" % name, [encoded, *more])
    return _Recital(command, more)


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
