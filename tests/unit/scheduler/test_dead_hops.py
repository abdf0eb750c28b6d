"""Next hops that are down, hang or want less: they keep their mail to themselves."""

import asyncio
import itertools

import pytest
from tests.support.queueing import HOP, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore, wall
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.delivery.pacing import FIRST_CLOSED_SECONDS
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.retry import RetryPolicy
from pillarbox.route import HopCaps, Route, SmartHost, TlsMode, hop_key, lane_id
from pillarbox.scheduler.walk import WALK_SECONDS

DEAD = SmartHost("dead.far.example", 25, TlsMode.NONE)
DEAD_LANE = lane_id(hop_key(DEAD))
HOUR = 3600


@pytest.fixture(autouse=True)
def _dead_hop(directory: SimulatedDirectory, far: FarSide) -> None:
    """Mail for dead.example goes to a next hop that is down."""
    directory.change(
        make_tenant(Route(1, "", "", HOP), Route(2, "", "dead.example", DEAD, HopCaps()))
    )
    far.down = {DEAD.host}


def is_once(far: FarSide, count: int) -> bool:
    """Whether so many recipients were delivered, each exactly once."""
    delivered = far.delivered()
    return len(delivered) == count and set(delivered.values()) <= {1}


def keep_for_dead(store: SimulatedStore, count: int) -> None:
    """Mail that waits for the dead hop since before the start."""
    store.lane(hop_key(DEAD))
    for _ in range(count):
        store.keep(make_message("bob@dead.example", lane=DEAD_LANE))


@pytest.mark.parametrize("hanging_seconds", [0.0, 30.0])
def test_dead_hop_with_much_mail_does_not_slow_others(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker, hanging_seconds: float
) -> None:
    """Refused or hanging: mail for other hops is delivered at once, memory stays bounded."""
    far.hanging_seconds = hanging_seconds

    async def run() -> None:
        keep_for_dead(store, 3000)
        async with start_worker() as scheduler:
            await asyncio.sleep(10)
            for number in range(500):
                scheduler.offer(store.keep(make_message(received_at=wall())))
                dead = make_message("bob@dead.example", lane=DEAD_LANE, received_at=wall())
                scheduler.offer(store.keep(dead))
                await asyncio.sleep(0.02)
                waiting = number - len(far.deliveries)
                assert waiting < 30
            await asyncio.sleep(1)
        assert is_once(far, 500)
        assert len(far.attempts) < 500 + 20

    simulate(run())


