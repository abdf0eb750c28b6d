"""DMARC (RFC 9989) as far as a sender asks: which record holds for a domain, and whose names count
as its own. Pure: the records are looked up elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.publish.dns_records import tags

_MOST_LABELS = 8
"""RFC 9989, DNS Tree Walk: names with more labels are shortened to seven at once."""

_RECORD = re.compile(r"v\s*=\s*DMARC1\s*(;|\Z)")


class Policy(StrEnum):
    """What the owner of a domain asks for, for mail that does not pass."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


_POLICIES = tuple(Policy)
_ASKED = frozenset(("p", "sp", "np"))
_KNOWN: Mapping[str, Sequence[str]] = {
    "p": _POLICIES,
    "sp": _POLICIES,
    "np": _POLICIES,
    "adkim": ("r", "s"),
    "aspf": ("r", "s"),
    "t": ("y", "n"),
    "psd": ("y", "n", "u"),
}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record, with what is not said filled in. `psd` is "y", "n" or "u"."""

    policy: Policy = Policy.NONE
    subdomains: Policy = Policy.NONE
    is_dkim_strict: bool = False
    is_spf_strict: bool = False
    psd: str = "u"

    def policy_for(self, domain: str, found_at: str) -> Policy:
        """What a record that stands at `found_at` asks for mail of a domain that does not pass."""
        return self.policy if found_at == domain else self.subdomains


@dataclass(frozen=True, slots=True)
class Discovery:
    """What holds for a domain: the record and where it stands (None and "" where there is none),
    and the organizational domain."""

    record: DmarcRecord | None
    found_at: str
    organization: str

    def policy_for(self, domain: str) -> Policy:
        """What is asked for mail of the domain itself that does not pass."""
        if self.record is None:
            return Policy.NONE
        return self.record.policy_for(domain, self.found_at)


def names_of_walk(domain: str) -> list[str]:
    """The domains whose _dmarc records are looked at, in this order (RFC 9989, DNS Tree Walk)."""
    labels = domain.split(".")
    names = [domain]
    start = 1 if len(labels) <= _MOST_LABELS else len(labels) - _MOST_LABELS + 1
    return names + [".".join(labels[at:]) for at in range(start, len(labels))]


def read_dmarc(texts: Sequence[str]) -> DmarcRecord | None:
    """The record among the TXT records of one name; None where there is none that counts.

    RFC 9989, DNS Tree Walk: "If multiple DMARC records are returned, they are all discarded."
    Policy Discovery: without a valid policy it counts as "p=none" where it asks for reports, else
    not at all.
    """
    records = [text for text in texts if is_dmarc(text)]
    if len(records) != 1:
        return None
    said = tags(records[0])
    is_valid = "p" in said and all(said[name].lower() in _POLICIES for name in _ASKED & set(said))
    if not is_valid and "rua" not in said:
        return None
    policy = Policy(said["p"].lower()) if is_valid else Policy.NONE
    return DmarcRecord(
        policy=policy,
        subdomains=Policy(said.get("sp", policy).lower()) if is_valid else policy,
        is_dkim_strict=said.get("adkim", "").lower() == "s",
        is_spf_strict=said.get("aspf", "").lower() == "s",
        psd=said.get("psd", "u").lower(),
    )


def is_dmarc(text: str) -> bool:
    """Whether a TXT record begins as one of DMARC does."""
    return _RECORD.match(text) is not None


def records_of(texts: Sequence[str]) -> tuple[str, ...]:
    """The records of DMARC among TXT records; where there is none, what was meant as one."""
    found = tuple(text for text in texts if is_dmarc(text))
    meant = (text for text in texts if text.strip().lower().startswith("v=dmarc"))
    return found or tuple(meant)


def faults(text: str) -> list[str]:
    """What receivers do not read as it was meant, in one of `records_of`."""
    if not is_dmarc(text):
        return ["the record must begin with v=DMARC1;"]
    said = tags(text)
    wrong = [
        f"{name}={said[name]} is {_none_of(known)}"
        for name, known in _KNOWN.items()
        if name in said and said[name].lower() not in known
    ]
    return wrong if "p" in said else [*wrong, "p= is missing"]


def _none_of(known: Sequence[str]) -> str:
    *others, last = known
    if len(others) == 1:
        return f"neither {others[0]} nor {last}"
    return f"none of {', '.join(others)} and {last}"


def discover(domain: str, records: Mapping[str, DmarcRecord | None]) -> Discovery:
    """What holds for a domain, from the records at `names_of_walk` (RFC 9989,
    Policy Discovery and Organizational Domain Discovery)."""
    found: list[tuple[str, DmarcRecord]] = []
    organization = ""
    for name in names_of_walk(domain):
        record = records.get(name)
        if record is None:
            continue
        found.append((name, record))
        if record.psd == "n" or (record.psd == "y" and name != domain):
            organization = name if record.psd == "n" else _one_below(domain, name)
            break
    if not found:
        return Discovery(None, "", domain)
    organization = organization or found[-1][0]
    there = dict(found)
    for name in (domain, organization, found[-1][0]):
        if name in there:
            return Discovery(there[name], name, organization)
    return Discovery(None, "", organization)


def is_aligned(domain: str, author: str, discovery: Discovery, *, strict: bool) -> bool:
    """Whether a name that was authenticated counts as the author's own (RFC 9989,
    Identifier Alignment)."""
    if strict:
        return domain == author
    return domain == author or _is_in(domain, discovery.organization)


def _is_in(domain: str, organization: str) -> bool:
    return domain == organization or domain.endswith(f".{organization}")


def _one_below(domain: str, suffix: str) -> str:
    """The domain with one label more than a public suffix."""
    label = domain.removesuffix(f".{suffix}").rpartition(".")[2]
    return f"{label}.{suffix}"
