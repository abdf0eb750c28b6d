"""A lane: how many connections there are, and what they may do, in virtual time."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from tests.support.queueing import HOP, make_attempt, make_message
from tests.support.simulation import FarSide, SimulatedCourier, wall
from tests.support.virtual_time import simulate

from pillarbox.delivery.attempt import Attempt
from pillarbox.delivery.courier import AttemptResult, Courier
from pillarbox.delivery.lane import Lane
from pillarbox.delivery.lane_source import LaneTools
from pillarbox.delivery.slots import ConnectionSlots
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.mail.reply import Reply
from pillarbox.route import (
    DAY_SECONDS,
    Counted,
    HopCaps,
    NextHop,
    SmartHost,
    TlsMode,
    Window,
    hop_key,
)

IDLE_SECONDS = 5


class Source:
    """The scheduler's side, as simple as can be."""

    def __init__(self) -> None:
        self.ready: deque[Attempt] = deque()
        self.finished: list[AttemptResult] = []
        self.abandoned: list[Attempt] = []
        self.shuts: list[Reply | None] = []
        self.wants = 0
        self.lanes: list[Lane] = []

    @property
    def waiting(self) -> int:
        """See LaneSource."""
        return len(self.ready)

    def take(self, most_recipients: int) -> Attempt | None:
        """See LaneSource."""
        del most_recipients
        return self.ready.popleft() if self.ready else None

    def reserve(self) -> None:
        """See LaneSource. Durable at once."""
        usage = self.lanes[-1].permits.usage
        usage.grant(usage.plan(asyncio.get_running_loop().time(), ahead=True))
        asyncio.get_running_loop().call_soon(self.lanes[-1].wake_all)

    def put_back(self, attempt: Attempt) -> None:
        """See LaneSource."""
        self.ready.appendleft(attempt)

    def abandon(self, attempt: Attempt) -> None:
        """See LaneSource."""
        self.abandoned.append(attempt)

    def finish(
        self, attempt: Attempt, result: AttemptResult, started_at: Timestamp, duration_ms: int
    ) -> None:
        """See LaneSource."""
        del attempt, started_at, duration_ms
        self.finished.append(result)

    def shut(self, reason: Reply | None) -> None:
        """See LaneSource."""
        self.shuts.append(reason)

    def want(self) -> None:
        """See LaneSource."""
        self.wants += 1


class Bench:
    """Lanes with tasks of their own."""

    def __init__(self, far: FarSide, *, connections: int = 500) -> None:
        loop = asyncio.get_running_loop()
        self.far = far
        self.source = Source()
        self.tasks: list[asyncio.Task[None]] = []
        self.courier_for: Callable[[NextHop], Courier] = far.courier_for
        self.slots = ConnectionSlots(connections)
        self.tools = LaneTools(
            spawn=self._spawn,
            monotonic=loop.time,
            call_at=loop.call_at,
            wall=wall,
            rand=lambda: 0.5,
            courier_for=lambda hop: self.courier_for(hop),
            slots=self.slots,
            idle_seconds=IDLE_SECONDS,
        )

    def _spawn(self, connection: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(connection))

    def lane(self, caps: HopCaps | None = None, *, source: Source | None = None) -> Lane:
        """A lane to HOP."""
        source = source or self.source
        source.lanes.append(Lane(hop_key(HOP), caps or HopCaps(), source, self.tools))
        return source.lanes[-1]

    def put(self, lane: Lane, count: int, *, source: Source | None = None) -> None:
        """So many attempts, one after the other."""
        for _ in range(count):
            (source or self.source).ready.append(make_attempt(make_message()))
            lane.wake()


@pytest.fixture
def far() -> FarSide:
    """The next hop; a connection and a message take 50 ms each."""
    return FarSide()


def test_first_mail_opens_one_connection_and_more_mail_more(far: FarSide) -> None:
    """As long as none stands only one is tried; then they grow with the mail that waits."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        bench.put(lane, 200)
        await asyncio.sleep(0.01)
        assert lane.connections == 1
        await asyncio.sleep(1)
        assert far.most_open == 10
        await asyncio.sleep(5)
        assert len(bench.source.finished) == 200

    simulate(run())


def test_connection_is_reused_for_mail_that_comes_one_by_one(far: FarSide) -> None:
    """No connection for each message, and no second one where one is enough."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        for _ in range(20):
            bench.put(lane, 1)
            await asyncio.sleep(1)
        assert len(bench.source.finished) == 20
        assert far.sessions == 1

    simulate(run())


