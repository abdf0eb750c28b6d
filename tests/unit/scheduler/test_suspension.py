"""Next hops that take nothing before somebody changes something: mail waits, and flows on."""

import asyncio
import itertools

import pytest
from tests.support.queueing import HOP, LANE, make_message, make_tenant
from tests.support.simulation import SimulatedDirectory, SimulatedStore, wall
from tests.support.suspending import SAID, RefusingFarSide, SimulatedSuspensions
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.delivery.pacing import FIRST_CLOSED_SECONDS, LONGEST_CLOSED_SECONDS
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.observe import metrics
from pillarbox.retry import RetryPolicy
from pillarbox.route import Route, SmartHost, TlsMode, hop_key

HOUR = 3600


@pytest.fixture
def far() -> RefusingFarSide:
    """The next hop of everybody."""
    return RefusingFarSide()


def _keep(store: SimulatedStore, count: int) -> list[SpooledMessage]:
    """Mail that waits for the hop since before the start."""
    store.lane(hop_key(HOP))
    return [store.keep(make_message("bob@far.example", lane=LANE)) for _ in range(count)]


def _alerts() -> float:
    value = metrics.REGISTRY.get_sample_value("pillarbox_delivery_suspensions_total")
    assert value is not None
    return value


def _are_all_delivered(far: RefusingFarSide, count: int) -> bool:
    delivered = far.delivered()
    return len(delivered) == count and set(delivered.values()) == {1}


@pytest.mark.parametrize("way", ["refuses_logins", "refuses_mail"])
def test_nothing_bounces_and_all_flows_on_when_a_probe_succeeds(
    store: SimulatedStore,
    suspensions: SimulatedSuspensions,
    far: RefusingFarSide,
    start_worker: StartWorker,
    way: str,
) -> None:
    """One alert for all, a reason that people can read, then everything at once."""
    setattr(far, way, True)
    before = _alerts()

    async def run() -> None:
        _keep(store, 100)
        async with start_worker():
            await asyncio.sleep(200)
            assert set(store.states()) == {RecipientState.QUEUED, RecipientState.DEFERRED}
            assert _alerts() == before + 1
            assert suspensions.found[LANE].reply == SAID
            assert suspensions.writes == 1
            setattr(far, way, False)
            await asyncio.sleep(300)
            assert _are_all_delivered(far, 100)
            assert store.states() == {RecipientState.DELIVERED: 100}
            assert not suspensions.found

    simulate(run())


def test_suspended_hop_is_probed_by_single_attempts_at_growing_pauses(
    store: SimulatedStore, far: RefusingFarSide, start_worker: StartWorker
) -> None:
    """As a hop that can not be reached: 15 s at first, 10 minutes at most."""
    far.refuses_logins = True

    async def run() -> None:
        _keep(store, 20)
        async with start_worker():
            await asyncio.sleep(HOUR)
        times = [at for at, _ in far.attempts]
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert pauses[0] > FIRST_CLOSED_SECONDS / 2
        assert all(later > earlier * 1.2 for earlier, later in itertools.pairwise(pauses[:5]))
        assert LONGEST_CLOSED_SECONDS / 2 < pauses[-1] < LONGEST_CLOSED_SECONDS * 1.5

    simulate(run())


def test_one_message_that_is_refused_in_such_words_stops_nobody(
    store: SimulatedStore,
    suspensions: SimulatedSuspensions,
    far: RefusingFarSide,
    start_worker: StartWorker,
) -> None:
    """A server may say "banned" of one message; all others go, and it waits."""
    before = _alerts()

    async def run() -> None:
        messages = _keep(store, 100)
        far.odd = messages[50].queue_id
        async with start_worker():
            await asyncio.sleep(10)
            assert len(far.delivered()) == 99
            assert store.states()[RecipientState.DEFERRED] == 1
        assert _alerts() == before
        assert not suspensions.found

    simulate(run())


