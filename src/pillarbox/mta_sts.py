"""MTA-STS: what a domain says about TLS of its MX hosts (RFC 8461). Pure.

A TXT record says that there is a policy and which one; the policy itself comes over HTTPS.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

LONGEST_SECONDS = 31_557_600
"""RFC 8461 section 3.2: max_age is at most a year."""

MAX_PATTERNS = 100

_VERSION = re.compile(r"v=STSv1[ \t]*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_FIELD = re.compile(r"[ \t]*([A-Za-z0-9][A-Za-z0-9_.-]{0,31})[ \t]*:[ \t]*(.*?)[ \t]*")
_MAX_AGE = re.compile(r"[0-9]{1,10}")
_PATTERN = re.compile(
    r"(?:\*\.)?(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*"
    r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
)
_BLANKS = " \t"
_SHOWN = 60
"""Characters of what others wrote that are said again."""


class StsMode(StrEnum):
    """What follows from a failed check."""

    ENFORCE = "enforce"
    TESTING = "testing"
    """Nothing: mail goes all the same."""
    NONE = "none"
    """There is no policy any more."""


_MODES = frozenset(StsMode)


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A policy: how its hosts may be named, and for how many seconds it holds."""

    mode: StsMode
    mx: tuple[str, ...]
    max_age: int

    def allows(self, host: str) -> bool:
        """Whether a host (lower-case A-labels) is one of the policy's. RFC 8461 section 4.1: a star
        stands for exactly one label."""
        rest = host.partition(".")[2]
        return any(
            pattern[2:] == rest and bool(rest) if pattern.startswith("*.") else pattern == host
            for pattern in self.mx
        )


def policy_id(records: Sequence[str]) -> str | None:
    """The id of the policy by the TXT records of _mta-sts.DOMAIN; None: there is none that counts.

    RFC 8461 section 3.1: records that do not begin as one are ignored, and with several there is no
    policy.
    """
    found = [record for record in records if _VERSION.match(record)]
    if len(found) != 1:
        return None
    for field in found[0].split(";")[1:]:
        name, equals, value = field.partition("=")
        if equals and name.strip(_BLANKS) == "id":
            text = value.strip(_BLANKS)
            return text if _ID.fullmatch(text) else None
    return None


def parse_policy(text: str) -> StsPolicy:
    """Read a policy. Raises ValueError, which says why it is not valid, as a whole.

    RFC 8461 section 3.2: fields that are not known are ignored; of one that stands twice the first
    counts, but for mx.
    """
    fields: dict[str, str] = {}
    patterns: list[str] = []
    for line in text.replace("\r\n", "\n").split("\n"):
        if not line.strip(_BLANKS):
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            raise ValueError(f"{line.strip()[:_SHOWN]!r} is no field")
        name, value = match.groups()
        if name == "mx":
            patterns.append(value.lower().removesuffix("."))
        else:
            fields.setdefault(name, value)
    return _policy_of(fields, patterns)


def _policy_of(fields: dict[str, str], patterns: list[str]) -> StsPolicy:
    max_age, mode = fields.get("max_age", ""), fields.get("mode", "")
    wrong = next((one for one in patterns if not _PATTERN.fullmatch(one)), None)
    if fields.get("version") != "STSv1":
        raise ValueError("version: STSv1 is missing")
    if mode not in _MODES:
        raise ValueError(f"mode is {mode[:_SHOWN] or 'missing'}")
    if not _MAX_AGE.fullmatch(max_age):
        raise ValueError("max_age is no number")
    if not patterns and mode != StsMode.NONE:
        raise ValueError("mx is missing")
    if wrong is not None:
        raise ValueError(f"mx names no host: {wrong[:_SHOWN]!r}")
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"mx stands more than {MAX_PATTERNS} times")
    unique = tuple(sorted(set(patterns)))
    return StsPolicy(StsMode(mode), unique, min(int(max_age), LONGEST_SECONDS))
