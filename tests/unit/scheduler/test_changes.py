"""What people change while mail waits: routes, tenants, and the queue itself."""

import asyncio

import pytest
from tests.support.queueing import HOP, LANE, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.mail.envelope import RecipientState
from pillarbox.route import Capture, Reject, Route, SmartHost, TlsMode, hop_key

NEW = SmartHost("new.far.example", 25, TlsMode.NONE)


def keep_many(store: SimulatedStore, count: int) -> None:
    """Mail that waits since before the start."""
    store.lane(hop_key(HOP))
    for _ in range(count):
        store.keep(make_message())


def test_mail_behind_a_dead_hop_follows_a_new_route(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """The administrator names another smart host: all that waits goes there, at once."""
    far.down = {HOP.host}

    async def run() -> None:
        keep_many(store, 700)
        async with start_worker():
            await asyncio.sleep(60)
            directory.change(make_tenant(Route(1, "", "", NEW)))
            await asyncio.sleep(60)
            assert {one.hop for one in far.deliveries} == {hop_key(NEW)}
            # Those that served as probes keep their own schedule.
            assert len(far.deliveries) > 690
            await asyncio.sleep(600)
        assert set(far.delivered().values()) == {1}
        assert len(far.deliveries) == 700

    simulate(run())


def test_mail_in_memory_follows_a_new_route(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """What is in a ready queue is routed again when its turn comes."""
    far.latency_seconds = 2

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(200):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(5)
            before = len(far.attempts)
            directory.change(make_tenant(Route(1, "", "", NEW)))
            await asyncio.sleep(200)
        hops = [one.hop for one in far.deliveries]
        assert set(far.delivered().values()) == {1}
        assert len(hops) == 200
        assert hops.count(hop_key(HOP)) <= before + 10

    simulate(run())


def test_new_password_of_a_route_is_used_for_waiting_mail(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """The hop is the same, the way to it has changed: new sessions are begun."""
    far.latency_seconds = 1
    mended = SmartHost(HOP.host, HOP.port, HOP.tls, verify=False)

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(100):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(3)
            assert mended not in far.used
            directory.change(make_tenant(Route(1, "", "", mended)))
            await asyncio.sleep(100)
        assert set(far.delivered().values()) == {1}
        assert len(far.deliveries) == 100
        assert mended in far.used

    simulate(run())


@pytest.mark.parametrize(
    ("route", "state"),
    [
        (Route(1, "", "", Reject("No mail to there any more")), RecipientState.FAILED),
        (Route(1, "", "elsewhere.example", HOP), RecipientState.DEFERRED),
    ],
)
def test_mail_without_a_way_fails_or_waits(
    store: SimulatedStore,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
    route: Route,
    state: RecipientState,
) -> None:
    """A rejecting route fails it with a DSN; no route at all may be a mistake, so it waits."""
    directory.change(make_tenant(route))

    async def run() -> None:
        keep_many(store, 1)
        async with start_worker():
            await asyncio.sleep(5)
        assert store.states()[state] == 1
        assert sum(len(one.dsns) for one in store.settlements) == (state is RecipientState.FAILED)

    simulate(run())


def test_report_without_a_way_is_captured(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """A DSN that no route takes goes to the capture lane."""
    directory.change(make_tenant(Route(1, "", "far.example", HOP)))
    far.refuses = {"bob@far.example"}

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(5)
        assert [one.hop for one in far.deliveries] == [hop_key(Capture())]

    simulate(run())


def test_mail_of_a_tenant_that_is_gone_waits(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """It is not delivered by nobody's rules, and not lost either."""
    directory.tenants.clear()

    async def run() -> None:
        keep_many(store, 3)
        async with start_worker():
            await asyncio.sleep(30)
        assert far.deliveries == []
        assert store.states() == {RecipientState.DEFERRED: 3}

    simulate(run())


def test_held_mail_is_not_delivered(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """What a person holds leaves the ready queue; when it is released it goes, once."""
    far.latency_seconds = 3

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(100):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(1)
            held = [found[0] for found in store.stored.values()][50:]
            for recipient in held:
                recipient.state, recipient.next_attempt_at = RecipientState.HELD, None
            store.generation_of_queue += 1
            await asyncio.sleep(120)
            assert len(far.deliveries) == 50
            for recipient in held:
                recipient.state = RecipientState.QUEUED
                recipient.next_attempt_at = recipient.recipient.number + 1
            store.generation_of_queue += 1
            await asyncio.sleep(120)
        assert set(far.delivered().values()) == {1}
        assert len(far.deliveries) == 100

    simulate(run())


@pytest.mark.parametrize("is_down", [False, True])
def test_mail_that_a_person_bounces_goes_back(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker, *, is_down: bool
) -> None:
    """With a DSN, and also behind a dead hop."""
    far.down = {HOP.host} if is_down else set()
    far.latency_seconds = 100

    async def run() -> None:
        keep_many(store, 20)
        async with start_worker():
            await asyncio.sleep(5)
            bounced = [found[0] for found in store.stored.values()][15:]
            for recipient in bounced:
                recipient.must_bounce = True
                recipient.next_attempt_at = 1
            store.generation_of_queue += 1
            await asyncio.sleep(5)
            assert {one.state for one in bounced} == {RecipientState.FAILED}
            assert sum(len(one.dsns) for one in store.settlements) == 5

    simulate(run())


def test_mail_that_a_person_wants_tried_now_is_tried(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Retry moves the next attempt to now, and the owner of the lane hears of it."""

    async def run() -> None:
        async with start_worker() as scheduler:
            message = store.keep(make_message())
            far.busy = {message.queue_id}
            scheduler.offer(message)
            await asyncio.sleep(3)
            far.busy = set()
            store.stored[message.queue_id][0].next_attempt_at = 1
            store.generation_of_queue += 1
            await asyncio.sleep(5)
        assert len(far.deliveries) == 1
        assert LANE not in store.owners

    simulate(run())
