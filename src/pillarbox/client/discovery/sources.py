"""The sources of settings, each a question to the DNS or the web. None raises but SourceError.

RFC 6186, RFC 8314 section 5.1; draft-ietf-mailmaint-autoconfig-06 section "Lookup" (the numbers
1.1 to 3.4 are its own), draft-ietf-mailmaint-pacc-02.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from pillarbox.discovery import srv
from pillarbox.discovery.autoconfig import DocumentError, read_autoconfig
from pillarbox.discovery.findings import Finding, Offer, Source
from pillarbox.discovery.hosts import host_name, is_within
from pillarbox.discovery.pacc import is_vouched_for, read_pacc
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import (
    Provider,
    by_autodiscover,
    by_domain,
    by_mx,
    by_spf,
    is_known_to_entra,
)
from pillarbox.discovery.ranking import Asking
from pillarbox.errors import DnsFailure, PillarboxError
from pillarbox.net.fetch import Fetched, FetchError, fetch
from pillarbox.net.reach import Reach, ReachError
from pillarbox.publish.client_settings import Door, Encryption

ISPDB = "https://v1.ispdb.net/"
ENTRA = "https://login.microsoftonline.com/"
Answer = TypeVar("Answer")

_USUAL_NAMES = ("smtp", "mail")
_USUAL_DOORS = (Door(465, Encryption.TLS), Door(587, Encryption.STARTTLS))


class SourceError(PillarboxError):
    """A source could not be asked, or its answer can not be used."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked. `shares_address` is whether the web server of the domain itself may learn the
    address; `registered` gives the registered domain of a host."""

    asking: Asking
    reach: Reach
    shares_address: bool
    third_parties: bool
    registered: Callable[[str], str]

    @property
    def domain(self) -> str:
        """The domain, in A-labels."""
        return self.asking.domain


def from_table(asking: Asking) -> Finding | None:
    """Our own table; nobody is asked."""
    provider = by_domain(PROVIDERS, asking.domain)
    if provider is None:
        return None
    why = f"addresses in {asking.domain} are of {provider.name}"
    return _of_provider(Source.TABLE, provider, asking, why=why)


async def from_srv(question: Question) -> list[Finding]:
    """SRV records, both kinds at once."""
    resolver, domain = question.reach.resolver, question.domain
    submissions, submission = await _all(
        [resolver.srv(f"_{service}._tcp.{domain}") for service in ("submissions", "submission")]
    )
    offers = srv.offers(submissions, submission, _draw)
    if offers:
        why = f"the domain has SRV records for mail submission, which name {offers[0]}"
        return [Finding(Source.SRV, offers, why)]
    if srv.is_refused([*submissions, *submission]):
        raise SourceError("the domain says that it offers no submission")
    return []


async def from_pacc(question: Question) -> list[Finding]:
    """The document and the TXT record that has its digest."""
    host = f"ua-auto-config.{question.domain}"
    records = await question.reach.resolver.txt(f"_{host}")
    if not any(record.strip().startswith("v=UAAC1") for record in records):
        return []
    url = f"https://{host}/.well-known/user-agent-configuration.json"
    document = await fetch(url, question.reach)
    if document is None:
        return []
    if not is_vouched_for(document.content, records):
        raise SourceError(f"{url} is not the document whose digest is in the DNS")
    offers = read_pacc(document.content)
    why = f"the domain says so at {host}, with the digest in its DNS"
    return [Finding(Source.PACC, offers, why)] if offers else []


async def from_autoconfig(question: Question) -> list[Finding]:
    """1.1 and 1.2: the domain's own document over HTTPS. These hosts are the domain's own, so they
    may learn the address, which some need for the user name."""
    asks = f"?emailaddress={quote(question.asking.address)}" if question.shares_address else ""
    domain = question.domain
    urls = [
        f"https://autoconfig.{domain}/mail/config-v1.1.xml{asks}",
        f"https://{domain}/.well-known/autoconfig/mail/config-v1.1.xml{asks}",
    ]
    return await _documents(question, Source.AUTOCONFIG, urls)


async def from_autoconfig_http(question: Question) -> list[Finding]:
    """1.3: the same without encryption, so without the address."""
    url = f"http://autoconfig.{question.domain}/mail/config-v1.1.xml"
    return await _documents(question, Source.AUTOCONFIG_HTTP, [url])


async def from_ispdb(question: Question) -> list[Finding]:
    """2.1: Thunderbird's database, which learns the domain and not the address."""
    return await _documents(question, Source.ISPDB, [f"{ISPDB}{question.domain}"])


