"""One thing that is wrong or worth knowing, and the checks that can find it. Values only."""

from dataclasses import dataclass, replace
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


def tamed(finding: Finding) -> Finding:
    """The same without anything that a report would not show in its line: what others wrote stands
    in it, in text as well as in Markdown and XML."""
    texts = finding.where, finding.cause, finding.fix, finding.evidence
    if all(text.isprintable() for text in texts):
        return finding
    where, cause, fix, evidence = map(_in_one_line, texts)
    return replace(finding, where=where, cause=cause, fix=fix, evidence=evidence)


def _in_one_line(text: str) -> str:
    """What is not printable is written as Python writes it."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def shown(octets: bytes) -> str:
    """Octets as evidence: what is not printable ASCII is written as Python writes it."""
    return ascii(octets)[2:-1]
