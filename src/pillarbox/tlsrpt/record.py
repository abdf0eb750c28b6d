"""Who wants reports: the TXT record at _smtp._tls.DOMAIN (RFC 8460 section 3). Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, parse_mailbox

MAX_DESTINATIONS = 5
"""More of them are not looked at."""

_VERSION = re.compile(r"v=TLSRPTv1[ \t]*;")
_PRINTABLE = re.compile(r"[!-~]{1,1000}")
_BLANKS = " \t"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where reports go: to a mailbox, or by POST to a URL. One of both is there."""

    mailbox: Mailbox | None = None
    url: str = ""

    def __str__(self) -> str:
        return self.url if self.mailbox is None else f"mailto:{self.mailbox.address}"


def record_name(domain: str) -> str:
    """Where the record of a domain stands."""
    return f"_smtp._tls.{domain}"


def destinations(records: Sequence[str]) -> tuple[Destination, ...]:
    """Where reports on a domain are wanted, by the TXT records of that name; none: nowhere.

    RFC 8460 section 3: records that do not begin with the version are ignored, and with several
    there is none. What is no mailto: or https: is passed over.
    """
    found = [record for record in records if _VERSION.match(record)]
    if len(found) != 1:
        return ()
    for field in found[0].split(";")[1:]:
        name, equals, value = field.partition("=")
        if equals and name.strip(_BLANKS) == "rua":
            read = (_destination(one.strip(_BLANKS)) for one in value.split(","))
            return tuple(dict.fromkeys(one for one in read if one is not None))[:MAX_DESTINATIONS]
    return ()


def _destination(uri: str) -> Destination | None:
    if _PRINTABLE.fullmatch(uri) is None:
        return None
    scheme, _, rest = uri.partition(":")
    match scheme.lower():
        case "mailto":
            return _mailbox(rest)
        case "https":
            return Destination(url=uri) if _has_host(uri) else None
    return None


def _mailbox(text: str) -> Destination | None:
    """RFC 6068: characters may be encoded; header fields behind "?" are not heeded."""
    address = unquote(text.partition("?")[0])
    if not address.isascii() or not address.isprintable():
        return None
    try:
        return Destination(parse_mailbox(address))
    except AddressError:
        return None


def _has_host(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).hostname)
    except ValueError:
        return False
