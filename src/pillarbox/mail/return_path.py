"""Reverse-paths that say to which message and recipient a bounce belongs (VERP). Pure.

    06cz4v9kd1g0s-3-8h2k9m4tq7xw0z1c@bounces.example.org

The local part has the queue id, the number of a recipient, and a code that nobody can make without
the key of the service: it covers the domain, too. Case does not matter, since some servers change
it. With an "s" behind the number the address is shared by the recipients that went with this one
in a single transaction; a report says itself whom of them it is about.

An address has no date of its own: it is good for as long as its message is known.

    feedback-8h2k9m4tq7xw0z1c@bounces.example.org

is for complaints about any message: those who run feedback loops want one address for all of them.
"""

import hmac
import re
from dataclasses import dataclass

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, domain_key
from pillarbox.mail.identifier import format_id, parse_id

KEY_OCTETS = 32

_CODE_OCTETS = 10
"""80 bits: who guesses a thousand times a second for a year is right once in 38 million years."""

_FEEDBACK = "feedback"
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LOCAL = re.compile(r"([0-9a-z]{13})-(0|[1-9][0-9]{0,5})(s?)-([0-9a-z]{16})", re.A | re.I)


@dataclass(frozen=True, slots=True)
class ReturnTag:
    """Of whom an address speaks. `is_shared`: of this recipient, or of one that went with it."""

    queue_id: int
    number: int
    is_shared: bool


def return_address(key: bytes, domain: str, tag: ReturnTag) -> Mailbox:
    """The address at a domain (a lower-case A-label)."""
    name = f"{format_id(tag.queue_id).lower()}-{tag.number}{'s' if tag.is_shared else ''}"
    return Mailbox(f"{name}-{_code(key, name, domain)}", domain)


def read_return_address(key: bytes, address: Mailbox) -> ReturnTag | None:
    """What an address says; None for one that `return_address` did not make with this key."""
    match = _LOCAL.fullmatch(address.local_part)
    if match is None:
        return None
    queue_id, number, shared, code = match.groups()
    try:
        tag = ReturnTag(parse_id(queue_id), int(number), bool(shared))
        made = return_address(key, domain_key(address.domain), tag)
    except (ValueError, AddressError):
        return None
    expected = made.local_part.rpartition("-")[2]
    return tag if hmac.compare_digest(expected, code.lower()) else None


def feedback_address(key: bytes, domain: str) -> Mailbox:
    """The address for complaints at a domain (a lower-case A-label)."""
    return Mailbox(f"{_FEEDBACK}-{_code(key, _FEEDBACK, domain)}", domain)


def is_feedback_address(key: bytes, address: Mailbox) -> bool:
    """Whether `feedback_address` made it with this key."""
    local_part = address.local_part.lower()
    if not local_part.isascii() or not local_part.startswith(f"{_FEEDBACK}-"):
        return False
    try:
        made = feedback_address(key, domain_key(address.domain))
    except AddressError:
        return False
    return hmac.compare_digest(made.local_part, local_part)


def _code(key: bytes, name: str, domain: str) -> str:
    text = f"return-path {name}@{domain}".encode("ascii")
    number = int.from_bytes(hmac.digest(key, text, "sha256")[:_CODE_OCTETS])
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(75, -1, -5))
