"""What DNS says of a domain that sends from here, and what a receiver will make of its mail.

Asks everything at once; what is wrong is told by publish.domain_records.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from pillarbox.net.dmarc import walk
from pillarbox.net.dns import RecordSource, TextSource, or_none
from pillarbox.net.spf import SpfResult, check_host
from pillarbox.publish import domain_records as records
from pillarbox.publish.dmarc import Discovery, is_aligned
from pillarbox.publish.dns_records import ownership_record
from pillarbox.publish.domain_records import Judged, Record, State, Texts


class Resolver(TextSource, RecordSource, Protocol):
    """What is asked of net.dns.DnsResolver; all of it raises DnsFailure."""

    async def addresses(self, name: str) -> list[str]:
        """IPv4 and IPv6 addresses of a host."""
        ...


@dataclass(frozen=True, slots=True)
class WayOut:
    """A way on which mail leaves. `term` is what an SPF record has to say for it, "" where only its
    operator knows. `addresses`: mail comes from these; else `term` has to be in the record.
    `has_return_path`: mail takes the domain's return path where there is one."""

    name: str
    term: str
    addresses: tuple[str, ...] = ()
    has_return_path: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """A DKIM key of the domain, or of one above it. `name` is where its record stands."""

    domain: str
    name: str
    record: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class Subject:
    """The domain, and what is known of it here. `token`: "" or the proof that is due or was given;
    `services` are pairs of an SRV label and a port; `return_path` is "" or the domain to which its
    mail comes back, to a listener of this host where it `takes_returns`."""

    domain: str
    host_name: str
    token: str
    is_proved: bool
    keys: tuple[Key, ...]
    services: tuple[tuple[str, int], ...]
    ways: tuple[WayOut, ...]
    version: str
    """A new id for MTA-STS."""
    published: tuple[Record, ...] = ()
    """Those by which clients find the documents that are served here."""
    return_path: str = ""
    takes_returns: bool = True

    def sender_domain(self, way: WayOut) -> str:
        """The domain that SPF is asked about: that of the reverse-path."""
        return (self.return_path if way.has_return_path else "") or self.domain


