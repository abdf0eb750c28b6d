"""The domain that mail is sent from: SPF, MX, TLS of its mail, the sending address. Pure."""

import re
from collections.abc import Iterable
from ipaddress import ip_address

from pillarbox.diagnosis.about_address import about_address
from pillarbox.diagnosis.about_announced import about_announced, about_zone
from pillarbox.diagnosis.about_policies import about_dkim, about_dmarc, forecast
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.certificate import read_certificate
from pillarbox.diagnosis.domain_facts import (
    MAX_LOOKUPS,
    MAX_VOIDS,
    DomainFacts,
    MxFacts,
    Reached,
)
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.discovery.dane import USAGE_CERTIFICATE, own_record, usable
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import Provider, by_host
from pillarbox.mta_sts import StsMode, parse_policy, policy_id
from pillarbox.publish.dns_records import tags, txt_record

_MIN_AGE_SECONDS = 86_400


def about_domain(facts: DomainFacts | None) -> Iterable[Finding]:
    """All findings of a domain."""
    if facts is None:
        return
    if facts.is_empty:
        yield found("DOMAIN-UNKNOWN", facts.domain, domain=facts.domain)
        return
    yield from about_zone(facts)
    yield from forecast(facts)
    yield from _about_spf(facts)
    yield from about_dkim(facts)
    yield from about_dmarc(facts)
    yield from _about_mx(facts)
    yield from _about_sts(facts)
    yield from about_address(facts.address)
    yield from about_announced(facts)


# -- SPF ---------------------------------------------------------------------------------------


def _about_spf(facts: DomainFacts) -> Iterable[Finding]:
    spf, domain = facts.spf, facts.domain
    if spf.records is None:
        return
    if len(spf.records) != 1:
        name = "SPF-SEVERAL" if spf.records else "SPF-NONE"
        record = _spf_record(facts, _merged(spf.records))
        yield found(name, domain, " | ".join(spf.records), domain=domain, record=record)
        return
    text = spf.records[0]
    if spf.problem_id:
        yield found(spf.problem_id, domain, text, what=spf.problem)
    if spf.lookups > MAX_LOOKUPS:
        yield found("SPF-LOOKUPS", domain, text, count=spf.lookups)
    if spf.voids:
        severity = Severity.FAIL if spf.voids > MAX_VOIDS else Severity.WARN
        yield found("SPF-VOIDS", domain, text, severity=severity, count=spf.voids)
    if spf.last == "+":
        record = _spf_record(facts, [t for t in text.split()[1:] if not t.endswith("all")])
        yield found("SPF-ALL-PASS", domain, text, domain=domain, record=record)
    elif not spf.last and "redirect=" not in text.lower() and not spf.problem_id:
        yield found("SPF-NO-END", domain, text, record=_spf_record(facts, text.split()[1:]))
    if spf.uses_ptr:
        yield found("SPF-PTR", domain, text)
    yield from _about_senders(facts, text)


def _about_senders(facts: DomainFacts, text: str) -> Iterable[Finding]:
    """Whether the record lets those send who do."""
    spf, domain = facts.spf, facts.domain
    provider = _provider(facts)
    terms = text.split()[1:]
    if provider is not None and not set(provider.spf) & set(spf.includes):
        record = _spf_record(facts, terms)
        yield found(
            "SPF-NO-PROVIDER", domain, text, provider=provider.name, domain=domain, record=record
        )
    if spf.result in ("fail", "softfail", "neutral") and facts.address is not None:
        address = facts.address.address
        yield found(
            "SPF-NOT-ALLOWED",
            domain,
            text,
            address=address,
            domain=domain,
            result=spf.result,
            record=_spf_record(facts, terms),
        )


def _provider(facts: DomainFacts) -> Provider | None:
    """By whom the domain sends, where SPF has to name him."""
    provider = by_host(PROVIDERS, facts.server)
    return provider if provider and provider.spf else None


def _merged(records: Iterable[str]) -> list[str]:
    terms = [term for record in records for term in record.split()[1:]]
    return [term for term in dict.fromkeys(terms) if not term.lower().endswith("all")]


