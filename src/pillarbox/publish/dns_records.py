"""DNS records: as they are written into a zone file (RFC 1035 section 5), and what DNS says of
them. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

_STRING_OCTETS = 255
"""RFC 1035 3.3: a character-string has at most 255 octets; readers put them together again."""


class InDns(StrEnum):
    """How a record stands in DNS."""

    RIGHT = "right"
    MISSING = "missing"
    OTHER = "another key"
    REVOKED = "revoked"
    UNUSABLE = "k=, h= or s= is wrong"
    SEVERAL = "several records"
    UNKNOWN = "no answer"


class ZoneSecurity(StrEnum):
    """What a resolver that validates says of a zone (DNSSEC)."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    UNKNOWN = "unknown"


def ownership_record(domain: str, token: str) -> tuple[str, str]:
    """Name and text of the TXT record by which a tenant proves that a domain is its own."""
    return f"_pillarbox-challenge.{domain}", f"token={token}"


def is_proved(texts: Sequence[str], token: str) -> bool:
    """Whether the token stands among the TXT records at the name of ownership_record. Other
    services and tenants may have theirs beside it; quotes that a form took as part of the text do
    no harm."""
    return any(text.strip(' "') == f"token={token}" for text in texts)


def compare_dkim(texts: Sequence[str], record: str) -> InDns:
    """How the record of a DKIM key stands in DNS; `texts` are the TXT records at its name."""
    found = [text for text in texts if is_dkim(text)]
    if not found:
        return InDns.MISSING
    if len(found) > 1:
        # RFC 6376 3.6.2.2: "the results are undefined".
        return InDns.SEVERAL
    if not _key(found[0]):
        # RFC 6376 3.6.1: "An empty value means that this public key has been revoked."
        return InDns.REVOKED
    if _key(found[0]) != _key(record):
        return InDns.OTHER
    is_usable = _verifies(tags(found[0]), tags(record)["k"])
    return InDns.RIGHT if is_usable else InDns.UNUSABLE


def _verifies(found: Mapping[str, str], kind: str) -> bool:
    """Whether receivers verify mail with a record that has the right key, of this kind. RFC 6376
    section 3.6.1: k= is "rsa" where it is missing, and h= and s= may allow other hashes and other
    services than mail alone."""
    hashes = found.get("h", "sha256").lower().split(":")
    services = found.get("s", "*").lower().split(":")
    return (
        found.get("k", "rsa").lower() == kind
        and "sha256" in map(str.strip, hashes)
        and not {"*", "email"}.isdisjoint(map(str.strip, services))
    )


def is_dkim(text: str) -> bool:
    """Whether a TXT record is one of DKIM (RFC 6376 section 3.6.1): v=DKIM1 may be missing."""
    found = tags(text)
    return "p" in found and found.get("v", "DKIM1") == "DKIM1"


def _key(text: str) -> str:
    """Blanks may stand anywhere in it."""
    return "".join(tags(text)["p"].split())


def tags(text: str) -> dict[str, str]:
    """A tag list (RFC 6376 section 3.2), names in lower case; the first of equal names counts."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def txt_record(name: str, text: str) -> str:
    """The line for a TXT record of ASCII text; a long one is cut into several strings."""
    strings = [text[at : at + _STRING_OCTETS] for at in range(0, len(text), _STRING_OCTETS)]
    quoted = " ".join('"' + _escape(string) + '"' for string in strings)
    return f"{name}. IN TXT {quoted}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
