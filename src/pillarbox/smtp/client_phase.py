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
    QUIT = "saying good-bye"
    CLOSED = "closed"
