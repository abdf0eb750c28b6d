"""Next hops that mail whom the header names get a message for all of its recipients at once."""

import asyncio

import pytest
from tests.support.queueing import HOP, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore, wall
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.oauth.clouds import Cloud
from pillarbox.oauth.sign_in import Flow, SignIn
from pillarbox.route import (
    Counted,
    HopCaps,
    Microsoft365,
    Microsoft365Way,
    NextHop,
    Route,
    Window,
    hop_key,
)

SIGN_IN = SignIn(Flow.CLIENT_SECRET, "app", "https://login.example", "tenant", secret="x")
GRAPH = Microsoft365("me@t1.test", Cloud.WORLDWIDE, SIGN_IN, Microsoft365Way.GRAPH)
CAPS = HopCaps(connections=2, windows=(Window(Counted.RECIPIENTS, 5, 60),))


@pytest.fixture
def hop() -> NextHop:
    """Where all mail goes."""
    return GRAPH


@pytest.fixture
def caps() -> HopCaps:
    """Five recipients a minute."""
    return CAPS


@pytest.fixture
def directory(hop: NextHop, caps: HopCaps) -> SimulatedDirectory:
    """A tenant with one next hop."""
    return SimulatedDirectory(make_tenant(Route(1, "", "", hop, caps)))


@pytest.mark.parametrize(("hop", "attempts"), [(GRAPH, 2), (HOP, 3)], ids=["graph", "smtp"])
def test_a_window_does_not_take_a_message_apart(
    start_worker: StartWorker, store: SimulatedStore, far: FarSide, hop: NextHop, attempts: int
) -> None:
    """With room for two of three recipients it waits, while SMTP begins with the two."""

    lane = store.lane(hop_key(hop))

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(2):
                recipients = [f"r{number}@far.example" for number in range(3)]
                made = make_message(*recipients, received_at=wall(), lane=lane)
                scheduler.offer(store.keep(made))
            await asyncio.sleep(200)

    simulate(run())

    assert len(far.attempts) == attempts
    assert len(far.delivered()) == 6


@pytest.mark.parametrize("caps", [HopCaps(connections=2)], ids=["no windows"])
@pytest.mark.parametrize(("hop", "attempts"), [(GRAPH, 1), (HOP, 3)], ids=["graph", "smtp"])
def test_many_recipients_do_not_take_a_message_apart(
    start_worker: StartWorker, store: SimulatedStore, far: FarSide, hop: NextHop, attempts: int
) -> None:
    """250 recipients that stand in the header: SMTP gets them a hundred at a time."""
    lane = store.lane(hop_key(hop))

    async def run() -> None:
        async with start_worker() as scheduler:
            recipients = [f"r{number}@far.example" for number in range(250)]
            made = make_message(*recipients, received_at=wall(), lane=lane)
            scheduler.offer(store.keep(made))
            await asyncio.sleep(60)

    simulate(run())

    assert len(far.attempts) == attempts
    assert len(far.delivered()) == 250