def _spf_record(facts: DomainFacts, terms: Iterable[str]) -> str:
    """A record that is right, from the terms that are there and what is missing."""
    kept = list(terms)
    end = next((t for t in kept if re.fullmatch(r"[-~?]all", t, re.IGNORECASE)), "~all")
    kept = [t for t in kept if not re.fullmatch(r"[-+~?]?all", t, re.IGNORECASE)]
    provider = _provider(facts)
    if provider is not None:
        kept += [f"include:{name}" for name in provider.spf if f"include:{name}" not in kept]
    if facts.address is not None and facts.spf.result != "pass":
        version = ip_address(facts.address.address).version
        kept.append(f"ip{version}:{facts.address.address}")
    if not kept:
        kept = ["mx"]
    return txt_record(facts.domain, " ".join(["v=spf1", *kept, end]))


# -- MX and DANE -------------------------------------------------------------------------------


def _about_mx(facts: DomainFacts) -> Iterable[Finding]:
    domain = facts.domain
    if facts.null_mx:
        yield found("MX-NULL", domain, domain=domain)
    elif facts.mx is not None and not facts.mx:
        yield found("MX-NONE", domain, domain=domain)
    for mx in facts.mx or ():
        if mx.alias:
            yield found("MX-ALIAS", domain, host=mx.host, alias=mx.alias)
        if mx.addresses is not None and not mx.addresses:
            yield found("MX-NO-ADDRESS", domain, host=mx.host)
        elif mx.reached is Reached.PRIVATE:
            yield found("MX-PRIVATE", domain, " ".join(mx.addresses or ()), host=mx.host)
        yield from _about_tlsa(mx)


def _about_tlsa(mx: MxFacts) -> Iterable[Finding]:
    counting = usable(mx.tlsa)
    chain = [(one, read_certificate(one)) for one in mx.chain]
    leaf = chain[0][1] if chain else None
    ready = f"_25._tcp.{mx.host}. IN TLSA {own_record(leaf.key_der)}" if leaf else "3 1 1 …"
    evidence = " | ".join(map(str, mx.tlsa))
    if mx.tlsa and not counting:
        yield found("DANE-USAGE", mx.host, evidence, host=mx.host, record=ready)
    elif counting and leaf is not None:
        fits = any(
            record.matches(octets, known.key_der)
            for record in counting
            for octets, known in (chain[:1] if record.usage == USAGE_CERTIFICATE else chain)
            if known is not None
        )
        if not fits:
            yield found("DANE-MISMATCH", mx.host, evidence, host=mx.host, record=ready)
        elif len(counting) == 1 and counting[0].usage == USAGE_CERTIFICATE:
            yield found("DANE-ONE-RECORD", mx.host, evidence, host=mx.host)


# -- MTA-STS and TLS-RPT -----------------------------------------------------------------------


def _about_sts(facts: DomainFacts) -> Iterable[Finding]:
    domain, sts = facts.domain, facts.sts
    if sts.records and len(sts.records) > 1:
        yield found("MTA-STS-SEVERAL", domain, " | ".join(sts.records))
    elif sts.records:
        yield from _about_policy(facts)
    reports = facts.tls_reports
    if reports is not None:
        record = txt_record(f"_smtp._tls.{domain}", f"v=TLSRPTv1; rua=mailto:tlsrpt@{domain}")
        if not reports:
            yield found("TLS-RPT-NONE", domain, record=record)
        elif not tags(reports[0]).get("rua"):
            yield found("TLS-RPT-SYNTAX", domain, reports[0], record=record)


def _about_policy(facts: DomainFacts) -> Iterable[Finding]:
    domain, sts = facts.domain, facts.sts
    if policy_id(sts.records or ()) is None:
        yield found("MTA-STS-RECORD", domain, " ".join(sts.records or ()))
        return
    if sts.trouble:
        yield found("MTA-STS-NO-POLICY", domain, why=sts.trouble, domain=domain)
        return
    try:
        policy = parse_policy(sts.policy)
    except ValueError as exc:
        yield found("MTA-STS-SYNTAX", domain, sts.policy[:500], what=str(exc))
        return
    is_enforced = policy.mode is StsMode.ENFORCE
    for mx in facts.mx or ():
        if policy.mode is not StsMode.NONE and not policy.allows(mx.host):
            severity = Severity.FAIL if is_enforced else Severity.WARN
            evidence = " ".join(policy.mx)
            yield found("MTA-STS-MX", domain, evidence, severity=severity, host=mx.host)
    if not is_enforced:
        yield found("MTA-STS-TESTING", domain, mode=policy.mode.value)
    elif policy.max_age < _MIN_AGE_SECONDS:
        yield found("MTA-STS-SHORT", domain, seconds=policy.max_age)
