"""What a domain announces for sending, its zone, and the way to its MX hosts. Pure."""

from collections.abc import Iterable

from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.domain_facts import AnnouncedFacts, DomainFacts, Reached
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.discovery.findings import CheckState
from pillarbox.publish.dns_records import ZoneSecurity


def about_announced(facts: DomainFacts) -> Iterable[Finding]:
    """All findings of SRV and autoconfig."""
    by_srv, by_document = _hosts(facts.announced, "SRV"), _hosts(facts.announced, "autoconfig")
    if by_srv and by_document and not set(by_srv) & set(by_document):
        first, second = " ".join(by_srv), " ".join(by_document)
        yield found("ANNOUNCED-TWICE", facts.domain, srv=first, document=second)
    for one in facts.announced:
        if one.state in (CheckState.BAD, CheckState.UNREACHABLE):
            # Where nobody answered it may be this network.
            severity = Severity.INFO if one.state is CheckState.UNREACHABLE else None
            offer = f"{one.host}:{one.door.port} ({one.door.encryption.value})"
            yield found(
                "ANNOUNCED-WRONG",
                facts.domain,
                severity=severity,
                source=one.source,
                offer=offer,
                why=one.why or "nobody answers",
            )


def _hosts(announced: Iterable[AnnouncedFacts], source: str) -> list[str]:
    return list(dict.fromkeys(one.host for one in announced if one.source == source))


def about_zone(facts: DomainFacts) -> Iterable[Finding]:
    """Its signatures (DNSSEC), as far as the resolver tells, and port 25 of its MX hosts."""
    if facts.zone is ZoneSecurity.BOGUS:
        yield found("DNSSEC-BROKEN", facts.domain, domain=facts.domain)
    elif facts.zone is ZoneSecurity.INSECURE:
        yield found("DNSSEC-NONE", facts.domain, domain=facts.domain)
    untried = (Reached.NOT_TRIED, Reached.PRIVATE)
    reached = [mx.reached for mx in facts.mx or () if mx.reached not in untried]
    if reached and all(one is Reached.DROPPED for one in reached):
        hosts = " ".join(mx.host for mx in facts.mx or ())
        yield found("PORT-25-BLOCKED", facts.domain, hosts, domain=facts.domain)
