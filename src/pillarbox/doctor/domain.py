"""Collects what the DNS and the web say of a domain that mail is sent from. It judges nothing."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from pillarbox.diagnosis.domain_facts import (
    AddressFacts,
    DkimFacts,
    DomainFacts,
    MxFacts,
    Reached,
    SpfFacts,
    StsFacts,
)
from pillarbox.diagnosis.records import report_domains
from pillarbox.doctor.announced import announced
from pillarbox.doctor.block_lists import ask_list
from pillarbox.doctor.progress import Progress
from pillarbox.doctor.spf import SpfWalk
from pillarbox.doctor.talk import Means, Place
from pillarbox.doctor.tls_probe import chain_of
from pillarbox.net.dmarc import walk
from pillarbox.net.dns import DnsResolver, or_none
from pillarbox.net.fetch import FetchError
from pillarbox.net.mta_sts import fetch_policy
from pillarbox.net.reach import Reach, is_public
from pillarbox.publish.client_settings import Encryption
from pillarbox.publish.dmarc import is_dmarc, records_of
from pillarbox.publish.dns_records import ZoneSecurity, is_dkim

DOMAIN_SECONDS = 8.0
"""For each part, all parts at once."""
EVALUATION_SECONDS = 5.0
"""Most of what it asks the walk has asked before, and is kept."""
MAX_MX = 5
MAX_LISTS = 20
PORT_SECONDS = 3.0

SELECTORS = (
    *("selector1", "selector2", "google", "default", "dkim", "mail", "smtp", "s1", "s2"),
    *("k1", "k2", "k3", "fm1", "fm2", "fm3", "protonmail", "protonmail2", "protonmail3"),
    *("zoho", "zmail", "pm", "mandrill", "mailjet", "sig1", "key1", "key2", "mx", "email"),
    *("brevo1", "brevo2", "mailchannels", "mxvault", "x", "dkim1", "dkim2", "titan1", "hs1"),
)
"""What providers and guides call them; a selector can not be asked for otherwise."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class DomainTools:
    """With what it is asked."""

    resolver: DnsResolver
    reach: Reach
    means: Means
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True)
class DomainRequest:
    """Which domain; with which `selector` of DKIM, from which `address`, by which `server` it
    sends, which name it says in EHLO, where that is known. `lists` are block lists to be asked."""

    domain: str
    selector: str = ""
    address: str = ""
    server: str = ""
    ehlo_name: str = ""
    lists: tuple[str, ...] = ()


async def _in_time(answer: Awaitable[Value], otherwise: Value) -> Value:
    try:
        async with asyncio.timeout(DOMAIN_SECONDS):
            return await answer
    except TimeoutError:
        return otherwise


async def look_up(request: DomainRequest, tools: DomainTools) -> DomainFacts:
    """All facts about a domain, within some ten seconds."""
    domain, dns = request.domain, tools.resolver
    watch = tools.progress.watch
    async with asyncio.TaskGroup() as group:
        start = group.create_task
        null_mx = start(or_none(dns.has_null_mx(domain)))
        texts = start(or_none(dns.txt(domain)))
        addresses = start(or_none(dns.addresses(domain)))
        mx = start(watch("MX", _in_time(_mx(domain, tools), None)))
        spf = start(watch("SPF", spf_facts(request, dns)))
        dkim = start(watch("DKIM", _in_time(_dkim(request, dns), None)))
        dmarc = start(watch("DMARC", dmarc_records(domain, dns)))
        sts = start(watch("MTA-STS", _in_time(_sts(domain, tools), StsFacts())))
        reports = start(or_none(dns.txt(f"_smtp._tls.{domain}")))
        zone = start(_in_time(dns.zone_security(domain), ZoneSecurity.UNKNOWN))
        names = start(watch("SRV, autoconfig", _in_time(announced(domain, tools.reach), ())))
        address = start(watch("address", _in_time(_address(request, dns), None)))
    at, policies = dmarc.result()
    takers = await _reports(at, policies or (), dns)
    return DomainFacts(
        domain=domain,
        server=request.server,
        is_empty=mx.result() == () and texts.result() == [] and addresses.result() == [],
        null_mx=bool(null_mx.result()),
        mx=mx.result(),
        spf=spf.result(),
        dkim=dkim.result(),
        asked_selector=request.selector,
        dmarc=policies,
        dmarc_at=at,
        reports=takers,
        sts=sts.result(),
        tls_reports=_with(reports.result(), "v=TLSRPTv1"),
        address=address.result(),
        zone=zone.result(),
        announced=names.result(),
    )


def _with(texts: Sequence[str] | None, version: str) -> tuple[str, ...] | None:
    if texts is None:
        return None
    return tuple(t for t in texts if t.replace(" ", "").lower().startswith(version.lower()))


async def spf_facts(request: DomainRequest, dns: DnsResolver) -> SpfFacts:
    """The SPF record of a domain, and what comes of it for the address, where one was given."""
    walk = SpfWalk(dns, request.address).run(request.domain)
    return await _evaluated(await _in_time(walk, SpfFacts()), request, dns)


async def _evaluated(walked: SpfFacts, request: DomainRequest, dns: DnsResolver) -> SpfFacts:
    """What receivers say of the address, by the library of the server where it is installed; else
    what the walk says, which knows less. A library finds more errors than the walk, too."""
    if not request.address or walked.records is None or len(walked.records) != 1:
        return walked
    try:
        from pillarbox.net.spf import SpfResult, check_host
    except ImportError:
        return walked
    try:
        async with asyncio.timeout(EVALUATION_SECONDS):
            verdict = await check_host(dns, request.address, request.domain)
    except TimeoutError:
        return walked
    if verdict.result is SpfResult.TEMPERROR:
        return replace(walked, result="unknown")
    facts = replace(walked, result=verdict.result.value)
    if verdict.result is SpfResult.PERMERROR and not walked.is_error:
        return replace(facts, problem_id="SPF-SYNTAX", problem=verdict.cause)
    return facts


