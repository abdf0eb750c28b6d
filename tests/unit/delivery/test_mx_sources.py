"""Mail to MX hosts comes from chosen addresses of this machine."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

import pytest
from tests.support.mx_world import MxWorld, open_mx_world, take_messages
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states
from tests.support.smtp_peer import Peer

from pillarbox.delivery.courier import AttemptResult
from pillarbox.hop_caps import MX_CAPS
from pillarbox.sources import Source, SourceFacts, ordered

FIRST, SECOND, SIX = Source("127.0.0.31"), Source("127.0.0.32"), Source("::1")
ELSEWHERE = Source("192.0.2.77")
DAY = 86_400_000


@dataclass
class Store:
    """What is known of addresses, and what they have sent of today's amount."""

    facts: dict[str, SourceFacts] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)

    async def all(self) -> Mapping[str, SourceFacts]:
        """See SourceStore."""
        return self.facts

    async def lease(self, address: str, *, day: str, messages: int, limit: int) -> int:
        """See SourceStore."""
        assert day
        leased = max(min(messages, limit - self.sent[address]), 0)
        self.sent[address] += leased
        return leased

    async def give_back(self, address: str, *, day: str, messages: int) -> None:
        """See SourceStore."""
        assert day
        self.sent[address] -= messages


class Far:
    """A host that notes from where it is reached, and by which name."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def __call__(self, peer: Peer) -> None:
        """See Script."""
        await peer.greet()
        self.seen.append((peer.client, peer.commands[0].removeprefix("EHLO ")))
        await take_messages(peer)


@pytest.fixture
def store() -> Store:
    """What is known of addresses."""
    return Store()


@pytest.fixture
async def world(store: Store) -> AsyncIterator[MxWorld]:
    """A domain with a host of IPv4, and one with a host of IPv6."""
    async with open_mx_world() as made:
        made.settings = replace(made.settings, sources=store)
        made.mx("four.example", "mx.four.example")
        made.mx("six.example", "mx.six.example")
        yield made


def _for(source: Source, *pool: Source) -> int:
    """A queue id whose message takes this address first."""
    return next(number for number in range(1000) if ordered(number, pool)[0] == source)


async def _send(world: MxWorld, domain: str, queue_id: int, *pool: Source) -> AttemptResult:
    courier = world.courier(domain, MX_CAPS, *pool)
    made = message()
    made.queue_id = queue_id
    try:
        return await attempt(courier, made)
    finally:
        await courier.close()


async def test_a_message_comes_from_its_address_under_its_name(
    world: MxWorld, store: Store
) -> None:
    """Each address has sessions of its own; another message of the same one takes them again."""
    far = Far()
    await world.host("mx.four.example", far, address="127.0.0.11")
    store.facts = {FIRST.address: SourceFacts("one.example.org")}
    pool = (FIRST, SECOND)

    for source in (FIRST, SECOND, FIRST):
        result = await _send(world, "four.example", _for(source, *pool), *pool)
        assert states(result) == {0: DELIVERED}

    assert far.seen == [(FIRST.address, "one.example.org"), (SECOND.address, "out.example")]
    assert len(world.means.sites._sites) == 2
    names = {site.name for site in world.means.sites._sites.values()}
    assert names == {f"mx.four.example @{each.address}" for each in pool}


async def test_hosts_are_reached_from_an_address_of_their_kind(world: MxWorld) -> None:
    """Whichever address the message would take first; without one it waits and says why."""
    four, six = Far(), Far()
    await world.host("mx.four.example", four, address="127.0.0.11")
    await world.host("mx.six.example", six, address="::1")
    pool = (FIRST, SIX)

    for source in pool:
        for domain in ("four.example", "six.example"):
            assert states(await _send(world, domain, _for(source, *pool), *pool)) == {0: DELIVERED}
    result = await _send(world, "six.example", 1, FIRST)

    assert {address for address, _ in four.seen} == {FIRST.address}
    assert {address for address, _ in six.seen} == {SIX.address}
    assert states(result) == {0: DEFERRED}
    assert "IPv6 only" in str(result.outcomes[0].reply)


async def test_an_address_that_this_machine_has_not_costs_no_mail(world: MxWorld) -> None:
    """It is deferred with the reason, never returned; the next attempt takes another address."""
    far = Far()
    await world.host("mx.four.example", far, address="127.0.0.11")
    pool = (ELSEWHERE, FIRST)
    queue_id = _for(ELSEWHERE, *pool)

    lost = await _send(world, "four.example", queue_id, *pool)
    again = await _send(world, "four.example", queue_id, *pool)

    assert states(lost) == {0: DEFERRED}
    assert ELSEWHERE.address in str(lost.outcomes[0].reply)
    assert lost.reason is not None
    assert lost.reason.explanation.suspends
    assert states(again) == {0: DELIVERED}
    assert [address for address, _ in far.seen] == [FIRST.address]


async def test_a_new_address_sends_its_amount_and_the_others_the_rest(
    world: MxWorld, store: Store
) -> None:
    """Where there are no others mail waits, and goes on the next day."""
    far = Far()
    await world.host("mx.four.example", far, address="127.0.0.11")
    now = [20_000 * DAY]
    world.settings = replace(world.settings, wall=lambda: now[0])
    store.facts = {FIRST.address: SourceFacts("", (3, 5), now[0])}
    queue_id = _for(FIRST, FIRST, SECOND)

    for _ in range(5):
        await _send(world, "four.example", queue_id, FIRST, SECOND)
    alone = await _send(world, "four.example", queue_id, FIRST)
    now[0] += DAY
    store.sent.clear()
    tomorrow = await _send(world, "four.example", queue_id, FIRST)

    assert Counter(address for address, _ in far.seen)[SECOND.address] == 1
    assert states(alone) == {0: DEFERRED}
    assert "warmed up" in str(alone.outcomes[0].reply)
    assert alone.reason is not None
    assert not alone.reason.explanation.suspends
    assert states(tomorrow) == {0: DELIVERED}


async def test_what_was_not_sent_is_given_back(world: MxWorld, store: Store) -> None:
    """An attempt that opened no session counts for nothing, nor does what is left at the end."""
    store.facts = {FIRST.address: SourceFacts("", (1000,), world.settings.wall())}
    world.dns.dns("mx.four.example", "A", "127.0.0.12")

    result = await _send(world, "four.example", 1, FIRST)
    assert states(result) == {0: DEFERRED}
    assert store.sent[FIRST.address] > 0
    await world.means.close()

    assert store.sent[FIRST.address] == 0
    await asyncio.sleep(0)
