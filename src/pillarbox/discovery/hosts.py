"""Names of hosts as other people write them: which are taken, and what is inside of what. Pure."""

from collections.abc import Sequence

from pillarbox.errors import AddressError
from pillarbox.mail.address import domain_key


def host_name(text: str) -> str | None:
    """A host name in lower-case A-labels; None for what can be none: an address in any spelling, a
    single label, a text with something else in it."""
    try:
        name = domain_key(text.strip().rstrip("."))
    except AddressError:
        return None
    labels = name.split(".")
    # A last label of digits makes programs read an address (127.0.0.1, 2130706433, 0x7f.1).
    if len(labels) < 2 or name.startswith("[") or labels[-1][0].isdigit():
        return None
    return name


def is_within(host: str, domain: str) -> bool:
    """Whether the host is the domain or below it; both are A-labels."""
    return host == domain or host.endswith(f".{domain}")


def matches(host: str, pattern: str) -> bool:
    """Whether the host is what a pattern of the table means: a name, or `*.name` for all below it.

    A star stands for one or more whole labels, and only in front.
    """
    if pattern.startswith("*."):
        return host.endswith(pattern[1:]) and len(host) > len(pattern) - 1
    return host == pattern


def matches_any(host: str, patterns: Sequence[str]) -> bool:
    """Whether one of the patterns means the host."""
    return any(matches(host, pattern) for pattern in patterns)
