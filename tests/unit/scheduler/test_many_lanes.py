"""Straight to MX hosts each domain has a lane: many of them, in virtual time."""

import asyncio

from tests.support.queueing import make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.mail.envelope import RecipientState
from pillarbox.route import MxHosts, Route

DOMAINS = 350


def test_mail_for_many_domains_does_not_wait_for_one_another(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """After a start the lanes of all of them are taken on within seconds."""
    directory.change(make_tenant(Route(1, "", "", MxHosts())))

    async def run() -> None:
        for number in range(DOMAINS):
            domain = f"d{number}.example"
            lane = store.lane(f"mx:{domain}")
            store.keep(make_message(f"bob@{domain}", lane=lane))
        async with start_worker():
            await asyncio.sleep(8)
            assert store.states() == {RecipientState.DELIVERED: DOMAINS}
        assert far.sessions >= DOMAINS

    simulate(run())


def test_message_to_several_domains_is_split(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """One attempt for each domain, with all of its recipients."""
    directory.change(make_tenant(Route(1, "", "", MxHosts())))

    async def run() -> None:
        addresses = ("a@one.example", "b@two.example", "c@one.example")
        message = make_message(*addresses)
        for each in message.recipients:
            each.lane_id = store.lane(f"mx:{each.recipient.forward_path.domain}")
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(message))
            await asyncio.sleep(2)
        assert store.states() == {RecipientState.DELIVERED: 3}
        assert far.sessions == 2

    simulate(run())
