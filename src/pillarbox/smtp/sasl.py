"""SASL exchanges of AUTH: what all have in common, and PLAIN (RFC 4616) and LOGIN, the server's
part.

The exchanges turn responses into `Credentials`; whether those are right is not decided here.
Framing and limits are those of RFC 4954 section 4.
"""

import binascii
import re
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import Reply
from pillarbox.smtp.events import BearerToken, Credentials, ScramEnd, ScramFinal, ScramFirst

MAX_RESPONSE_OCTETS = 12_288
"""Base64 of one response; RFC 4954 section 4 asks for at least this much."""

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server sends with 334, before base64."""

    octets: bytes


@dataclass(frozen=True, slots=True)
class SaslFailure:
    """The exchange ends with this reply, which was decided before."""

    reply: Reply


ScramStep: TypeAlias = ScramFirst | ScramFinal | ScramEnd

Outcome: TypeAlias = Challenge | Credentials | BearerToken | ScramStep | Refusal | SaslFailure


class Exchange(Protocol):
    """The server's part of one mechanism."""

    def start(self) -> Outcome:
        """The first challenge, for a client that sent no initial response."""
        ...

    def answer(self, response: bytes) -> Outcome:
        """What follows from a response of the client, base64 undone."""
        ...


class PlainExchange:
    """PLAIN: one message "authzid NUL authcid NUL password" (RFC 4616 section 2)."""

    def start(self) -> Outcome:
        """An empty challenge (RFC 4616 2: "The mechanism consists of a single message")."""
        return Challenge(b"")

    def answer(self, response: bytes) -> Outcome:
        """The credentials of the only message."""
        parts = response.split(b"\x00")
        if len(parts) != 3:
            return Refusal.LOGIN_SYNTAX
        authzid, username, password = parts
        return _credentials("PLAIN", username, password, authzid)


class LoginExchange:
    """LOGIN: user name, then password, each asked for. Never standardised, used everywhere."""

    def __init__(self) -> None:
        self._username: bytes | None = None

    def start(self) -> Outcome:
        """Ask for the user name, in the words that clients look for."""
        return Challenge(b"Username:")

    def answer(self, response: bytes) -> Outcome:
        """The user name, then the password."""
        if self._username is None:
            self._username = response
            return Challenge(b"Password:")
        return _credentials("LOGIN", self._username, response, b"")


def _credentials(mechanism: str, username: bytes, password: bytes, authzid: bytes) -> Outcome:
    try:
        user = username.decode()
        secret = password.decode()
        other = authzid.decode()
    except UnicodeDecodeError:
        # RFC 4616 2: the three are UTF-8, so nobody's name or password looks like this.
        return Refusal.LOGIN_FAILED
    if CONTROLS.search(user) or CONTROLS.search(other) or "\x00" in secret:
        return Refusal.LOGIN_SYNTAX
    if not user or not secret:
        return Refusal.LOGIN_FAILED
    if other and other.casefold() != user.casefold():
        # RFC 4616 2: acting for somebody else is a right that no account here has.
        return Refusal.LOGIN_FAILED
    return Credentials(mechanism, user, secret, other)


def decode_base64(text: str) -> bytes | None:
    """The octets that a response stands for; None where it is no base64 (RFC 4648 section 4)."""
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        return None


def encode_base64(octets: bytes) -> str:
    """Base64 on one line."""
    return binascii.b2a_base64(octets, newline=False).decode("ascii")