async def from_mx(question: Question) -> list[Finding]:
    """The best MX host is of a provider of the table, or (3.1 to 3.4) its domain has a document."""
    hosts = await question.reach.resolver.mx(question.domain)
    host = host_name(hosts[0]) if hosts else None
    if host is None:
        return []
    provider = by_mx(PROVIDERS, host)
    if provider is not None:
        why = f"mail for {question.domain} is taken by {host}, which is of {provider.name}"
        return [_of_provider(Source.MX, provider, question.asking, why=why)]
    if is_within(host, question.asking.organisation) or not question.third_parties:
        return []
    # MXFULLDOMAIN and MXBASEDOMAIN; the strangers there learn nothing of the address.
    base = question.registered(host)
    above = host.partition(".")[2]
    places = [above, base] if is_within(above, base) and above != base else [base]
    hosted = [f"https://autoconfig.{place}/mail/config-v1.1.xml" for place in places]
    listed = [f"{ISPDB}{place}" for place in places]
    first, second = await _all(
        [
            _or([], _documents(question, Source.MX_AUTOCONFIG, hosted)),
            _or([], _documents(question, Source.MX_ISPDB, listed)),
        ]
    )
    return [*first, *second]


async def from_hints(question: Question) -> list[Finding]:
    """What a provider has its customers set, for domains whose MX host is that of a filter."""
    reach, domain, asks_entra = question.reach, question.domain, question.third_parties
    url = f"{ENTRA}{domain}/v2.0/.well-known/openid-configuration"
    async with asyncio.TaskGroup() as group:
        aliased = group.create_task(_or("", reach.resolver.alias(f"autodiscover.{domain}")))
        sending = group.create_task(_or([], reach.resolver.txt(domain)))
        tenant = group.create_task(_or(None, fetch(url, reach) if asks_entra else _nothing()))
    alias, texts, entra = aliased.result(), sending.result(), tenant.result()
    provider = by_autodiscover(PROVIDERS, alias)
    if provider is not None:
        why = f"the alias autodiscover.{domain} leads to {alias}, which is of {provider.name}"
        return [_of_provider(Source.HINT, provider, question.asking, why=why)]
    is_tenant = entra is not None and is_known_to_entra(entra.content)
    senders = by_spf(PROVIDERS, texts)
    found = []
    for sender in senders:
        is_microsoft = is_tenant and sender.key.startswith("microsoft365")
        why = f"the SPF record of {domain} lets {sender.name} send for it"
        why += ", and Microsoft Entra knows the domain" if is_microsoft else ""
        is_weak = len(senders) > 1 or not is_microsoft
        found.append(_of_provider(Source.HINT, sender, question.asking, why=why, is_weak=is_weak))
    return found


async def from_usual_names(question: Question) -> list[Finding]:
    """Hosts that exist under a usual name, and the MX host if it is the domain's own."""
    domain, reach = question.domain, question.reach
    own_mx = [
        host
        for text in await reach.resolver.mx(domain)
        if (host := host_name(text)) and is_within(host, question.asking.organisation)
    ]
    names = dict.fromkeys([*(f"{name}.{domain}" for name in _USUAL_NAMES), *own_mx[:1]])
    found = []
    exist = await _all([_exists(name, reach) for name in names])
    for name, is_there in zip(names, exist, strict=True):
        if is_there:
            offers = tuple(Offer(name, door) for door in _USUAL_DOORS)
            found.append(Finding(Source.GUESS, offers, f"there is a host {name}"))
    return found


async def _exists(name: str, reach: Reach) -> bool:
    try:
        return bool(await reach.addresses(name))
    except (ReachError, DnsFailure):
        return False


async def _all(questions: Sequence[Coroutine[object, object, Answer]]) -> list[Answer]:
    """The answers to questions that are asked at once; raises what the first of them raises."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(question) for question in questions]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [task.result() for task in tasks]


async def _or(otherwise: Answer, question: Awaitable[Answer]) -> Answer:
    """The answer, or another where there is none."""
    try:
        return await question
    except PillarboxError:
        return otherwise


async def _nothing() -> Fetched | None:
    return None


def _draw(highest: int) -> int:
    return random.randint(0, highest)  # noqa: S311 - spreads load, guards nothing


def _of_provider(
    source: Source, provider: Provider, asking: Asking, *, why: str, is_weak: bool = False
) -> Finding:
    offers = provider.offers(asking.address)
    return Finding(source, offers, why, provider.key, is_weak)


async def _documents(question: Question, source: Source, urls: Sequence[str]) -> list[Finding]:
    """The finding of the first document in the order of the URLs that has offers; all are fetched
    at once. Raises SourceError where there is none and one could not be fetched or read."""
    answers = await _all([_document(question, source, url) for url in urls])
    for answer in answers:
        if isinstance(answer, Finding):
            return [answer]
    problems = [answer for answer in answers if isinstance(answer, str)]
    if problems:
        raise SourceError("; ".join(problems))
    return []


async def _document(question: Question, source: Source, url: str) -> Finding | str | None:
    shown = url.partition("?")[0]
    try:
        document = await fetch(url, question.reach)
        if document is None:
            return None
        offers = read_autoconfig(document.content, address=question.asking.address)
    except (FetchError, DocumentError) as exc:
        return f"{shown}: {exc}"
    if not offers:
        return None
    if not document.is_secure:
        source = Source.AUTOCONFIG_HTTP
    return Finding(source, offers, f"{shown} says so")
