"""One thing that is wrong or worth knowing, and the checks that can find it. Values only."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Check:
    """A thing that can be wrong. `id` keeps its meaning for ever; `cause` and `fix` may name facts
    in braces."""

    id: str
    severity: Severity
    cause: str
    fix: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or worth knowing. `where` is the port, or the host; `evidence` is
    what the server said, octet by octet, or what TLS or the DNS gave."""

    id: str
    severity: Severity
    where: str
    cause: str
    fix: str
    evidence: str = ""


def fail(name: str, cause: str, fix: str) -> Check:
    """A check whose finding keeps mail from being sent."""
    return Check(name, Severity.FAIL, cause, fix)


def warn(name: str, cause: str, fix: str) -> Check:
    """A check whose finding does harm to some, or some day."""
    return Check(name, Severity.WARN, cause, fix)


def info(name: str, cause: str, fix: str) -> Check:
    """A check whose finding is worth knowing."""
    return Check(name, Severity.INFO, cause, fix)


def shown(octets: bytes) -> str:
    """Octets as evidence: what is not printable ASCII is written as Python writes it."""
    return ascii(octets)[2:-1]
