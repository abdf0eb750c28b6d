"""What a source says about a domain, and what a look at the servers found. Values only.

A `Finding` is the answer of one source: offers (a server, a port, its encryption), and why it says
so. A `Check` is what happened when an offer was connected to: nothing is sent there, no login
tried.
"""

from dataclasses import dataclass
from enum import StrEnum

from pillarbox.publish.client_settings import Door


class Source(StrEnum):
    """Where settings come from. The order is that of trust: an earlier source wins."""

    TABLE = "table"
    """Our own table knows the domain."""
    SRV = "srv"
    """SRV records of the domain (RFC 8314 section 5.1, RFC 6186)."""
    PACC = "pacc"
    """A document of the domain with its digest in the DNS (draft-ietf-mailmaint-pacc)."""
    AUTOCONFIG = "autoconfig"
    """A document of the domain over HTTPS (draft-ietf-mailmaint-autoconfig)."""
    ISPDB = "ispdb"
    """Thunderbird's database."""
    AUTOCONFIG_HTTP = "autoconfig-http"
    """The same document without HTTPS: anybody on the way could have written it."""
    MX = "mx"
    """The host that takes mail for the domain is of a provider in our table."""
    MX_AUTOCONFIG = "mx-autoconfig"
    """A document of the domain in which that host is."""
    MX_ISPDB = "mx-ispdb"
    """Thunderbird's database about the domain in which that host is."""
    HINT = "hint"
    """Other records of the domain that its provider has it set."""
    GUESS = "guess"
    """A usual name exists in the domain."""


TRUST = tuple(Source)


class Login(StrEnum):
    """With what one logs in at a server."""

    PASSWORD = "password"  # noqa: S105 - the name of a way to log in
    """The password of the mailbox."""
    APP_PASSWORD = "app-password"  # noqa: S105
    """A password made for one program."""
    OAUTH2 = "oauth2"
    """A token (XOAUTH2, OAUTHBEARER)."""
    SERVICE = "service"
    """Credentials that the service gives out for sending; not those of a mailbox."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to submit: a host, a port, its encryption. `username` "" means the address."""

    host: str
    door: Door
    username: str = ""
    logins: tuple[Login, ...] = (Login.PASSWORD,)

    def __str__(self) -> str:
        return f"{self.host}:{self.door.port}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one source says. `offers` stand in its order of preference; `why` is a sentence for
    people; `provider` is the key of a row of our table."""

    source: Source
    offers: tuple[Offer, ...]
    why: str
    provider: str = ""
    is_weak: bool = False
    """Whether the source itself is in doubt: evidence that allows another reading."""


class CheckState(StrEnum):
    """What connecting to an offer came to."""

    OK = "ok"
    """TLS with a certificate that is valid for the host, and a session that opened."""
    UNREACHABLE = "unreachable"
    """No connection from here: it may be this network."""
    BAD = "bad"
    """What answers is not safe to use, or is not what was said."""
    UNKNOWN = "unknown"
    """It was not tried, or time was over."""


@dataclass(frozen=True, slots=True)
class Check:
    """What happened at one offer. `problem` is a short text, "" where all was well."""

    state: CheckState
    problem: str = ""
    tls: str = ""
    mechanisms: tuple[str, ...] = ()
    address: str = ""


NOT_CHECKED = Check(CheckState.UNKNOWN, "not connected to")


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of asking one source."""

    source: Source
    outcome: str
