"""The scheduler as a whole, in virtual time: accepted mail reaches its end, once."""

import asyncio
from collections.abc import Collection

import pytest
from tests.support.queueing import HOP, LANE, make_message, make_tenant
from tests.support.simulation import FarSide, SimulatedDirectory, SimulatedStore, wall
from tests.support.virtual_time import simulate
from tests.unit.scheduler.conftest import StartWorker

from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.route import HopCaps, Route, SmartHost, TlsMode, hop_key, lane_id

OTHER = SmartHost("other.far.example", 25, TlsMode.NONE)
OTHER_LANE = lane_id(hop_key(OTHER))
TWO_HOPS = (Route(1, "", "", HOP), Route(2, "", "other.example", OTHER))
HOUR = 3600


def is_once(far: FarSide, count: int) -> bool:
    """Whether so many recipients were delivered, each exactly once."""
    delivered = far.delivered()
    return len(delivered) == count and set(delivered.values()) <= {1}


def test_offered_message_is_delivered_at_once(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """From the commit to the next hop without a poll."""

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(0.5)
            assert len(far.deliveries) == 1
            assert store.states() == {RecipientState.DELIVERED: 1}

    simulate(run())


def test_burst_beyond_memory_is_delivered_once(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """What does not fit into the ready queue waits in the store and is loaded; nothing is lost
    or doubled."""

    async def run() -> None:
        async with start_worker(ready_messages=50) as scheduler:
            for number in range(2000):
                scheduler.offer(store.keep(make_message(received_at=wall())))
                if number % 100 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(60)
        assert is_once(far, 2000)

    simulate(run())


def test_what_was_read_before_its_delivery_is_not_sent_again(
    store: SimulatedStore,
    far: FarSide,
    start_worker: StartWorker,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The store is slow to tell what is due; meanwhile the message was offered, delivered and
    recorded."""
    load_due = store.load_due

    async def load_slowly(
        lane: int, *, now: Timestamp, limit: int, exclude: Collection[int] = ()
    ) -> list[SpooledMessage]:
        found = await load_due(lane, now=now, limit=limit, exclude=exclude)
        await asyncio.sleep(5)
        return found

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(1)
            monkeypatch.setattr(store, "load_due", load_slowly)
            message = store.keep(make_message())
            scheduler.wake(LANE)
            await asyncio.sleep(1)
            scheduler.offer(message)
            await asyncio.sleep(20)
        assert is_once(far, 2)

    simulate(run())


def test_recipients_of_one_message_and_hop_form_one_attempt(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Up to 100 recipients go in one transaction (RFC 5321 4.5.3.1.8), more in several."""

    async def run() -> None:
        async with start_worker() as scheduler:
            addresses = [f"r{number}@far.example" for number in range(250)]
            scheduler.offer(store.keep(make_message(*addresses)))
            await asyncio.sleep(10)
        assert is_once(far, 250)
        assert len(far.attempts) == 3

    simulate(run())


def test_recipients_of_different_hops_go_apart(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """Each next hop gets its own recipients of a message."""
    directory.change(make_tenant(*TWO_HOPS))

    async def run() -> None:
        async with start_worker() as scheduler:
            message = make_message("a@far.example", "b@other.example", "c@far.example")
            message.recipients[1].lane_id = OTHER_LANE
            scheduler.offer(store.keep(message))
            await asyncio.sleep(10)
        assert is_once(far, 3)
        assert {(one.number, one.hop) for one in far.deliveries} == {
            (0, hop_key(HOP)),
            (2, hop_key(HOP)),
            (1, hop_key(OTHER)),
        }

    simulate(run())


def test_recipient_that_is_put_off_does_not_hold_up_others(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """A 4yz reply to one message defers that message, and it is tried again in time."""

    async def run() -> None:
        async with start_worker() as scheduler:
            messages = [store.keep(make_message()) for _ in range(10)]
            far.busy = {messages[3].queue_id}
            for message in messages:
                scheduler.offer(message)
            await asyncio.sleep(5)
            assert is_once(far, 9)
            far.busy = set()
            await asyncio.sleep(90)
        assert is_once(far, 10)
        assert store.stored[messages[3].queue_id][0].attempts == 2

    simulate(run())


def test_deferred_recipient_expires_with_a_report(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """After two days of trying the sender is told; the delay was reported once before."""

    async def run() -> None:
        async with start_worker() as scheduler:
            message = store.keep(make_message())
            far.busy = {message.queue_id}
            scheduler.offer(message)
            await asyncio.sleep(49 * HOUR)
            (recipient,) = store.stored[message.queue_id]
            assert recipient.state is RecipientState.EXPIRED
            reports = [one.message for one in far.deliveries]
            assert [one.envelope.reverse_path for one in reports] == [None, None]
            assert b"late" in (reports[0].content or b"")
            assert b"4.4.7" in (reports[1].content or b"")

    simulate(run())


def test_refused_recipient_is_reported_to_the_sender(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """One DSN for all recipients that failed, delivered as mail of the same tenant."""

    async def run() -> None:
        far.refuses = {"no1@far.example", "no2@far.example"}
        async with start_worker() as scheduler:
            message = make_message("no1@far.example", "yes@far.example", "no2@far.example")
            scheduler.offer(store.keep(message))
            await asyncio.sleep(5)
        (report,) = [one.message for one in far.deliveries if one.message is not message]
        assert report.recipients[0].recipient.forward_path.address == "ann@here.example"
        assert (report.content or b"").count(b"Action: failed") == 2
        assert store.states() == {RecipientState.FAILED: 2, RecipientState.DELIVERED: 2}

    simulate(run())


def test_report_that_fails_is_not_reported(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """RFC 5321 6.1: the double bounce ends as a dead letter, no mail about mail about mail."""

    async def run() -> None:
        far.refuses = {"bob@far.example", "ann@here.example"}
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(5)
        assert store.states() == {RecipientState.FAILED: 2}
        assert store.settlements[-1].keep_content_until is not None

    simulate(run())


def test_content_beyond_the_memory_is_read_from_the_store(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Much mail for a slow hop does not fill the memory: its content is dropped and read later."""

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(200):
                scheduler.offer(store.keep(make_message(content=b"x" * 250_000)))
            await asyncio.sleep(0.01)
            held = [one for one in store.messages.values() if one.content is not None]
            assert sum(len(one.content or b"") for one in held) <= 32 * 1024 * 1024
            await asyncio.sleep(60)
        assert is_once(far, 200)

    simulate(run())


def test_drain_lets_running_attempts_end_and_gives_lanes_back(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """After SIGTERM nothing begins any more; what runs is recorded; others can go on at once."""
    far.latency_seconds = 5

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(50):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(11)
        begun = len(far.attempts)
        assert store.owners == {}
        assert store.states()[RecipientState.DELIVERED] == len(far.deliveries) == begun < 50
        async with start_worker("next"):
            await asyncio.sleep(300)
        assert is_once(far, 50)

    simulate(run())


def test_attempt_that_outlasts_the_drain_is_made_again(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """A session that is cut off without a result counts as not tried."""
    far.latency_seconds = 100

    async def run() -> None:
        async with start_worker(drain_seconds=10) as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(1)
        assert store.states() == {RecipientState.QUEUED: 1}
        far.latency_seconds = 1
        async with start_worker("next"):
            await asyncio.sleep(30)
        assert is_once(far, 1)

    simulate(run())


def test_mail_of_a_worker_that_died_is_taken_over(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Its lane is free when the lease has ended; then its mail is delivered."""

    async def run() -> None:
        for _ in range(30):
            store.keep(make_message())
        store.lane(hop_key(HOP))
        assert await store.claim(hop_key(HOP), owner="dead", lease_ms=15_000)
        async with start_worker():
            await asyncio.sleep(10)
            assert far.deliveries == []
            await asyncio.sleep(20)
        assert is_once(far, 30)

    simulate(run())


def test_two_workers_deliver_once(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Mail that a worker accepts for a lane of another is left to its owner."""

    async def run() -> None:
        async with start_worker("first") as first, start_worker("second") as second:
            for _ in range(100):
                first.offer(store.keep(make_message(received_at=wall())))
                second.offer(store.keep(make_message(received_at=wall())))
                await asyncio.sleep(0.05)
            await asyncio.sleep(120)
        assert is_once(far, 200)

    simulate(run())


def test_lane_without_mail_is_given_back(
    store: SimulatedStore, far: FarSide, start_worker: StartWorker
) -> None:
    """Another worker that has mail for it can take it; new mail claims it again."""

    async def run() -> None:
        async with start_worker() as scheduler:
            scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(5)
            assert LANE in store.owners
            await asyncio.sleep(300)
            assert LANE not in store.owners
            assert far.open == 0
            scheduler.offer(store.keep(make_message(received_at=wall())))
            await asyncio.sleep(5)
        assert is_once(far, 2)

    simulate(run())


def test_caps_of_the_route_hold(
    store: SimulatedStore,
    far: FarSide,
    directory: SimulatedDirectory,
    start_worker: StartWorker,
) -> None:
    """Connections, and messages for each of them, as the route says."""
    directory.change(
        make_tenant(Route(1, "", "", HOP, HopCaps(connections=3, messages_per_connection=10)))
    )

    async def run() -> None:
        async with start_worker() as scheduler:
            for _ in range(300):
                scheduler.offer(store.keep(make_message()))
            await asyncio.sleep(120)
        assert is_once(far, 300)
        assert far.most_open == 3
        assert far.sessions >= 30

    simulate(run())
