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
