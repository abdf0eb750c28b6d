"""DKIM and DMARC of the domain that mail is sent from. Pure."""

from collections.abc import Iterable

from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.domain_facts import DkimFacts, DomainFacts
from pillarbox.diagnosis.finding import Finding
from pillarbox.diagnosis.records import dkim_key
from pillarbox.publish.dmarc import Policy, faults, read_dmarc
from pillarbox.publish.dns_records import tags, txt_record

_LEAST_BITS, _GOOD_BITS = 1024, 2048
_REMOVED = ("pct", "rf", "ri")
"""RFC 9989: tags that mean nothing any more."""


def about_dkim(facts: DomainFacts) -> Iterable[Finding]:
    """The keys that were found, or that none was."""
    if facts.dkim is None:
        return
    if not facts.dkim:
        yield found("DKIM-NOT-FOUND", facts.domain)
    for one in facts.dkim:
        yield from about_selector(one, facts.domain)


def about_selector(one: DkimFacts, domain: str) -> Iterable[Finding]:
    """What is wrong with the records of one key."""
    name = f"{one.selector}._domainkey.{domain}"
    if not one.texts:
        if one.alias:
            yield found("DKIM-ALIAS-BROKEN", domain, one.alias, name=name, alias=one.alias)
        else:
            yield found("DKIM-MISSING", domain, name=name)
        return
    text = one.texts[0]
    if len(one.texts) > 1:
        yield found("DKIM-SEVERAL", domain, " | ".join(one.texts), name=name)
        return
    key = dkim_key(text)
    if key.is_revoked:
        yield found("DKIM-REVOKED", domain, text, name=name)
    elif key.bits < 0:
        yield found("DKIM-SYNTAX", domain, text, name=name)
    elif 0 < key.bits < _LEAST_BITS and key.kind == "rsa":
        yield found("DKIM-KEY-SHORT", domain, text, name=name, bits=key.bits)
    elif 0 < key.bits < _GOOD_BITS and key.kind == "rsa":
        yield found("DKIM-KEY-WEAK", domain, text, name=name, bits=key.bits)
    if key.is_test:
        yield found("DKIM-TEST", domain, text, name=name)


def about_dmarc(facts: DomainFacts) -> Iterable[Finding]:
    """The record, and whether mail would pass."""
    if facts.dmarc is None:
        return
    domain = facts.domain
    if not facts.dmarc:
        record = txt_record(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}")
        yield found("DMARC-NONE", domain, domain=domain, record=record)
        return
    where = facts.dmarc_at
    if len(facts.dmarc) > 1:
        yield found("DMARC-SEVERAL", where, " | ".join(facts.dmarc))
        return
    text = facts.dmarc[0]
    if wrong := faults(text):
        yield found("DMARC-SYNTAX", where, text, what="; ".join(wrong))
        return
    yield from _about_record(facts, text)


def _about_record(facts: DomainFacts, text: str) -> Iterable[Finding]:
    where, said = facts.dmarc_at, tags(text)
    for taker, agrees in (facts.reports or {}).items():
        if not agrees:
            record = txt_record(f"{where}._report._dmarc.{taker}", "v=DMARC1")
            yield found(
                "DMARC-REPORTS-UNWANTED", where, text, taker=taker, domain=where, record=record
            )
    if _policy(facts) is Policy.NONE:
        yield found("DMARC-POLICY-NONE", where, text)
    elif said.get("t", "").lower() == "y":
        yield found("DMARC-TEST", where, text)
    if old := [tag for tag in _REMOVED if tag in said]:
        yield found("DMARC-OLD-TAGS", where, text, what=" ".join(old))
    if not said.get("rua"):
        yield found("DMARC-NO-REPORTS", where, text)


def _policy(facts: DomainFacts) -> Policy:
    """What is asked for mail of the domain itself that does not pass."""
    record = read_dmarc(facts.dmarc or ())
    return Policy.NONE if record is None else record.policy_for(facts.domain, facts.dmarc_at)


def forecast(facts: DomainFacts) -> Iterable[Finding]:
    """Whether mail from the address would be stopped, as far as it can be told without sending:
    neither SPF nor DKIM speaks for it."""
    if facts.address is None or not facts.dmarc or len(facts.dmarc) > 1:
        return
    policy = _policy(facts)
    has_key = any(dkim_key(text).bits >= 0 for one in facts.dkim or () for text in one.texts)
    is_known = facts.dkim is not None and facts.spf.result not in ("", "unknown")
    if is_known and not has_key and facts.spf.result != "pass" and policy is not Policy.NONE:
        yield found(
            "DMARC-WOULD-FAIL",
            facts.domain,
            facts.dmarc[0],
            address=facts.address.address,
            policy=policy.value,
        )