def test_idle_connections_close_after_a_time(far: FarSide) -> None:
    """Those that are not needed any more, also while one goes on."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        bench.put(lane, 200)
        await asyncio.sleep(3)
        assert far.open == 10
        for _ in range(10):
            bench.put(lane, 1)
            await asyncio.sleep(1)
        assert far.open == 1
        await asyncio.sleep(IDLE_SECONDS + 1)
        assert (far.open, lane.connections) == (0, 0)

    simulate(run())


def test_messages_for_each_connection_are_limited(far: FarSide) -> None:
    """After so many messages a new session is begun."""

    async def run() -> None:
        bench = Bench(far)
        bench.put(bench.lane(HopCaps(connections=1, messages_per_connection=10)), 100)
        await asyncio.sleep(60)
        assert len(bench.source.finished) == 100
        assert (far.sessions, far.most_open) == (10, 1)

    simulate(run())


def test_each_part_of_a_message_counts_as_one_in_its_connection(far: FarSide) -> None:
    """The next hop takes fewer recipients at once: it counts transactions."""

    class InParts(SimulatedCourier):
        async def attempt(self, *args: Any) -> AttemptResult:
            return replace(await super().attempt(*args), transactions=5)

    async def run() -> None:
        bench = Bench(far)
        bench.courier_for = lambda hop: InParts(far, hop)
        bench.put(bench.lane(HopCaps(connections=1, messages_per_connection=10)), 20)
        await asyncio.sleep(60)
        assert (len(bench.source.finished), far.sessions) == (20, 10)

    simulate(run())


def test_no_minute_has_more_messages_than_the_cap(far: FarSide) -> None:
    """30 messages a minute, exactly, and without wasting the allowance."""

    async def run() -> None:
        bench = Bench(far)
        bench.put(bench.lane(HopCaps(windows=(Window(Counted.MESSAGES, 30, 60),))), 100)
        await asyncio.sleep(190)
        times = sorted(one.at for one in far.deliveries)
        assert len(times) == 100
        for start in times:
            assert sum(start <= at < start + 60 for at in times) <= 30

    simulate(run())


def test_recipients_of_24_hours_are_limited(far: FarSide) -> None:
    """The rest goes a day later; meanwhile no mail has to be in memory."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane(HopCaps(windows=(Window(Counted.RECIPIENTS, 40, DAY_SECONDS),)))
        bench.put(lane, 100)
        await asyncio.sleep(60)
        assert len(bench.source.finished) == 40
        assert bench.source.shuts[-1] is None
        assert lane.is_closed
        await asyncio.sleep(86_400)
        assert len(bench.source.finished) == 80

    simulate(run())


def test_error_of_ours_defers_the_recipients(far: FarSide) -> None:
    """Unknown failure means deferred, and the lane goes on."""

    class Broken:
        is_open = False

        async def attempt(self, *_: object) -> AttemptResult:
            raise ZeroDivisionError

        async def close(self) -> None:
            raise ZeroDivisionError

    async def run() -> None:
        bench = Bench(far)
        bench.courier_for = lambda _: Broken()
        bench.put(bench.lane(), 3)
        await asyncio.sleep(10)
        states = [one.outcomes[0].state for one in bench.source.finished]
        assert states == [RecipientState.DEFERRED] * 3

    simulate(run())


def test_attempt_without_readable_content_is_abandoned(far: FarSide) -> None:
    """It was not made; the scheduler decides what becomes of it."""

    async def run() -> None:
        bench = Bench(far)
        attempt = make_attempt(make_message())
        attempt.message.content = None
        bench.source.ready.append(attempt)
        bench.lane().wake()
        await asyncio.sleep(1)
        assert bench.source.abandoned == [attempt]
        assert bench.source.finished == []

    simulate(run())


def test_dead_hop_closes_the_lane_and_asks_for_a_probe(far: FarSide) -> None:
    """One failure is recorded, nothing else is tried until the pause is over."""
    far.down = {HOP.host}

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        bench.put(lane, 10)
        await asyncio.sleep(10)
        assert lane.is_closed
        assert len(bench.source.finished) == 1
        assert bench.source.shuts[0] is not None
        bench.source.ready.clear()
        await asyncio.sleep(10)
        assert not lane.is_closed
        assert lane.is_probing
        assert bench.source.wants == 1

    simulate(run())


def test_slots_are_shared_between_lanes(far: FarSide) -> None:
    """More lanes than connections: each has its turn."""

    async def run() -> None:
        bench = Bench(far, connections=2)
        sources = [Source() for _ in range(6)]
        lanes = [bench.lane(source=source) for source in sources]
        for lane, source in zip(lanes, sources, strict=True):
            bench.put(lane, 100, source=source)
        await asyncio.sleep(12)
        assert far.most_open <= 2
        assert all(source.finished for source in sources)
        await asyncio.sleep(60)
        assert [len(source.finished) for source in sources] == [100] * 6

    simulate(run())


def test_stopped_lane_ends_what_runs_and_begins_nothing(far: FarSide) -> None:
    """Idle connections close at once."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane()
        bench.put(lane, 100)
        await asyncio.sleep(0.5)
        begun = len(far.attempts)
        lane.stop()
        await asyncio.sleep(1)
        assert len(bench.source.finished) == begun == len(far.attempts)
        assert lane.connections == 0
        bench.put(lane, 1)
        await asyncio.sleep(1)
        assert len(far.attempts) == begun

    simulate(run())


def test_session_is_not_shared_by_two_ways_to_a_hop(far: FarSide) -> None:
    """Another password or certificate: another session."""

    async def run() -> None:
        bench = Bench(far)
        lane = bench.lane(HopCaps(connections=1))
        careless = SmartHost(HOP.host, HOP.port, TlsMode.NONE, verify=False)
        for hop in (HOP, careless, careless, HOP):
            bench.source.ready.append(make_attempt(make_message(), next_hop=hop))
        lane.wake()
        await asyncio.sleep(3)
        assert far.used == [HOP, careless, HOP]
        assert len(bench.source.finished) == 4

    simulate(run())


def test_courier_that_never_waits_lets_others_run(far: FarSide) -> None:
    """Capturing thousands of messages does not stop the loop for all of them."""

    class Local:
        is_open = True

        async def attempt(self, *_: object) -> AttemptResult:
            return AttemptResult([])

        async def close(self) -> None:
            pass

    async def run() -> None:
        bench = Bench(far)
        bench.courier_for = lambda _: Local()
        bench.put(bench.lane(HopCaps(connections=1)), 1000)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 0 < len(bench.source.finished) < 100

    with suppress(asyncio.CancelledError):
        simulate(run())
