"""How much the hosts of a site are given: less when they ask for less, more as they take it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.mx_world import MxWorld, open_mx_world
from tests.support.outgoing import DEFERRED, DELIVERED, attempt, message, states
from tests.support.smtp_peer import Peer, Script

from pillarbox.delivery.courier import HopBusy
from pillarbox.delivery.mx_courier import MxCourier
from pillarbox.delivery.mx_site import ROUTE_SECONDS, Site, Sites
from pillarbox.delivery.mx_site_tools import SiteName, SiteTools
from pillarbox.delivery.receivers import Receivers
from pillarbox.delivery.timeouts import Timeouts
from pillarbox.hop_caps import HopCaps

CAPS = HopCaps(connections=8)
HOST = "127.0.0.11"
NAME = SiteName(("mx.host.example",))


@pytest.fixture
async def world() -> AsyncIterator[MxWorld]:
    """Several domains with one host."""
    async with open_mx_world() as made:
        for number in range(10):
            made.mx(f"d{number}.example", "mx.host.example")
        yield made


def _answering(*replies: str) -> Script:
    """A host whose sessions answer MAIL by these, and take everything after them."""
    left = list(replies)

    async def script(peer: Peer) -> None:
        await peer.greet()
        while command := await peer.line():
            if command.startswith("MAIL") and left:
                peer.send(reply := left.pop(0))
                if reply.startswith("421"):
                    return
            elif command.startswith("DATA"):
                peer.send("354 go")
                await peer.content()
                peer.send("250 taken")
            else:
                peer.send("221 bye" if command == "QUIT" else "250 ok")
                if command == "QUIT":
                    return

    return script


async def _all_at_once(world: MxWorld, count: int) -> list[MxCourier]:
    """So many sessions, each in use by a domain of its own."""
    couriers = [world.courier(f"d{number}.example", CAPS) for number in range(count)]
    for courier in couriers:
        await attempt(courier, message())
    return couriers


def _site(world: MxWorld) -> Site:
    [site] = world.means.sites._sites.values()
    return site


@pytest.mark.parametrize(
    "wish", ["451 4.7.1 too much mail from you", "421 4.7.0 try again later", "450 4.2.1 slow down"]
)
async def test_hosts_that_ask_for_less_get_half_as_much_and_a_pause(
    world: MxWorld, wish: str
) -> None:
    """Once may be about that message; twice in a row is a wish. All domains wait then."""
    # A session that is ended with 421 when it is used again may just have been idle for too long.
    replies = ["250 ok"] * 8 + [wish] * (4 if wish.startswith("421") else 2)
    await world.host("mx.host.example", _answering(*replies), address="127.0.0.11")
    couriers = await _all_at_once(world, 8)
    assert _site(world).concurrency.limit == 8

    for courier in couriers[:2]:
        assert states(await attempt(courier, message())) == {0: DEFERRED}

    assert _site(world).concurrency.limit == 4
    with pytest.raises(HopBusy) as busy:
        await attempt(world.courier("d9.example", CAPS), message())
    now = asyncio.get_running_loop().time()
    assert 0 < busy.value.until - now <= 4


async def test_what_is_known_of_a_site_can_be_read(world: MxWorld) -> None:
    """Why it is given less, until when, and what brings more; an administrator ends the pause."""
    wish = "451 4.7.1 too much mail from you"
    await world.host("mx.host.example", _answering(*["250 ok"] * 4, wish, wish), address=HOST)
    couriers = await _all_at_once(world, 4)
    for courier in couriers[:2]:
        await attempt(courier, message())
    for courier in couriers:
        await courier.close()
    site = _site(world)

    state = site.state(7, lambda moment: round(moment * 1000) or None)

    assert (state.hosts, state.hops, state.security) == ("mx.host.example", 7, "none")
    assert state.connections.lowered_by == wish
    assert (state.connections.allowed, state.connections.cap) == (2, 8)
    assert state.connections.grows_after == 2
    assert state.connections.paused_until
    site.let_go()
    assert states(await attempt(world.courier("d9.example", CAPS), message())) == {0: DELIVERED}


async def test_success_brings_sessions_back_one_by_one(world: MxWorld) -> None:
    """One more after as many messages as there may be sessions, up to the cap."""
    await world.host("mx.host.example", _answering(), address="127.0.0.11")
    courier = world.courier("d0.example", CAPS)
    await attempt(courier, message())
    site = _site(world)
    site.concurrency.refuse_more_than(2)

    limits = []
    for _ in range(9):
        assert states(await attempt(courier, message())) == {0: DELIVERED}
        limits.append(site.concurrency.limit)

    assert limits == [2, 3, 3, 3, 4, 4, 4, 4, 5]


async def test_hosts_that_do_not_answer_get_less(world: MxWorld) -> None:
    """A reply that does not come in time is a wish, too."""

    async def silent(peer: Peer) -> None:
        await peer.greet()
        await peer.until_closed()

    await world.host("mx.host.example", silent, address="127.0.0.11")
    world.timeouts = Timeouts(command=0.1, quit=0.1)

    for number in range(2):
        result = await attempt(world.courier(f"d{number}.example", CAPS), message())
        assert states(result) == {0: DEFERRED}

    site = _site(world)
    assert site.concurrency.limit == 1
    assert site.concurrency.paused_until > asyncio.get_running_loop().time()


def test_the_strictest_of_the_routes_in_use_holds() -> None:
    """In whichever order they come; one that is not used any more holds for ten minutes."""
    now = [0.0]
    tools = SiteTools(monotonic=lambda: now[0], rand=lambda: 0.5, idle_seconds=5, idle_sessions=10)
    wide, narrow = HopCaps(8, 50), HopCaps(3, 100)

    def cap(*routes: HopCaps) -> int:
        sites = Sites(tools, Receivers())
        for caps in routes:
            site = sites.get("hosts", NAME, "mx:one.example", caps)
        return site.concurrency.cap

    assert [cap(wide, narrow), cap(narrow, wide), cap(narrow, wide, narrow)] == [3, 3, 3]
    sites = Sites(tools, Receivers())
    for caps in (narrow, wide):
        sites.get("hosts", NAME, "mx:one.example", caps)
    now[0] += ROUTE_SECONDS + 1
    assert sites.get("hosts", NAME, "mx:one.example", wide).concurrency.cap == 8