async def _mx(domain: str, tools: DomainTools) -> tuple[MxFacts, ...] | None:
    hosts = await or_none(tools.resolver.mx(domain))
    if hosts is None:
        return None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_host(host, tools)) for host in hosts[:MAX_MX]]
    return tuple(task.result() for task in tasks)


async def _host(host: str, tools: DomainTools) -> MxFacts:
    dns = tools.resolver
    addresses = await or_none(dns.addresses(host))
    alias = await or_none(dns.alias(host)) or ""
    # Strangers name them: as delivery, it connects to public ones alone.
    public = [address for address in addresses or () if is_public(address)]
    reached = Reached.PRIVATE if addresses and not public else await _reached(public, tools)
    tlsa = await or_none(dns.tlsa(f"_25._tcp.{host}")) or []
    chain: tuple[bytes, ...] = ()
    if tlsa and public:
        place = Place(host, public[0], 25, Encryption.STARTTLS)
        chain = await chain_of(place, tools.means)
    found = None if addresses is None else tuple(addresses)
    return MxFacts(host, found, alias, tuple(tlsa), chain, reached)


async def _reached(addresses: Sequence[str], tools: DomainTools) -> Reached:
    """Whether port 25 takes a connection from here."""
    if not addresses:
        return Reached.NOT_TRIED
    try:
        async with asyncio.timeout(PORT_SECONDS):
            _, writer = await tools.means.connect(addresses[0], 25)
    except TimeoutError:
        return Reached.DROPPED
    except OSError:
        return Reached.REFUSED
    writer.close()
    return Reached.OPEN


async def _dkim(request: DomainRequest, dns: DnsResolver) -> tuple[DkimFacts, ...] | None:
    """The selector that was named, or those of the usual names that there are."""
    names = (request.selector,) if request.selector else SELECTORS
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(selector_facts(n, request.domain, dns)) for n in names]
    found = [task.result() for task in tasks]
    known = tuple(f for f in found if f is not None and (f.texts or f.alias or request.selector))
    return known if any(f is not None for f in found) else None


async def selector_facts(name: str, domain: str, dns: DnsResolver) -> DkimFacts | None:
    """What stands at the name of a key; None without an answer."""
    at = f"{name}._domainkey.{domain}"
    texts = await or_none(dns.txt(at))
    if texts is None:
        return None
    keys = tuple(text for text in texts if is_dkim(text))
    alias = "" if keys else await or_none(dns.alias(at)) or ""
    return DkimFacts(name, keys, alias)


async def dmarc_records(domain: str, dns: DnsResolver) -> tuple[str, tuple[str, ...] | None]:
    """Those of a domain, within the time of one part."""
    return await _in_time(_dmarc(domain, dns), (domain, None))


async def _dmarc(domain: str, dns: DnsResolver) -> tuple[str, tuple[str, ...] | None]:
    """Where the records stand that hold, and which. Where none holds, the nearest that there are:
    somebody meant them to."""
    found = await walk(dns, domain)
    if found.own is None:
        return domain, None
    if own := records_of(found.own):
        return domain, own
    discovery = found.discovery
    if discovery is None:
        return domain, None
    there = {
        name: records for name, texts in found.texts.items() if (records := records_of(texts or ()))
    }
    at = discovery.found_at or next(iter(there), domain)
    return at, there.get(at, ())


async def _reports(at: str, policies: Sequence[str], dns: DnsResolver) -> dict[str, bool]:
    """Those elsewhere that get reports, and whether they say that they want them (RFC 9990)."""
    found: dict[str, bool] = {}
    for policy in policies[:1]:
        for other in report_domains(policy):
            if other == at or other.endswith(f".{at}") or at.endswith(f".{other}"):
                continue
            texts = await or_none(dns.txt(f"{at}._report._dmarc.{other}"))
            if texts is not None:
                found[other] = any(map(is_dmarc, texts))
    return found


async def _sts(domain: str, tools: DomainTools) -> StsFacts:
    records = _with(await or_none(tools.resolver.txt(f"_mta-sts.{domain}")), "v=STSv1")
    if not records:
        return StsFacts(records)
    try:
        return StsFacts(records, await fetch_policy(domain, tools.reach))
    except FetchError as exc:
        return StsFacts(records, trouble=str(exc))


async def _address(request: DomainRequest, dns: DnsResolver) -> AddressFacts | None:
    if not request.address:
        return None
    return await address_facts(request.address, request.ehlo_name, request.lists, dns)


async def address_facts(
    address: str, ehlo_name: str, lists: Sequence[str], dns: DnsResolver
) -> AddressFacts:
    """What the DNS says of an address that mail comes from."""
    names = await or_none(dns.pointers(address))
    back: dict[str, tuple[str, ...]] = {}
    for name in (names or [])[:3]:
        back[name] = tuple(await or_none(dns.addresses(name)) or ())
    leads_to = await or_none(dns.addresses(ehlo_name)) if ehlo_name else None
    answers = await asyncio.gather(*(ask_list(zone, address, dns) for zone in lists[:MAX_LISTS]))
    return AddressFacts(
        address=address,
        names=None if names is None else tuple(names),
        back=back,
        ehlo_name=ehlo_name,
        ehlo_addresses=None if leads_to is None else tuple(leads_to),
        lists=tuple(answers),
    )
