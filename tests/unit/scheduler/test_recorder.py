"""Recording results: DSNs are made on the way, and nothing is given up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.queueing import LANE, NOW, make_message, make_tenant
from tests.support.simulation import OK, REFUSED, SimulatedDirectory, SimulatedStore
from tests.support.virtual_time import simulate

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import Envelope, RecipientOutcome, RecipientState
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.observe.metrics import REGISTRY
from pillarbox.outcome.report import Reporter
from pillarbox.outcome.settle import Tried
from pillarbox.scheduler.recorder import UNSETTLED, Recorder, RecorderTools
from pillarbox.store.records import RecipientRecord, Settlement


class Listener:
    """Whom the recorder tells."""

    def __init__(self) -> None:
        self.told: list[tuple[int, bool]] = []

    def settled(
        self, queue_id: int, records: tuple[RecipientRecord, ...], *, counted: bool
    ) -> None:
        """See Settled."""
        assert records
        self.told.append((queue_id, counted))


class FailingStore(SimulatedStore):
    """Fails so many settlements."""

    failures = 0

    def settle(self, settlement: Settlement) -> "asyncio.Future[bool]":
        """See QueueStore."""
        if not self.failures:
            return super().settle(settlement)
        self.failures -= 1
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        future.set_exception(SpoolUnavailable(SpoolTrouble.AWAY, "gone"))
        return future


@pytest.fixture
def store() -> FailingStore:
    """A store whose lane is ours."""
    store = FailingStore()
    store.owners[LANE] = "me", 1e9
    return store


class Case:
    """A recorder over a store."""

    def __init__(self, store: FailingStore) -> None:
        self.store = store
        self.offered: list[SpooledMessage] = []
        self.listener = Listener()
        reporter = Reporter("me.test", next_id=lambda now: now, lane_of=store.lane_of)
        self.recorder = Recorder(
            RecorderTools(
                store,
                reporter,
                SimulatedDirectory(make_tenant()).tenant,
                lambda: store.trouble,
                self.offered.append,
                lambda: 0.5,
            )
        )

    def record(self, message: SpooledMessage, *, fails: bool = False) -> None:
        """The message was delivered, or it fails."""
        self.record_kept(self.store.keep(message), fails=fails)

    def record_kept(self, message: SpooledMessage, *, fails: bool = False) -> None:
        """The same for one that the store has."""
        state = RecipientState.FAILED if fails else RecipientState.DELIVERED
        numbers = [spooled.recipient.number for spooled in message.recipients]
        tried = Tried(
            message=message,
            recipients=message.recipients,
            outcomes=[
                RecipientOutcome(number, state, REFUSED if fails else OK) for number in numbers
            ],
            tenant=make_tenant(),
            lane_id=LANE,
            owner="me",
            started_at=NOW,
            duration_ms=1,
        )
        self.recorder.record(tried, self.listener)


@asynccontextmanager
async def recording(store: FailingStore) -> AsyncIterator[Case]:
    """A recorder whose task runs."""
    case = Case(store)
    task = asyncio.create_task(case.recorder.run())
    try:
        yield case
    finally:
        task.cancel()


def test_failed_settlement_is_tried_again_and_stays_unsettled(store: FailingStore) -> None:
    """Until it is recorded nobody is told that it is, so its message is not loaded again."""
    store.failures = 1

    async def run() -> None:
        async with recording(store) as case:
            case.record(make_message(queue_id=5))
            await asyncio.sleep(1)
            assert case.listener.told == []
            assert case.recorder.unsettled == 1
            case.recorder.retry_failed()
            await case.recorder.wait_until_idle()
            assert case.listener.told == [(5, True)]

    simulate(run())


def test_report_is_offered_once_it_is_durable(store: FailingStore) -> None:
    """With the header fields read from the store where the content is not in memory."""

    async def run() -> None:
        async with recording(store) as case:
            message = make_message()
            message.content = None
            case.record(message, fails=True)
            assert case.offered == []
            await case.recorder.wait_until_idle()
            (report,) = case.offered
            assert b"Subject: from the store" in (report.content or b"")

    simulate(run())


def test_failures_are_counted_by_their_kind(store: FailingStore) -> None:
    """Once each, when they are recorded; what was delivered is none."""

    def hard() -> float:
        return REGISTRY.get_sample_value("pillarbox_outcome_failures_total", {"kind": "hard"}) or 0

    before = hard()

    async def run() -> None:
        async with recording(store) as case:
            case.record(make_message(queue_id=1))
            case.record(make_message(queue_id=2), fails=True)
            await case.recorder.wait_until_idle()

    simulate(run())

    assert hard() - before == 1


def test_report_on_content_that_is_gone_has_what_is_known(store: FailingStore) -> None:
    """The failure is reported all the same."""

    async def run() -> None:
        async with recording(store) as case:
            message = make_message()
            message.content = None
            store.unreadable = {message.queue_id}
            case.record(message, fails=True)
            await case.recorder.wait_until_idle()
            assert b"Received: here" in (case.offered[0].content or b"")

    simulate(run())


def test_report_waits_for_a_store_that_is_away(store: FailingStore) -> None:
    """It is made when the store is back, once."""

    async def run() -> None:
        async with recording(store) as case:
            message = make_message()
            message.content = None
            store.trouble = SpoolTrouble.AWAY
            case.record(message, fails=True)
            await asyncio.sleep(30)
            assert case.recorder.unsettled == 1
            store.heal()
            await asyncio.sleep(3)
            assert len(case.offered) == 1

    simulate(run())


def test_settlement_that_does_not_count_offers_no_report(store: FailingStore) -> None:
    """The new owner of the lane makes its own."""
    store.owners[LANE] = "other", 1e9

    async def run() -> None:
        async with recording(store) as case:
            case.record(make_message(queue_id=5), fails=True)
            await case.recorder.wait_until_idle()
            assert case.listener.told == [(5, False)]
            assert case.offered == []

    simulate(run())


def test_report_names_nobody_whom_another_owner_has_settled(store: FailingStore) -> None:
    """Of those who still stand where the attempt found them all is recorded and counted, once."""

    def count(name: str, **labels: str) -> float:
        return REGISTRY.get_sample_value(name, labels) or 0

    def counts() -> list[float]:
        return [
            count("pillarbox_outcome_recipients_total", state="failed"),
            count("pillarbox_outcome_dsns_total", kind="failed"),
        ]

    before = counts()

    async def run() -> None:
        async with recording(store) as case:
            message = store.keep(make_message("a@far.example", "b@far.example", queue_id=5))
            store.stored[5][1].state = RecipientState.DELIVERED
            case.record_kept(message, fails=True)
            await case.recorder.wait_until_idle()
            assert case.listener.told == [(5, True)]
            (report,) = case.offered
            assert b"a@far.example" in (report.content or b"")
            assert b"b@far.example" not in (report.content or b"")
            assert store.stored[5][1].state is RecipientState.DELIVERED

    simulate(run())

    assert [after - earlier for after, earlier in zip(counts(), before, strict=True)] == [1, 1]


def test_report_that_nobody_gets_is_told_to_the_operator(
    store: FailingStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once, by its own failure; that of a bounce that somebody else sent is nobody's loss here."""

    async def run() -> None:
        async with recording(store) as case:
            for account_id in (None, 3):
                report = make_message(envelope=Envelope(None))
                report.account_id = account_id
                case.record(report, fails=True)
            delivered = make_message(envelope=Envelope(None))
            delivered.account_id = None
            case.record(delivered)
            await case.recorder.wait_until_idle()

    simulate(run())

    assert capsys.readouterr().err.count("outcome.report_lost") == 1


def test_recorder_closes_when_too_much_is_under_way(store: FailingStore) -> None:
    """And opens when it is recorded."""

    async def run() -> None:
        async with recording(store) as case:
            for _ in range(UNSETTLED):
                assert case.recorder.is_open
                case.record(make_message())
            assert not case.recorder.is_open
            await case.recorder.wait_until_idle()
            assert case.recorder.is_open

    simulate(run())