def test_probe_that_is_put_off_does_not_end_a_suspension(
    store: SimulatedStore,
    suspensions: SimulatedSuspensions,
    far: RefusingFarSide,
    start_worker: StartWorker,
) -> None:
    """451 shows nothing; the next probe comes after the next pause, not at once."""
    far.refuses_logins = True

    async def run() -> None:
        _keep(store, 20)
        async with start_worker():
            await asyncio.sleep(200)
            far.refuses_logins, far.puts_off = False, True
            tried = len(far.attempts)
            await asyncio.sleep(1800)
            assert 2 <= len(far.attempts) - tried <= 6
            assert LANE in suspensions.found

    simulate(run())


def test_next_owner_begins_with_one_attempt_and_knows_since_when(
    store: SimulatedStore,
    suspensions: SimulatedSuspensions,
    far: RefusingFarSide,
    start_worker: StartWorker,
) -> None:
    """After a restart it is tried at once, by one message, and not told again."""
    far.refuses_logins = True
    before = _alerts()

    async def run() -> None:
        _keep(store, 50)
        async with start_worker("one"):
            await asyncio.sleep(600)
        since = suspensions.found[LANE].since_at
        tried = len(far.attempts)
        async with start_worker("two"):
            await asyncio.sleep(10)
            assert len(far.attempts) == tried + 1
            assert suspensions.found[LANE].since_at == since
            far.refuses_logins = False
            await asyncio.sleep(60)
            assert _are_all_delivered(far, 50)
        assert _alerts() == before + 1

    simulate(run())


def test_changed_route_is_tried_at_once(
    store: SimulatedStore,
    directory: SimulatedDirectory,
    far: RefusingFarSide,
    start_worker: StartWorker,
) -> None:
    """Who corrects the password does not wait for the end of a pause; who changes anything else
    causes no login."""
    far.refuses_logins = True

    async def run() -> None:
        _keep(store, 50)
        async with start_worker():
            await asyncio.sleep(600)
            tried = len(far.attempts)
            directory.change(make_tenant(keep_content_days=3))
            await asyncio.sleep(10)
            assert len(far.attempts) == tried
            far.refuses_logins = False
            better = SmartHost(HOP.host, HOP.port, TlsMode.NONE, password="right")
            directory.change(make_tenant(Route(1, "", "", better)))
            await asyncio.sleep(10)
            assert _are_all_delivered(far, 50)

    simulate(run())


def test_retry_by_a_person_is_tried_at_once(
    store: SimulatedStore, far: RefusingFarSide, start_worker: StartWorker
) -> None:
    """`pillarbox queue retry` moves the generation of the queue."""
    far.refuses_logins = True

    async def run() -> None:
        _keep(store, 50)
        async with start_worker():
            await asyncio.sleep(600)
            far.refuses_logins = False
            store.generation_of_queue += 1
            await asyncio.sleep(10)
            assert _are_all_delivered(far, 50)

    simulate(run())


def test_mail_of_a_suspended_hop_expires_as_any_other(
    store: SimulatedStore,
    directory: SimulatedDirectory,
    far: RefusingFarSide,
    start_worker: StartWorker,
) -> None:
    """A suspension is no reason to keep mail for ever; its report tells the reply."""
    far.refuses_logins = True
    retry = RetryPolicy(give_up_seconds=HOUR, delay_notice_seconds=None)
    directory.change(make_tenant(retry=retry))

    async def run() -> None:
        store.lane(hop_key(HOP))
        for _ in range(20):
            store.keep(make_message("bob@far.example", lane=LANE, received_at=wall()))
        async with start_worker():
            await asyncio.sleep(HOUR - 120)
            assert store.states()[RecipientState.EXPIRED] == 0
            await asyncio.sleep(300)
        assert store.states()[RecipientState.EXPIRED] == 20
        replies = {str(record.reply) for one in store.settlements for record in one.records}
        assert all("535 5.7.139" in text for text in replies)

    simulate(run())
