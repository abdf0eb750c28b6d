"""Logging in at a server: which mechanism, and what is said (RFC 4954, RFC 4616). Pure."""

from base64 import b64encode
from collections.abc import Sequence
from typing import NamedTuple

_MAX_COMMAND_OCTETS = 512


class LoginDialogue(NamedTuple):
    """The AUTH command to begin with and the answers to the challenges that follow, in order."""

    command: bytes
    answers: list[bytes]


def choose_login(mechanisms: Sequence[str], username: str, password: str) -> LoginDialogue | None:
    """The dialogue for the best mechanism that is offered; None if there is none in common."""
    user, secret = username.encode(), password.encode()
    if "PLAIN" in mechanisms:
        response = b64encode(b"\0%b\0%b" % (user, secret))
        command = b"AUTH PLAIN %b\r\n" % response
        # RFC 4954 section 4: where the initial response makes the line longer than a command may
        # be, it is sent as the answer to a challenge.
        if len(command) > _MAX_COMMAND_OCTETS:
            return LoginDialogue(b"AUTH PLAIN\r\n", [response])
        return LoginDialogue(command, [])
    if "LOGIN" in mechanisms:
        return LoginDialogue(b"AUTH LOGIN\r\n", [b64encode(user), b64encode(secret)])
    return None
