"""Where a session of the client side stands. Pure."""

from enum import StrEnum


class Phase(StrEnum):
    """What the session waits for, or where it stands; the value completes "while ..."."""

    GREETING = "its greeting was awaited"
    HELLO = "it was greeted"
    STARTTLS = "it was asked for STARTTLS"
    HANDSHAKE = "the TLS handshake was made"
    LOGIN = "logging in"
    READY = "nothing was asked"
    MAIL = "it was given the sender"
    RCPT = "it was given the recipients"
    DATA = "it was asked to take the content"
    CONTENT = "it was sent the content"
    CONFIRMATION = "its confirmation was awaited"
    ABANDON = "a message without recipients was given up"
    RESET = "a refused message was taken back"
    PROOF = "its replies were counted"
    QUIT = "saying good-bye"
    CLOSED = "closed"


DEAF = frozenset({Phase.HANDSHAKE, Phase.CLOSED})
"""What comes now is no reply."""

STANDING = frozenset({Phase.HANDSHAKE, Phase.READY, Phase.CONTENT, Phase.CLOSED})
"""The next step is not the server's."""

GOODBYE = frozenset({Phase.READY, Phase.RESET, Phase.PROOF, Phase.QUIT})
"""All is decided: the server may go."""

COMMAND_PHASES = (Phase.MAIL, Phase.RCPT, Phase.DATA)
