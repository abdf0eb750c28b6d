"""Which of all that was found is suggested, how sure that is, and what a person should confirm.
Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from pillarbox.discovery.findings import (
    NOT_CHECKED,
    TRUST,
    Check,
    CheckState,
    Finding,
    Login,
    Offer,
    Source,
)
from pillarbox.discovery.hosts import is_within
from pillarbox.discovery.providers import Provider, by_host

PASSWORD_MECHANISMS = frozenset({"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"})
TOKEN_MECHANISMS = frozenset({"XOAUTH2", "OAUTHBEARER"})


class Confidence(IntEnum):
    """How sure a suggestion is."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


_BASE = {
    Source.TABLE: Confidence.HIGH,
    Source.SRV: Confidence.HIGH,
    Source.PACC: Confidence.HIGH,
    Source.AUTOCONFIG: Confidence.HIGH,
    Source.AUTOCONFIG_HTTP: Confidence.LOW,
    Source.GUESS: Confidence.LOW,
}
"""All others are in between."""

_PROVE_NOTHING = frozenset({Source.AUTOCONFIG_HTTP, Source.GUESS})
"""That they agree with another source makes it no surer."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks. `address` is "you@domain" where only a domain is known; `organisation` is the
    registered domain that the domain belongs to."""

    domain: str
    address: str
    organisation: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One server and the ways to it, best first; `checks` has the check of each offer.
    `known_mechanisms` are those of AUTH that the table knows."""

    source: Source
    host: str
    offers: tuple[Offer, ...]
    checks: tuple[Check, ...]
    why: str
    confidence: Confidence
    provider: str = ""
    known_mechanisms: tuple[str, ...] = ()
    is_outside: bool = False
    agreed: tuple[Source, ...] = ()
    confirm: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_verified(self) -> bool:
        """Whether a session opened there, under TLS, with a valid certificate."""
        return any(check.state is CheckState.OK for check in self.checks)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """What the server offers for logging in, as far as that was seen."""
        return next((check.mechanisms for check in self.checks if check.mechanisms), ())

    @property
    def logins(self) -> tuple[Login, ...]:
        """With what one can log in, by what the source says and by what was seen."""
        said = self.offers[0].logins
        seen = set(self.mechanisms)
        if not seen:
            return said
        takes_passwords, takes_tokens = seen & PASSWORD_MECHANISMS, seen & TOKEN_MECHANISMS
        if takes_tokens and not takes_passwords:
            return (Login.OAUTH2,)
        kept = tuple(login for login in said if login is not Login.OAUTH2 or takes_tokens)
        return kept or said


def candidates(
    findings: Iterable[Finding], asking: Asking, providers: Sequence[Provider]
) -> list[Suggestion]:
    """All that was found, best first, one for each server, not connected to yet."""
    split = [part for finding in findings for part in _by_host(finding, asking, providers)]
    merged: dict[str, Suggestion] = {}
    for suggestion in sorted(split, key=_rank):
        known = merged.get(suggestion.host)
        merged[suggestion.host] = suggestion if known is None else _merged(known, suggestion)
    return list(merged.values())


def _merged(better: Suggestion, other: Suggestion) -> Suggestion:
    """Two sources that name the same server: the ways to it of both, and who agrees."""
    doors = {offer.door for offer in better.offers}
    further = () if other.source in _PROVE_NOTHING else other.offers
    offers = (*better.offers, *(offer for offer in further if offer.door not in doors))
    agreed = dict.fromkeys([*better.agreed, other.source])
    agreed.pop(better.source, None)
    return replace(better, offers=offers, checks=(NOT_CHECKED,) * len(offers), agreed=tuple(agreed))


def is_settled(candidate: Suggestion) -> bool:
    """Whether a candidate needs no other source behind it: nothing about it is in doubt."""
    return candidate.confidence is Confidence.HIGH and not candidate.is_outside


def _by_host(
    finding: Finding, asking: Asking, providers: Sequence[Provider]
) -> Iterable[Suggestion]:
    hosts = dict.fromkeys(offer.host for offer in finding.offers)
    for host in hosts:
        provider = next((p for p in providers if p.key == finding.provider), None)
        if provider is None or provider.host != host:
            provider = by_host(providers, host)
        offers = tuple(offer for offer in finding.offers if offer.host == host)
        # What the table knows of a server is better than what others say of its ports.
        if provider is not None:
            offers = provider.offers(asking.address)
        yield Suggestion(
            source=finding.source,
            host=host,
            offers=offers,
            checks=(NOT_CHECKED,) * len(offers),
            why=finding.why,
            confidence=_confidence(finding),
            provider=provider.key if provider else "",
            known_mechanisms=provider.only_mechanisms if provider else (),
            is_outside=not is_within(host, asking.organisation),
            notes=provider.notes if provider else (),
        )


def _confidence(finding: Finding) -> Confidence:
    return Confidence.LOW if finding.is_weak else _BASE.get(finding.source, Confidence.MEDIUM)


def _rank(suggestion: Suggestion) -> tuple[int, bool]:
    """By trust. An SRV record that leads to a stranger is worth less than what the domain says
    over HTTPS: the DNS can be forged on the way (RFC 6186 section 6)."""
    source = suggestion.source
    if source is Source.SRV and suggestion.is_outside and not suggestion.provider:
        return TRUST.index(Source.AUTOCONFIG), True
    return TRUST.index(source), suggestion.confidence is Confidence.LOW


def judged(
    found: Iterable[Suggestion], checks: Mapping[Offer, Check], asking: Asking
) -> tuple[list[Suggestion], list[Suggestion]]:
    """The suggestions that can be used, best first, and those that were found bad."""
    usable: list[Suggestion] = []
    rejected: list[Suggestion] = []
    for candidate in found:
        checked = _with_checks(candidate, checks)
        if _is_usable(checked):
            usable.append(_explained(checked, asking))
        elif any(check.state is CheckState.BAD for check in checked.checks):
            rejected.append(_explained(checked, asking))
    # A server that answers beats one of a better source that does not; but what the table knows
    # stays true where this network blocks the port.
    usable.sort(key=lambda s: s.source is not Source.TABLE and not s.is_verified)
    return usable, rejected


def _with_checks(candidate: Suggestion, checks: Mapping[Offer, Check]) -> Suggestion:
    pairs = [(offer, checks.get(offer, NOT_CHECKED)) for offer in candidate.offers]
    order = [CheckState.OK, CheckState.UNKNOWN, CheckState.UNREACHABLE, CheckState.BAD]
    pairs.sort(key=lambda pair: order.index(pair[1].state))
    return replace(candidate, offers=tuple(o for o, _ in pairs), checks=tuple(c for _, c in pairs))


def _is_usable(candidate: Suggestion) -> bool:
    """What the table says stays true where this network does not let it be seen."""
    if candidate.source is Source.TABLE:
        return True
    if candidate.source is Source.GUESS:
        return candidate.is_verified and bool(candidate.mechanisms)
    return any(check.state is not CheckState.BAD for check in candidate.checks)


def _explained(candidate: Suggestion, asking: Asking) -> Suggestion:
    """With the last word on its confidence, what to confirm, and what was seen."""
    level = int(candidate.confidence)
    if not _PROVE_NOTHING.issuperset(candidate.agreed):
        level += 1
    if not candidate.is_verified and candidate.source is not Source.TABLE:
        level -= 1
    confidence = Confidence(min(max(level, Confidence.LOW), Confidence.HIGH))
    notes = [*candidate.notes, *_seen(candidate)]
    return replace(
        candidate,
        confidence=confidence,
        confirm=tuple(_to_confirm(candidate, asking)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _to_confirm(candidate: Suggestion, asking: Asking) -> Iterable[str]:
    if candidate.source is Source.TABLE:
        return
    if candidate.is_outside:
        yield f"{candidate.host} is not in {asking.organisation}: your provider must run it"
    match candidate.source:
        case Source.MX | Source.HINT:
            yield "the mailbox is there, and its mail does not only pass through"
        case Source.AUTOCONFIG_HTTP:
            yield "the server is right: it was named without encryption"
        case Source.GUESS:
            yield "the server is the one for sending: only its usual name says so"
        case _:
            pass
    if not candidate.is_verified:
        yield "the server answers: it could not be reached from here"


def _seen(candidate: Suggestion) -> Iterable[str]:
    if candidate.logins == (Login.OAUTH2,) and candidate.provider == "":
        yield "Passwords are not taken, only OAuth2."
    if candidate.is_verified and not candidate.mechanisms:
        yield "No login is offered there, or not to this network."
