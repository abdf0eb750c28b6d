"""What a domain announces for sending, by SRV and autoconfig, and whether it is so. It judges
nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pillarbox.client.discovery.probe import probe
from pillarbox.client.discovery.sources import Question, from_autoconfig, from_srv
from pillarbox.diagnosis.domain_facts import AnnouncedFacts
from pillarbox.discovery.findings import CheckState, Finding, Offer
from pillarbox.discovery.ranking import Asking
from pillarbox.errors import PillarboxError
from pillarbox.net.reach import NoSuchHostError, Reach, ReachError

MAX_OFFERS = 4
"""Of each source."""


async def announced(domain: str, reach: Reach) -> tuple[AnnouncedFacts, ...]:
    """All offers of both, each looked at once. Nothing is sent, no login tried."""
    question = Question(
        Asking(domain, f"you@{domain}", domain),
        reach,
        shares_address=False,
        third_parties=False,
        registered=lambda host: host,
    )
    by_srv, by_document = await asyncio.gather(
        _offers(from_srv, question), _offers(from_autoconfig, question)
    )
    offers = list(dict.fromkeys([*by_srv, *by_document]))
    states = dict(
        zip(offers, await asyncio.gather(*(_state(o, reach) for o in offers)), strict=True)
    )
    return tuple(
        AnnouncedFacts(source, offer.host, offer.door, *states[offer])
        for source, found in (("SRV", by_srv), ("autoconfig", by_document))
        for offer in found
    )


async def _offers(
    ask: Callable[[Question], Awaitable[list[Finding]]], question: Question
) -> Sequence[Offer]:
    try:
        found = await ask(question)
    except PillarboxError:
        return ()
    return found[0].offers[:MAX_OFFERS] if found else ()


async def _state(offer: Offer, reach: Reach) -> tuple[CheckState, str]:
    """What is found there. A host in a private network is not looked at: a stranger's domain could
    name one of ours."""
    try:
        await reach.addresses(offer.host)
    except NoSuchHostError:
        return CheckState.BAD, "there is no such host"
    except (ReachError, PillarboxError) as exc:
        return CheckState.UNKNOWN, str(exc)
    check = await probe(offer, reach)
    return check.state, check.problem
