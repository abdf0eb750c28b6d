"""Who vouches for a message: DKIM, SPF, and whether DMARC passes. Pure."""

import re
from collections.abc import Iterable

from pillarbox.diagnosis.about_message_path import span
from pillarbox.diagnosis.about_policies import about_dmarc, about_selector
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.domain_facts import DomainFacts
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.diagnosis.message_facts import (
    DkimResult,
    Message,
    MessageFacts,
    SenderFacts,
    SignatureFacts,
)
from pillarbox.diagnosis.message_path import hops
from pillarbox.publish.dmarc import Policy, is_aligned

_WANTED = ("v", "a", "b", "bh", "d", "h", "s")


def about_signatures(facts: MessageFacts, now: float) -> Iterable[Finding]:
    """All findings of DKIM, SPF and DMARC."""
    speaks = [one for one in facts.signatures if _speaks(one, facts.sender)]
    if not facts.signatures and hops(facts.message):
        yield found("MESSAGE-DKIM-NONE", "DKIM")
    for one in facts.signatures:
        # One good signature is enough; another that fails is not what stops the message.
        severity = Severity.WARN if speaks else None
        yield from _about_signature(one, facts.message, now, severity)
    sender = facts.sender
    if sender.spf in ("fail", "softfail", "neutral", "permerror"):
        yield found(
            "MESSAGE-SPF",
            sender.envelope,
            address=sender.address,
            domain=sender.envelope,
            result=sender.spf,
        )
    if sender.author and sender.dmarc is not None:
        domain = DomainFacts(sender.author, dmarc=sender.dmarc, dmarc_at=sender.dmarc_at)
        yield from (one for one in about_dmarc(domain) if one.severity is not Severity.INFO)
        yield from _forecast(facts, speaks)


def fault(one: SignatureFacts) -> str:
    """What makes a signature none that can be checked; "" for nothing."""
    missing = [tag for tag in _WANTED if not one.tags.get(tag)]
    if missing:
        return f"{', '.join(missing)} is missing"
    if one.tags["v"] != "1":
        return f"v={one.tags['v'][:20]} is not known"
    if "from" not in one.fields:
        return "From is not signed"
    if one.tags["a"].lower() not in ("rsa-sha1", "rsa-sha256", "ed25519-sha256"):
        return f"a={one.tags['a'][:40]} is not known"
    if not re.fullmatch(r"[A-Za-z0-9._-]+", one.domain + one.selector):
        return "d= or s= is no name"
    return one.why if one.result is DkimResult.MALFORMED else ""


def _about_signature(
    one: SignatureFacts, message: Message, now: float, severity: Severity | None
) -> Iterable[Finding]:
    where = f"DKIM {one.selector}._domainkey.{one.domain}"
    if what := fault(one):
        yield found("MESSAGE-DKIM-SYNTAX", "DKIM", severity=severity, what=what)
        return
    domain = one.domain
    if one.tags["a"].lower() == "rsa-sha1":
        yield found("MESSAGE-DKIM-SHA1", where, severity=severity, domain=domain)
        return
    for finding in about_selector(one.key, domain) if one.key else ():
        is_lower = severity is not None and finding.severity is Severity.FAIL
        yield found_again(finding, severity) if is_lower else finding
    match one.result:
        case DkimResult.BODY_CHANGED:
            yield found("MESSAGE-DKIM-BODY", where, one.why, severity=severity, domain=domain)
        case DkimResult.WRONG:
            yield found("MESSAGE-DKIM-WRONG", where, one.why, severity=severity, domain=domain)
        case DkimResult.UNKNOWN:
            yield found("MESSAGE-DKIM-UNVERIFIED", where, domain=domain, why=one.why)
    yield from _about_limits(one, message, now, where)


def found_again(finding: Finding, severity: Severity | None) -> Finding:
    """The same finding with another severity."""
    return Finding(
        finding.id,
        severity or finding.severity,
        finding.where,
        finding.cause,
        finding.fix,
        finding.evidence,
    )


def _about_limits(
    one: SignatureFacts, message: Message, now: float, where: str
) -> Iterable[Finding]:
    if (length := one.tags.get("l", "")).isdigit():
        yield found("MESSAGE-DKIM-LENGTH", where, domain=one.domain, octets=length)
    end = one.tags.get("x", "")
    if re.fullmatch(r"\d{1,12}", end):
        way = [hop.at for hop in hops(message) if hop.at is not None]
        taken, what = (way[-1], "the last server had it") if way else (now, "now")
        if taken > int(end):
            age = span(taken - int(end))
            yield found("MESSAGE-DKIM-EXPIRED", where, domain=one.domain, age=age, what=what)


def _speaks(one: SignatureFacts, sender: SenderFacts) -> bool:
    return one.result is DkimResult.PASS and _is_own(one.domain, sender, is_dkim=True)


def _is_own(domain: str, sender: SenderFacts, *, is_dkim: bool) -> bool:
    discovery = sender.discovery
    if discovery is None:
        return domain == sender.author
    record = discovery.record
    strict = bool(record and (record.is_dkim_strict if is_dkim else record.is_spf_strict))
    return is_aligned(domain, sender.author, discovery, strict=strict)


def _spf_speaks(sender: SenderFacts) -> bool:
    return sender.spf == "pass" and _is_own(sender.envelope, sender, is_dkim=False)


def about_passing(facts: MessageFacts) -> Iterable[Finding]:
    """That DMARC passes, and by what."""
    sender = facts.sender
    means = [f"DKIM (d={one.domain})" for one in facts.signatures if _speaks(one, sender)][:1]
    if means and sender.author and sender.dmarc is not None:
        means += [f"SPF ({sender.envelope})"] if _spf_speaks(sender) else []
        where, domain = "DMARC", sender.author
        yield found("MESSAGE-DMARC-PASS", where, domain=domain, means=" and ".join(means))


def _forecast(facts: MessageFacts, speaks: list[SignatureFacts]) -> Iterable[Finding]:
    """Whether DMARC passes, as far as it can be told (RFC 9989)."""
    sender = facts.sender
    domain, discovery = sender.author, sender.discovery
    if speaks:
        return
    may_speak = any(
        one.result is DkimResult.UNKNOWN and _is_own(one.domain, sender, is_dkim=True)
        for one in facts.signatures
    )
    spf_is_known = sender.spf not in ("", "unknown", "temperror")
    can_pass_by_spf = not spf_is_known and _is_own(sender.envelope, sender, is_dkim=False)
    if _spf_speaks(sender) or (can_pass_by_spf and not may_speak):
        yield found("MESSAGE-DMARC-SPF-ALONE", "DMARC", _seen(facts), domain=domain)
    elif not may_speak and discovery is not None and discovery.record is not None:
        policy = discovery.policy_for(domain)
        severity = Severity.WARN if policy is Policy.NONE else Severity.FAIL
        yield found(
            "MESSAGE-DMARC-FAIL",
            "DMARC",
            _seen(facts),
            severity=severity,
            domain=domain,
            policy=policy.value,
            why="no valid signature and no SPF pass is of that domain",
        )


def _seen(facts: MessageFacts) -> str:
    """All who could have spoken for the author."""
    sender = facts.sender
    seen = [f"dkim={one.result.value} d={one.domain}" for one in facts.signatures]
    seen.append(f"spf={sender.spf or 'not known'} {sender.envelope}")
    return "; ".join(seen)