class Dmarc(StrEnum):
    """By what mail will pass DMARC."""

    BOTH = "both"
    DKIM = "dkim"
    SPF = "spf"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What becomes of mail that leaves on one way: `spf` and `dkim` say why."""

    way: str
    dmarc: Dmarc
    dkim: str
    spf: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """All records, and a forecast for each way out. `policy` is what the owner asks receivers to do
    with mail that fails, "" where nothing asks."""

    records: tuple[Judged, ...]
    forecasts: tuple[Forecast, ...]
    policy: str


@dataclass(frozen=True, slots=True)
class _SpfOfWay:
    """`passes` None: nobody knows from here."""

    way: WayOut
    passes: bool | None
    text: str


async def look(resolver: Resolver, subject: Subject) -> Outlook:
    """Ask the DNS for all records of the domain."""
    domain = subject.domain
    spf_texts, discovery, dmarc_texts = await _policies(resolver, domain)
    keys = await _keys(resolver, subject)
    path = subject.return_path
    texts = {domain: spf_texts, path: await or_none(resolver.txt(path)) if path else ()}
    senders = {way: subject.sender_domain(way) for way in subject.ways}
    ways = await asyncio.gather(*(_spf_of(resolver, d, w, texts[d]) for w, d in senders.items()))
    by_domain = {d: [one for one in ways if senders[one.way] == d] for d in (domain, path)}
    judged = [
        *await _ownership(resolver, subject),
        *_judge_spf("spf", domain, spf_texts, by_domain[domain]),
        *(one for _, one in keys),
        _judge_dmarc(domain, discovery, dmarc_texts),
        *await _return_path(resolver, subject),
        *(
            _judge_spf("return-path-spf", path, texts[path], by_domain[path])
            if path != domain
            else ()
        ),
        *await _services(resolver, subject),
        *await asyncio.gather(*(_published(resolver, one) for one in subject.published)),
        *await _about_incoming(resolver, subject),
    ]
    policy = "" if discovery is None else discovery.policy_for(domain).value
    has_record = discovery is not None and discovery.record is not None
    return Outlook(
        tuple(judged),
        tuple(
            _forecast(_aligned(way, senders[way.way], domain, discovery), keys, domain, discovery)
            for way in ways
        ),
        policy if has_record else "",
    )


async def _policies(resolver: Resolver, domain: str) -> tuple[Texts, Discovery | None, Texts]:
    """SPF and DMARC; no discovery where a part of it had no answer."""
    texts, found = await asyncio.gather(or_none(resolver.txt(domain)), walk(resolver, domain))
    return texts, found.discovery, found.own


async def _ownership(resolver: Resolver, subject: Subject) -> list[Judged]:
    if not subject.token:
        return []
    name, text = ownership_record(subject.domain, subject.token)
    record = Record("ownership", name, text, is_needed=not subject.is_proved)
    texts = await or_none(resolver.txt(name))
    return [records.judge_ownership(record, subject.token, texts)]


async def _keys(resolver: Resolver, subject: Subject) -> list[tuple[Key, Judged]]:
    texts = await asyncio.gather(*(or_none(resolver.txt(key.name)) for key in subject.keys))
    return [
        (key, records.judge_dkim(Record("dkim", key.name, key.record), found))
        for key, found in zip(subject.keys, texts, strict=True)
    ]


async def _spf_of(resolver: Resolver, domain: str, way: WayOut, texts: Texts) -> _SpfOfWay:
    """Whether SPF passes for mail with a sender in the domain."""
    if texts is None:
        return _SpfOfWay(way, None, "no answer")
    if way.addresses:
        return await _spf_of_addresses(resolver, domain, way)
    if not way.term:
        return _SpfOfWay(way, None, "its operator says what the SPF record needs")
    terms = [t.lower().lstrip("+") for text in texts if records.is_spf(text) for t in text.split()]
    if way.term.lower() in terms:
        return _SpfOfWay(way, True, f"{way.term} is in the record")
    return _SpfOfWay(way, False, f"{way.term} is not in the record")


async def _spf_of_addresses(resolver: Resolver, domain: str, way: WayOut) -> _SpfOfWay:
    verdicts = await asyncio.gather(*(check_host(resolver, a, domain) for a in way.addresses))
    for address, verdict in zip(way.addresses, verdicts, strict=True):
        cause = f" ({verdict.cause})" if verdict.cause else ""
        if verdict.result is SpfResult.TEMPERROR:
            return _SpfOfWay(way, None, f"{verdict.result.value} for {address}{cause}")
        if verdict.result is not SpfResult.PASS:
            return _SpfOfWay(way, False, f"{verdict.result.value} for {address}{cause}")
    return _SpfOfWay(way, True, f"pass for {', '.join(way.addresses)}")


def _aligned(spf: _SpfOfWay, sender: str, domain: str, discovery: Discovery | None) -> _SpfOfWay:
    """RFC 9989: SPF counts for a domain in the reverse-path that is aligned with that in From."""
    if sender == domain or not spf.passes:
        return spf
    if discovery is None:
        return _SpfOfWay(spf.way, None, "no answer")
    is_strict = discovery.record is not None and discovery.record.is_spf_strict
    if is_aligned(sender, domain, discovery, strict=is_strict):
        return spf
    return _SpfOfWay(spf.way, False, f"{spf.text}, but {sender} is not aligned with {domain}")


async def _return_path(resolver: Resolver, subject: Subject) -> list[Judged]:
    """Where what comes back is taken."""
    from dns.rdtypes.ANY.MX import MX

    path = subject.return_path
    if not path:
        return []
    is_used = any(way.has_return_path for way in subject.ways)
    record = Record("return-path", path, f"10 {subject.host_name.lower()}.", is_used, "MX")
    found = await or_none(resolver.records(path, MX))
    values = None if found is None else [one.to_text().lower() for one in found]
    judged = records.judge_mx(record, values)
    if judged.state is State.RIGHT and not subject.takes_returns:
        note = 'no listener takes what comes back: add one with purpose = "returns"'
        return [replace(judged, state=State.WRONG, note=note)]
    return [judged]


def _judge_spf(purpose: str, domain: str, texts: Texts, ways: Sequence[_SpfOfWay]) -> list[Judged]:
    """The record of a domain that mail on these ways has as its sender."""
    if not ways:
        return []
    # Softly: RFC 9989 warns that "-all" may have mail refused before anybody looks at DKIM.
    terms = [one.way.term for one in ways if one.way.term]
    record = Record(purpose, domain, records.with_terms("v=spf1 ~all", terms))
    bad = [one for one in ways if one.passes is False]
    faults = [f"{one.way.name}: {one.text}" for one in bad]
    judged = records.judge_spf(record, texts, faults, [one.way.term for one in bad])
    if judged.state is State.RIGHT and any(one.passes is None for one in ways):
        note = "; ".join(f"{one.way.name}: {one.text}" for one in ways if one.passes is None)
        return [Judged(judged.record, judged.state, judged.found, note)]
    return [judged]


def _judge_dmarc(domain: str, discovery: Discovery | None, texts: Texts) -> Judged:
    value = f"v=DMARC1; p=none; rua=mailto:postmaster@{domain}"
    record = Record("dmarc", f"_dmarc.{domain}", value)
    return records.judge_dmarc(record, domain, discovery, texts)


async def _services(resolver: Resolver, subject: Subject) -> list[Judged]:
    judged = []
    for label, port in subject.services:
        name = f"{label}._tcp.{subject.domain}"
        value = f"0 1 {port} {subject.host_name.lower()}."
        record = Record(label.removeprefix("_"), name, value, is_needed=False, type="SRV")
        judged.append(records.judge_srv(record, await _srv_values(resolver, name)))
    return judged


async def _published(resolver: Resolver, record: Record) -> Judged:
    from dns.rdtypes.ANY.CNAME import CNAME

    match record.type:
        case "TXT":
            return records.judge_pacc(record, await or_none(resolver.txt(record.name)))
        case "SRV":
            return records.judge_srv(record, await _srv_values(resolver, record.name))
        case _:
            found, addresses = await asyncio.gather(
                or_none(resolver.records(record.name, CNAME)),
                or_none(resolver.addresses(record.name)),
            )
            values = None if found is None else [one.to_text() for one in found]
            return records.judge_alias(record, values, addresses)


async def _srv_values(resolver: Resolver, name: str) -> Texts:
    from dns.rdtypes.IN.SRV import SRV

    found = await or_none(resolver.records(name, SRV))
    return None if found is None else [one.to_text().lower() for one in found]


async def _about_incoming(resolver: Resolver, subject: Subject) -> list[Judged]:
    """Of use to those who send to the domain."""
    domain = subject.domain
    sts = Record("mta-sts", f"_mta-sts.{domain}", f"v=STSv1; id={subject.version}", False)
    rua = f"v=TLSRPTv1; rua=mailto:postmaster@{domain}"
    reports = Record("tls-rpt", f"_smtp._tls.{domain}", rua, False)
    of_sts, of_reports = await asyncio.gather(
        or_none(resolver.txt(sts.name)), or_none(resolver.txt(reports.name))
    )
    return [
        records.judge_mta_sts(sts, of_sts),
        records.judge_tls_reports(reports, of_reports),
    ]


def _forecast(
    spf: _SpfOfWay,
    keys: Sequence[tuple[Key, Judged]],
    domain: str,
    discovery: Discovery | None,
) -> Forecast:
    """RFC 9989: one of both has to pass, for a name that is aligned with the From domain. The
    sender has the From domain here, as most mail does, or its return path."""
    passes, text = _dkim_of(keys, domain, discovery)
    match passes, spf.passes:
        case True, True:
            dmarc = Dmarc.BOTH
        case True, _:
            dmarc = Dmarc.DKIM
        case _, True:
            dmarc = Dmarc.SPF
        case False, False:
            dmarc = Dmarc.FAIL
        case _:
            dmarc = Dmarc.UNKNOWN
    return Forecast(spf.way.name, dmarc, text, spf.text)


def _dkim_of(
    keys: Sequence[tuple[Key, Judged]], domain: str, discovery: Discovery | None
) -> tuple[bool | None, str]:
    active = [(key, judged) for key, judged in keys if key.is_active]
    if not active:
        return False, "no key signs"
    if discovery is None:
        return None, "no answer"
    record = discovery.record
    is_strict = record is not None and record.is_dkim_strict
    aligned = [
        one for one in active if is_aligned(one[0].domain, domain, discovery, strict=is_strict)
    ]
    if not aligned:
        return False, f"the key of {active[0][0].domain} is not aligned"
    states = [judged.state for _, judged in aligned]
    if State.RIGHT in states:
        return True, f"signed by {aligned[states.index(State.RIGHT)][0].domain}"
    if State.UNKNOWN in states:
        return None, "no answer"
    return False, f"the record {aligned[0][1].record.name} is {states[0].value}"