def test_dead_hop_is_probed_with_growing_pauses(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """One attempt at the end of each pause, each pause about twice as long, up to 10 minutes."""

    async def run() -> None:
        keep_for_dead(store, 200)
        async with start_worker():
            await asyncio.sleep(2 * HOUR)
        times = [at for at, _ in far.attempts]
        pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert pauses[0] == pytest.approx(FIRST_CLOSED_SECONDS, abs=1)
        assert pauses[1] == pytest.approx(2 * FIRST_CLOSED_SECONDS, abs=1)
        assert max(pauses) < 660
        assert len(times) < 25

    simulate(run())


def test_one_success_wakes_the_rest(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """When the hop is back, a probe shows it and all mail goes, once."""

    async def run() -> None:
        keep_for_dead(store, 500)
        async with start_worker():
            await asyncio.sleep(600)
            assert far.deliveries == []
            far.down = set()
            await asyncio.sleep(1300)
        assert is_once(far, 500)
        # Those that served as probes among them.
        first = min(one.at for one in far.deliveries)
        assert all(one.at < first + 30 for one in far.deliveries)

    simulate(run())


def test_new_mail_that_goes_through_wakes_what_was_a_probe_for_long(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """After many probes the next attempt of a message is hours away."""

    async def run() -> None:
        keep_for_dead(store, 1)
        async with start_worker() as scheduler:
            await asyncio.sleep(10 * HOUR)
            far.down = set()
            dead = make_message("bob@dead.example", lane=DEAD_LANE, received_at=wall())
            scheduler.offer(store.keep(dead))
            await asyncio.sleep(30)
            assert set(store.states()) == {RecipientState.DELIVERED}

    simulate(run())


def test_a_restart_does_not_forget_what_was_a_probe(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """The next worker has not seen that the hop was down: mail that goes through still wakes what
    waits for hours."""

    async def run() -> None:
        keep_for_dead(store, 1)
        async with start_worker():
            await asyncio.sleep(10 * HOUR)
        far.down = set()
        async with start_worker("another") as scheduler:
            dead = make_message("bob@dead.example", lane=DEAD_LANE, received_at=wall())
            scheduler.offer(store.keep(dead))
            await asyncio.sleep(30)
            assert set(store.states()) == {RecipientState.DELIVERED}

    simulate(run())


def test_what_is_put_off_for_its_own_sake_keeps_its_schedule(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """The hop has seen it, and said when it is to come again: not each time the hop is back."""

    async def run() -> None:
        keep_for_dead(store, 20)
        odd = make_message("bob@dead.example", lane=DEAD_LANE)
        far.busy = {odd.queue_id}
        far.down = set()
        store.keep(odd)
        async with start_worker() as scheduler:
            await asyncio.sleep(HOUR)
            tried = _attempts_of(far, odd)
            far.down = {DEAD.host}
            for _ in range(3):
                dead = make_message("bob@dead.example", lane=DEAD_LANE, received_at=wall())
                scheduler.offer(store.keep(dead))
            await asyncio.sleep(20)
            far.down = set()
            await asyncio.sleep(60)
            assert is_once(far, 23)
            assert _attempts_of(far, odd) == tried

    simulate(run())


def _attempts_of(far: FarSide, message: SpooledMessage) -> int:
    return sum(queue_id == message.queue_id for _, queue_id in far.attempts)


def test_new_mail_for_a_closed_hop_waits_for_the_probe(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """It is not tried at once, and goes when the hop is back."""

    async def run() -> None:
        keep_for_dead(store, 1)
        async with start_worker() as scheduler:
            await asyncio.sleep(5)
            tried = len(far.attempts)
            dead = make_message("bob@dead.example", lane=DEAD_LANE, received_at=wall())
            scheduler.offer(store.keep(dead))
            await asyncio.sleep(1)
            assert len(far.attempts) == tried
            far.down = set()
            await asyncio.sleep(300)
        assert is_once(far, 2)

    simulate(run())


def test_mail_behind_a_dead_hop_is_late_once_and_expires(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """Also what was never tried: its sender hears of the delay and of the end in time."""
    retry = RetryPolicy(give_up_seconds=3 * HOUR, delay_notice_seconds=HOUR)
    directory.change(
        make_tenant(Route(1, "", "", HOP), Route(2, "", "dead.example", DEAD), retry=retry)
    )

    async def run() -> None:
        keep_for_dead(store, 300)
        async with start_worker():
            await asyncio.sleep(HOUR + 5 * WALK_SECONDS)
            assert len(far.deliveries) == 300
            assert store.states()[RecipientState.EXPIRED] == 0
            await asyncio.sleep(HOUR)
            assert len(far.deliveries) == 300
            await asyncio.sleep(HOUR + 5 * WALK_SECONDS)
            assert store.states() == {RecipientState.EXPIRED: 300, RecipientState.DELIVERED: 600}
        reports = [one.message.content or b"" for one in far.deliveries]
        assert sum(b"Action: delayed" in one for one in reports) == 300
        assert sum(b"Status: 4.4.7" in one for one in reports) == 300

    simulate(run())


def test_tenant_with_a_short_limit_expires_by_its_own(
    store: SimulatedStore, directory: SimulatedDirectory, start_worker: StartWorker
) -> None:
    """Behind the same dead hop each tenant's own limit counts."""
    short = RetryPolicy(give_up_seconds=HOUR, delay_notice_seconds=None)
    directory.change(
        make_tenant(
            Route(1, "", "", HOP), Route(2, "", "dead.example", DEAD), tenant_id=2, retry=short
        )
    )

    async def run() -> None:
        keep_for_dead(store, 250)
        hasty = make_message("bob@dead.example", lane=DEAD_LANE, tenant_id=2)
        store.keep(hasty)
        async with start_worker():
            await asyncio.sleep(HOUR + 5 * WALK_SECONDS)
            (recipient,) = store.stored[hasty.queue_id]
            assert recipient.state is RecipientState.EXPIRED
            assert store.states()[RecipientState.EXPIRED] == 1

    simulate(run())


def test_hop_that_wants_fewer_connections_gets_fewer(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """A refused further connection costs no message its turn and closes nothing."""
    far.most_connections = 3

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(1000):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(60)
        assert is_once(far, 1000)
        assert far.most_open == 3
        assert {each.attempts for found in store.stored.values() for each in found} == {1}

    simulate(run())


def test_hop_that_throttles_gets_less(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Connections are halved with a pause; when it is content they grow again."""
    far.throttled = True

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(1000):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(20)
            slow = len(far.deliveries)
            assert slow < 200
            assert far.open <= 1
            far.throttled = False
            await asyncio.sleep(120)
        assert is_once(far, 1000)

    simulate(run())
