"""Finding the server that takes the mail of an address: all sources at once, one deadline, then a
look at what was found.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from publicsuffixlist import PublicSuffixList

from pillarbox.client.discovery.board import Board
from pillarbox.client.discovery.probe import probe
from pillarbox.client.discovery.sources import (
    Question,
    from_autoconfig,
    from_autoconfig_http,
    from_hints,
    from_ispdb,
    from_mx,
    from_pacc,
    from_srv,
    from_table,
    from_usual_names,
)
from pillarbox.discovery.answer import Discovery
from pillarbox.discovery.findings import Check, Finding, Offer, Source
from pillarbox.discovery.hosts import host_name, is_within
from pillarbox.discovery.ranking import Asking, Suggestion, judged
from pillarbox.errors import AddressError, DnsFailure, PillarboxError
from pillarbox.mail.address import parse_mailbox
from pillarbox.net.dns import DnsResolver, Resolver
from pillarbox.net.reach import Connect, Reach
from pillarbox.net.tls import client_context

SEARCH_SHARE = 0.6
"""So much of the time is for the sources; the rest is for the servers that they name."""

MAX_OFFERS = 8
"""More ways to send are not connected to."""

_ASK: dict[Source, Callable[[Question], Awaitable[list[Finding]]]] = {
    Source.SRV: from_srv,
    Source.PACC: from_pacc,
    Source.AUTOCONFIG: from_autoconfig,
    Source.ISPDB: from_ispdb,
    Source.AUTOCONFIG_HTTP: from_autoconfig_http,
    Source.MX: from_mx,
    Source.HINT: from_hints,
    Source.GUESS: from_usual_names,
}


@dataclass(frozen=True, slots=True)
class Options:
    """How far a search goes.

    `offline` asks nobody, so only our table answers. Without `third_parties` only the DNS and the
    hosts of the domain itself are asked, not Thunderbird's database, Microsoft and hosting
    companies. With `allow_private` hosts of the domain itself may have private addresses.
    `ca_file` names further trusted roots.
    """

    offline: bool = False
    third_parties: bool = True
    allow_private: bool = False
    timeout_seconds: float = 10.0
    ca_file: str = ""


@dataclass(frozen=True, slots=True)
class Network:
    """The outside world. Another one than that of this machine is for tests and proxies. `tls` None
    trusts the roots of the system."""

    resolver: Resolver = field(default_factory=DnsResolver)
    connect: Connect = asyncio.open_connection
    tls: ssl.SSLContext | None = None


def discover(
    target: str, options: Options | None = None, *, network: Network | None = None
) -> Discovery:
    """How mail of an address, or of a domain, is to be sent. For programs without an event loop.

    Raises AddressError where the target is neither.
    """
    return asyncio.run(discover_async(target, options, network=network))


async def discover_async(
    target: str, options: Options | None = None, *, network: Network | None = None
) -> Discovery:
    """`discover` for programs with an event loop; it is cancelled like every coroutine."""
    options = options or Options()
    asking, is_address = _asking(target)
    if options.offline:
        return _from_table_alone(target, asking)
    try:
        network = network or Network()
    except DnsFailure as exc:
        return Discovery(target, asking, trouble=str(exc))
    reach = _reach(asking, options, network)
    question = Question(asking, reach, is_address, options.third_parties, _registered)
    return await _search(target, question, options)


def _asking(target: str) -> tuple[Asking, bool]:
    """Who asks, and whether the target is an address."""
    is_address = "@" in target
    try:
        domain = host_name(parse_mailbox(target).domain_key if is_address else target)
    except AddressError as exc:
        raise AddressError(f"{target!r} is no address: {exc}") from exc
    if domain is None:
        raise AddressError(f"{target} is neither an address nor a domain")
    address = target if is_address else f"you@{domain}"
    return Asking(domain, address, _registered(domain)), is_address


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def _registered(host: str) -> str:
    """The registered domain of a host, or the host where it has none."""
    return _suffixes().privatesuffix(host) or host


def _reach(asking: Asking, options: Options, network: Network) -> Reach:
    def may_be_private(host: str) -> bool:
        return options.allow_private and is_within(host, asking.organisation)

    context = network.tls or client_context(verify=True, ca_file=options.ca_file)
    return Reach(network.resolver, context, network.connect, may_be_private)


def _from_table_alone(target: str, asking: Asking) -> Discovery:
    board = Board(asking, ())
    finding = from_table(asking)
    board.report(Source.TABLE, [finding] if finding else [])
    usable, rejected = judged(board.candidates(), {}, asking)
    return Discovery(target, asking, tuple(usable), tuple(rejected), board.asked())


async def _search(target: str, question: Question, options: Options) -> Discovery:
    loop = asyncio.get_running_loop()
    end = loop.time() + options.timeout_seconds
    until = loop.time() + options.timeout_seconds * SEARCH_SHARE
    known = from_table(question.asking)
    sources = _sources(options) if known is None else {}
    board = Board(question.asking, [Source.TABLE, *sources])
    board.report(Source.TABLE, [known] if known else [])
    checks: dict[Offer, Check] = {}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_ask(source, question, board)) for source in sources]
        await board.until_decided(until)
        await _check(board.candidates()[:1], question.reach, checks, end=end)
        usable, _ = judged(board.candidates(), checks, question.asking)
        if not (usable and usable[0].is_verified):
            await board.until_complete(until)
            await _check(board.candidates(), question.reach, checks, end=end)
        asked = board.asked()
        for task in tasks:
            task.cancel()
    usable, rejected = judged(board.candidates(), checks, question.asking)
    return Discovery(target, question.asking, tuple(usable), tuple(rejected), asked)


def _sources(options: Options) -> list[Source]:
    if options.third_parties:
        return list(_ASK)
    return [source for source in _ASK if source is not Source.ISPDB]


async def _ask(source: Source, question: Question, board: Board) -> None:
    """Ask one source; whatever comes of it is reported."""
    try:
        board.report(source, await _ASK[source](question))
    except PillarboxError as exc:
        board.report(source, [], f"failed: {exc}")


async def _check(
    found: Sequence[Suggestion], reach: Reach, checks: dict[Offer, Check], *, end: float
) -> None:
    """Connect to all offers that were not connected to yet, at once."""
    offers = [offer for suggestion in found for offer in suggestion.offers if offer not in checks]

    async def check(offer: Offer) -> None:
        checks[offer] = await probe(offer, reach)

    with suppress(TimeoutError):
        async with asyncio.timeout_at(end), asyncio.TaskGroup() as group:
            for offer in offers[:MAX_OFFERS]:
                group.create_task(check(offer))
