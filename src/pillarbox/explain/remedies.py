"""The words in which replies of next hops are sorted: what helps, whom it concerns, where the reply
came from. Pure."""

from enum import StrEnum


class Remedy(StrEnum):
    """What kind of thing helps."""

    RETRY = "retry"
    """It passes by itself."""
    WAIT = "wait-until"
    """A limit of the next hop is reached; its window has to move on."""
    CONFIGURATION = "configuration"
    """A setting of the route, or of what sends, is wrong."""
    ADMIN = "admin"
    """Somebody has to change something at the next hop or in the DNS."""
    FINAL = "final"
    """Nothing makes it work as it is."""


class Scope(StrEnum):
    """Whom a reply concerns."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    SENDER = "sender"
    """All mail of this sender."""
    HOP = "hop"
    """All mail of this route or mailbox."""


class Bounce(StrEnum):
    """What a failure is counted as."""

    HARD = "hard"
    """Nobody has the address, and nobody will tomorrow."""
    SOFT = "soft"
    """It may pass another time."""
    QUOTA = "quota"
    """The mailbox is full."""
    POLICY = "policy"
    """A rule of the recipient's side."""
    REPUTATION = "reputation"
    """Of the address or domain that sends."""
    AUTHENTICATION = "authentication"
    """SPF, DKIM, DMARC or the reverse DNS name."""
    CONTENT = "content"
    """What is in the message, or its size."""
    LIMIT = "limit"
    """Too much at once, or in a time."""
    SETUP = "setup"
    """The route or the sender is not set up as the next hop wants."""
    OTHER = "other"


class Grade(StrEnum):
    """How well a row is known."""

    DOCUMENTED = "D"
    """By who runs the service, or by a standard."""
    FIELD = "F"
    """Seen in logs and reports."""
    UNSEEN = "M"
    """Neither: never told as a fact."""


class Way(StrEnum):
    """By which protocol it was said."""

    SMTP = "smtp"
    GRAPH = "graph"
    TOKEN = "token"  # noqa: S105 - no password
    """The token endpoint of OAuth2."""


class Stage(StrEnum):
    """To what it was the answer."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    CONTENT = "content"
    """DATA, BDAT and what follows."""
