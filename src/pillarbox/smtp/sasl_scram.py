"""SCRAM-SHA-256 (RFC 5802, RFC 7677): the server's part of the exchange, without its arithmetic.

    C: n,,n=user@example.org,r=NONCE
    S: r=NONCE…,s=SALT,i=65536
    C: c=biws,r=NONCE…,p=PROOF
    S: v=SIGNATURE
    C: (nothing)

What the server says is not known here: the shell answers the first two messages with
`ServerProtocol.challenge()`. Channels are not bound: -PLUS is not offered.
"""

import re

from pillarbox.explain.refusals import Refusal
from pillarbox.smtp.events import ScramEnd, ScramFinal, ScramFirst
from pillarbox.smtp.sasl import CONTROLS, Challenge, Outcome
from pillarbox.smtp.sasl_oauth import unescaped

_FIRST = re.compile(
    rb"(?P<binding>n|y|p=[A-Za-z0-9.-]+),(?P<authzid>a=[^,\x00]+)?,"
    rb"(?P<extension>m=[^,\x00]+,)?n=(?P<name>[^,\x00]+),r=[!-+\--~]+(?:,[A-Za-z]=[^,\x00]+)*"
)
"""RFC 5802 section 7: client-first-message."""

_FINAL = re.compile(rb"c=[A-Za-z0-9+/]+=*,r=[!-+\--~]+(?:,[A-Za-z]=[^,\x00]+)*,p=[A-Za-z0-9+/]+=*")
"""The same: client-final-message."""


class ScramExchange:
    """Three responses: who, the proof, and that the server's signature was read."""

    def __init__(self) -> None:
        self._step = 0

    def start(self) -> Outcome:
        """An empty challenge: the client begins."""
        return Challenge(b"")

    def answer(self, response: bytes) -> Outcome:
        """What follows from the next response."""
        self._step += 1
        match self._step:
            case 1:
                return _first(response)
            case 2:
                if _FINAL.fullmatch(response) is None or not response.isascii():
                    return Refusal.LOGIN_SYNTAX
                return ScramFinal(response.decode("ascii"))
            case _:
                # RFC 4954 4: what the server says last is a challenge with an empty answer.
                return Refusal.LOGIN_SYNTAX if response else ScramEnd()


def _first(response: bytes) -> Outcome:
    parts = _FIRST.fullmatch(response)
    if parts is None:
        return Refusal.LOGIN_SYNTAX
    if parts["authzid"] or parts["extension"] or parts["binding"].startswith(b"p"):
        # Acting for others, mandatory extensions (RFC 5802 5.1: "MUST fail authentication") and
        # bound channels are not known here.
        return Refusal.LOGIN_FAILED
    name = unescaped(parts["name"])
    try:
        username = None if name is None else name.decode()
        message = response.decode()
    except UnicodeDecodeError:
        return Refusal.LOGIN_FAILED
    if username is None or CONTROLS.search(message):
        return Refusal.LOGIN_SYNTAX
    return ScramFirst(username, message)
