"""AUTH LOGIN and XOAUTH2, the server's part, apart from the core's exchanges. Pure.

Microsoft offers these two only; XOAUTH2 is base64 of "user=" address ^A "auth=Bearer " token ^A ^A.
"""

import base64
import binascii
import re
from dataclasses import dataclass, field

_XOAUTH2 = re.compile(rb"user=([^\x01]+)\x01auth=[Bb]earer ([^\x01]+)\x01\x01")

MECHANISMS = frozenset({"LOGIN", "XOAUTH2"})


@dataclass(frozen=True, slots=True)
class Presented:
    """What a client showed: a password, or a token for XOAUTH2."""

    mechanism: str
    username: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """A challenge, in base64 already."""

    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The exchange is over without a login: the name of the reply."""

    name: str


Outcome = Presented | Asked | Refused


class Exchange:
    """One AUTH. `start` with what stands behind the word AUTH, then `answer` each challenge."""

    def __init__(self) -> None:
        self._mechanism = ""
        self._username: str | None = None

    def start(self, argument: str) -> Outcome:
        """The mechanism and perhaps the initial response."""
        mechanism, _, response = argument.strip().partition(" ")
        self._mechanism = mechanism.upper()
        if self._mechanism not in MECHANISMS:
            return Refused("mechanism")
        if response:
            return self.answer("" if response == "=" else response)
        return Asked(_encode("Username:") if self._mechanism == "LOGIN" else "")

    def answer(self, text: str) -> Outcome:
        """A response of the client."""
        octets = _decode(text)
        if octets is None:
            return Refused("arguments")
        if self._mechanism == "XOAUTH2":
            match = _XOAUTH2.fullmatch(octets)
            if match is None:
                return Refused("login")
            return _presented("XOAUTH2", match[1], match[2])
        if self._username is None:
            self._username = octets.decode("utf-8", "replace")
            return Asked(_encode("Password:"))
        return Presented("LOGIN", self._username, octets.decode("utf-8", "replace"))


def _presented(mechanism: str, username: bytes, secret: bytes) -> Presented:
    return Presented(mechanism, username.decode("utf-8", "replace"), secret.decode("latin-1"))


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
