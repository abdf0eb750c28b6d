"""Mailboxes and domains: parsing, and the forms in which they are compared.

Reads what RFC 5321 section 4.1.2 calls Mailbox, with the UTF-8 of RFC 6531 section 3.3. It does
not know paths with angle brackets (smtp.grammar) nor header fields, and it never looks inside a
local part: `"a@b"@c` and `a%b@c` belong to c and to nobody else.
"""

import re
import unicodedata
from dataclasses import dataclass, field
from functools import cache, lru_cache

from pillarbox.errors import AddressError

MAX_LOCAL_PART_OCTETS = 64
"""RFC 5321 4.5.3.1.1; counted in UTF-8 (RFC 6531 3.3)."""

MAX_DOMAIN_OCTETS = 255
"""RFC 5321 4.5.3.1.2."""

_MAX_TEXT = 1 + MAX_LOCAL_PART_OCTETS + MAX_DOMAIN_OCTETS
_CACHED = 4096
"""Domains and addresses repeat from message to message; this bounds what is remembered of them."""

_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOT_STRING_ASCII = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED_STRING_ASCII = re.compile(r'"(?:[ !#-\[\]-~]|\\[ -~])*"')

_UTEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\U0010ffff-]"
_DOT_STRING = rf"{_UTEXT}+(?:\.{_UTEXT}+)*"
_QUOTED_STRING = r'"(?:[ !#-\[\]-~\x80-\U0010ffff]|\\[ -~])*"'
_QUOTED_PAIR = re.compile(r"\\(.)")

# The underscore is in no host name of RFC 1123, but it is in the names of real devices.
_HOST_NAME = re.compile(
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    r"(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*"
)

# C0 and C1 controls, blanks and line separators, marks that reorder or hide text, surrogates; and
# what Unicode calls default ignorable, since it does not show, but for joiners and variation
# selectors, which words and emoji are written with; and what is no character: no XML takes that.
_DECEPTIVE = (
    r"[\x00-\x1f\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180e\u2000-\u200b"
    r"\u200e\u200f\u2028-\u202f\u205f-\u206f\u3000\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff"
    r"\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
)


@cache
def _wide(pattern: str) -> re.Pattern[str]:
    """A pattern for all of Unicode: it takes milliseconds to compile, and is seldom needed."""
    return re.compile(pattern)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox as it was given: `parse_mailbox` makes valid ones. `is_ascii`: its address can be
    used without SMTPUTF8."""

    local_part: str
    domain: str
    address: str = field(init=False, compare=False, repr=False)
    is_ascii: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """These two are asked many times for each message."""
        address = f"{self.local_part}@{self.domain}"
        object.__setattr__(self, "address", address)
        object.__setattr__(self, "is_ascii", address.isascii())

    @property
    def key(self) -> str:
        """The form in which two addresses are compared: equal keys are one mailbox to us.

        RFC 5321 2.4 leaves the case of a local part to its host; no host that matters keeps two
        mailboxes apart by case, and a sender must not pass for another by case.
        """
        return _mailbox_key(self.local_part, self.domain)

    @property
    def domain_key(self) -> str:
        """The domain as a lower-case A-label, or the address literal."""
        return domain_key(self.domain)

    def __str__(self) -> str:
        return self.address


@lru_cache(_CACHED)
def parse_mailbox(text: str, *, smtputf8: bool = True) -> Mailbox:
    """Read "local-part@domain" or "local-part@[address literal]" without angle brackets.

    Raises AddressError for all else, and for an address beyond ASCII unless `smtputf8`.
    """
    if not smtputf8 and not text.isascii():
        raise AddressError("the address is not ASCII")
    if len(text) > _MAX_TEXT:
        raise AddressError("the address is too long")
    pattern = _quoted_string(text) if text.startswith('"') else _dot_string(text)
    match = pattern.match(text)
    if match is None or match.end() == len(text) or text[match.end()] != "@":
        raise AddressError(_local_fault(text))
    local_part = match.group()
    if len(local_part) > MAX_LOCAL_PART_OCTETS or not local_part.isascii():
        _check_local_part(local_part)
    domain = text[match.end() + 1 :]
    domain_key(domain)
    return Mailbox(local_part, domain)


def _local_fault(text: str) -> str:
    local_part, at, _ = text.partition("@")
    if not at:
        return "the @ and the domain are missing"
    if "" in local_part.split(".") and local_part and not local_part.startswith('"'):
        # As some Japanese mailboxes have it.
        return "the part before the @ has a dot at an end, or two in a row: it needs double quotes"
    return "the part before the @ is not valid"


def _dot_string(text: str) -> re.Pattern[str]:
    return _DOT_STRING_ASCII if text.isascii() else _wide(_DOT_STRING)


def _quoted_string(text: str) -> re.Pattern[str]:
    return _QUOTED_STRING_ASCII if text.isascii() else _wide(_QUOTED_STRING)


def _check_local_part(local_part: str) -> None:
    if _wide(_DECEPTIVE).search(local_part):
        raise AddressError("the local part has characters that do not show")
    if len(local_part.encode()) > MAX_LOCAL_PART_OCTETS:
        raise AddressError("the local part is longer than 64 octets")


@lru_cache(_CACHED)
def _mailbox_key(local_part: str, domain: str) -> str:
    return f"{_local_key(local_part)}@{domain_key(domain)}"


def _local_key(local_part: str) -> str:
    if local_part.startswith('"'):
        content = _QUOTED_PAIR.sub(r"\1", local_part[1:-1])
        if _dot_string(content).fullmatch(content):
            # RFC 5321 4.1.2: the quotes are not part of the local part where it needs none.
            local_part = content
        else:
            escaped = content.replace("\\", "\\\\").replace('"', '\\"')
            local_part = f'"{escaped}"'
    if local_part.isascii():
        return local_part.lower()
    folded = unicodedata.normalize("NFD", local_part).casefold()
    return unicodedata.normalize("NFC", folded)


@lru_cache(_CACHED)
def domain_key(domain: str) -> str:
    """The domain in lower-case A-labels (RFC 5890), an address literal in its shortest form.

    Raises AddressError where the text is neither a domain nor an IPv4 or IPv6 literal.
    """
    if len(domain) > MAX_DOMAIN_OCTETS:
        raise AddressError("the domain is longer than 255 octets")
    if domain.startswith("["):
        return _literal_key(domain)
    if not domain.isascii():
        domain = _to_ascii(domain)
    if len(domain) > MAX_DOMAIN_OCTETS or _HOST_NAME.fullmatch(domain) is None:
        dot = domain.endswith(".")
        raise AddressError("the domain ends with a dot" if dot else "the domain is not valid")
    return domain.lower()


def _to_ascii(domain: str) -> str:
    # Seldom needed, and a program that sends one message should begin quickly.
    import idna

    if _wide(_DECEPTIVE).search(domain):
        raise AddressError("the domain has characters that do not show")
    try:
        return idna.encode(domain, uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError) as exc:
        raise AddressError("the domain is not valid in IDNA") from exc


def _literal_key(literal: str) -> str:
    """RFC 5321 4.1.3; tags other than IPv6 have never been registered."""
    import ipaddress

    content = literal[1:-1]
    if not literal.endswith("]") or not content.isascii():
        raise AddressError("the address literal is not valid")
    try:
        if content[:5].lower() == "ipv6:" and "%" not in content:
            return f"[ipv6:{ipaddress.IPv6Address(content[5:]).compressed}]"
        return f"[{ipaddress.IPv4Address(content)}]"
    except ValueError as exc:
        raise AddressError("the address literal is not an IPv4 or IPv6 address") from exc
