"""The records of a domain that sends mail: what each should say, and what is wrong with what DNS
says of it. Pure: the answers of the DNS are arguments, None where there was no answer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pillarbox.mta_sts import policy_id
from pillarbox.publish.dmarc import Discovery, faults, records_of
from pillarbox.publish.dns_records import InDns, compare_dkim, is_proved, txt_record
from pillarbox.tlsrpt.record import destinations

Texts = Sequence[str] | None


class State(StrEnum):
    """How a record stands in DNS."""

    RIGHT = "right"
    MISSING = "missing"
    WRONG = "wrong"
    UNKNOWN = "no answer"


@dataclass(frozen=True, slots=True)
class Record:
    """A record to publish: `value` is a TXT record's text, or what stands behind SRV. `purpose` is
    its name for people and programs. `is_needed`: without it mail is not sent, or not trusted."""

    purpose: str
    name: str
    value: str
    is_needed: bool = True
    type: str = "TXT"

    @property
    def line(self) -> str:
        """The record as a line of a zone file."""
        if self.type == "TXT":
            return txt_record(self.name, self.value)
        return f"{self.name}. IN {self.type} {self.value}"


@dataclass(frozen=True, slots=True)
class Judged:
    """A record beside what DNS says: `found` are the records there, `note` says what is wrong or
    what to know."""

    record: Record
    state: State
    found: tuple[str, ...] = ()
    note: str = ""


def judge_ownership(record: Record, token: str, texts: Texts) -> Judged:
    """The proof of a domain."""
    if texts is None:
        return Judged(record, State.UNKNOWN)
    found = tuple(text for text in texts if text.strip(' "').startswith("token="))
    if is_proved(texts, token):
        return Judged(record, State.RIGHT, found)
    if found:
        return Judged(record, State.WRONG, found, "the token of another claim")
    return Judged(record, State.MISSING)


_DKIM_FAULTS = {
    InDns.OTHER: "another key stands there",
    InDns.REVOKED: "p= is empty, which revokes the key",
    InDns.SEVERAL: "several keys stand there: leave one",
    InDns.UNUSABLE: "k=, h= or s= keeps receivers from using the key: publish it as it is here",
}


def judge_dkim(record: Record, texts: Texts) -> Judged:
    """The public key of a selector."""
    if texts is None:
        return Judged(record, State.UNKNOWN)
    found = compare_dkim(texts, record.value)
    if found in _DKIM_FAULTS:
        return Judged(record, State.WRONG, tuple(texts), _DKIM_FAULTS[found])
    is_right = found is InDns.RIGHT
    return Judged(record, State.RIGHT if is_right else State.MISSING, tuple(texts))


def judge_dmarc(record: Record, domain: str, discovery: Discovery | None, texts: Texts) -> Judged:
    """The policy of a domain, its own or that of a domain above it."""
    if texts is None or discovery is None:
        return Judged(record, State.UNKNOWN)
    found = records_of(texts)
    if len(found) > 1:
        return Judged(record, State.WRONG, found, "several records: receivers take none, leave one")
    if found:
        wrong = faults(found[0])
        return Judged(record, State.WRONG if wrong else State.RIGHT, found, "; ".join(wrong))
    if discovery.record is None:
        return Judged(record, State.MISSING)
    note = f"_dmarc.{discovery.found_at} holds: {discovery.policy_for(domain).value}"
    return Judged(record, State.RIGHT, (), note)


def judge_mta_sts(record: Record, texts: Texts) -> Judged:
    """RFC 8461 3.1: any id is good; of several records none counts."""
    form = "the form is v=STSv1; id=…"
    return _judge_form(record, texts, "v=STSv1", lambda text: policy_id([text]) is not None, form)


def judge_tls_reports(record: Record, texts: Texts) -> Judged:
    """RFC 8460 3: any address is good; of several records none counts."""
    form = "the form is v=TLSRPTv1; rua=mailto:…"
    return _judge_form(record, texts, "v=TLSRPTv1", lambda text: bool(destinations([text])), form)


def _judge_form(
    record: Record, texts: Texts, version: str, is_one: Callable[[str], bool], form: str
) -> Judged:
    if texts is None:
        return Judged(record, State.UNKNOWN)
    found = tuple(text for text in texts if text.lower().startswith(version.lower()))
    if not found:
        return Judged(record, State.MISSING)
    if len(found) > 1:
        return Judged(record, State.WRONG, found, "several records: leave one")
    if not is_one(found[0]):
        return Judged(record, State.WRONG, found, form)
    return Judged(record, State.RIGHT, found)


def judge_srv(record: Record, found: Texts) -> Judged:
    """Where clients look for the server; `found` are the values of the records."""
    if found is None:
        return Judged(record, State.UNKNOWN)
    if not found:
        return Judged(record, State.MISSING)
    target = record.value.split()[2:]
    if any(value.split()[2:] == target for value in found):
        return Judged(record, State.RIGHT, tuple(found))
    return Judged(record, State.WRONG, tuple(found), "clients are led to another server")


def judge_alias(record: Record, found: Texts, addresses: Texts) -> Judged:
    """A name at which clients look: an alias of this host, or with addresses of its own."""
    if found is None or addresses is None:
        return Judged(record, State.UNKNOWN)
    if record.value.lower() in (value.lower() for value in found):
        return Judged(record, State.RIGHT, tuple(found))
    if found:
        return Judged(record, State.WRONG, tuple(found), "clients are led to another server")
    if addresses:
        return Judged(record, State.RIGHT, tuple(addresses), "by addresses of its own")
    return Judged(record, State.MISSING)


def judge_pacc(record: Record, texts: Texts) -> Judged:
    """The digest of the document."""
    if texts is None:
        return Judged(record, State.UNKNOWN)
    found = tuple(text for text in texts if text.startswith("v=UAAC1"))
    if not found:
        return Judged(record, State.MISSING)
    if record.value not in found:
        return Judged(record, State.WRONG, found, "the digest of another document")
    return Judged(record, State.RIGHT, found)


def judge_mx(record: Record, found: Texts) -> Judged:
    """Whose host takes what comes back; `found` are the values of the records."""
    if found is None:
        return Judged(record, State.UNKNOWN)
    if not found:
        return Judged(record, State.MISSING)
    target = record.value.split()[1]
    others = [value for value in found if value.split()[1] != target]
    if len(others) == len(found):
        return Judged(record, State.WRONG, tuple(found), "what comes back goes to another host")
    if others:
        note = "what comes back to the other hosts is lost: leave this one"
        return Judged(record, State.WRONG, tuple(found), note)
    return Judged(record, State.RIGHT, tuple(found))


def is_spf(text: str) -> bool:
    """RFC 7208 4.5."""
    return text.lower().split(" ", 1)[0] == "v=spf1"


def spf_terms(text: str) -> list[str]:
    """The terms of an SPF record behind its version."""
    return text.split()[1:]


def judge_spf(
    record: Record, texts: Texts, faults: Sequence[str], missing: Sequence[str]
) -> Judged:
    """Who may send. `faults` say which way out of here does not pass and why, `missing` are the
    terms that mend it: they are put into the record that is there."""
    if texts is None:
        return Judged(record, State.UNKNOWN)
    found = tuple(text for text in texts if is_spf(text))
    if not found:
        return Judged(record, State.MISSING)
    if len(found) > 1:
        return Judged(record, State.WRONG, found, "several SPF records are an error: make one")
    if not faults:
        return Judged(replace(record, value=found[0]), State.RIGHT, found)
    return Judged(
        replace(record, value=with_terms(found[0], missing)), State.WRONG, found, "; ".join(faults)
    )


def with_terms(text: str, terms: Sequence[str]) -> str:
    """An SPF record with further terms, before the one that says what becomes of all else."""
    kept = spf_terms(text)
    known = {term.lower().lstrip("+") for term in kept}
    at = next((at for at, term in enumerate(kept) if _is_last(term)), len(kept))
    added = [term for term in terms if term.lower() not in known]
    return " ".join(["v=spf1", *kept[:at], *added, *kept[at:]])


def _is_last(term: str) -> bool:
    return term.lower().lstrip("+-~?") == "all" or term.lower().startswith("redirect=")
