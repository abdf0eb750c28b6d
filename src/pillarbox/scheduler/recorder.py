"""Records what came of attempts, and says whether there may be more.

Results are not awaited by the connections: they join the next group commit. But while they can
not be recorded, or too many are on their way, nothing new is delivered; else a crash would make
all of it be delivered twice.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol, TypeAlias

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.explain.replies import ReplyContext, bounce_of
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.identifier import format_id
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.outcome.report import Reporter, needed_octets, report_kind
from pillarbox.outcome.settle import (
    Judgement,
    Tried,
    explained,
    judge,
    narrowed,
    settlement_of,
)
from pillarbox.scheduler.stores import QueueStore
from pillarbox.store.records import OvertakenError, RecipientRecord, Settlement, Tenant

UNSETTLED = 1000
"""Results on their way to the store; beyond it nothing new is delivered."""

UNSETTLED_WHEN_FULL = 10
"""The same while the disk is nearly full: results still fit into the reserve, for a while."""

REPORT_OCTETS = 16 * 1024 * 1024
"""DSNs on their way to the store."""

_RETRY_SECONDS = 1.0


class Settled(Protocol):
    """Who wants to know that a result is durable."""

    def settled(
        self, queue_id: int, records: tuple[RecipientRecord, ...], *, counted: bool
    ) -> None:
        """`counted` False: the lane is not ours any more, or the recipients have changed."""
        ...


_Waiting: TypeAlias = tuple[Tried, Judgement, Settled]
"""A result, and who wants to know that it is durable."""


def watch_nothing(tried: Tried, judgement: Judgement) -> None:
    """Nobody wants to know what becomes of mail."""


@dataclass(frozen=True, slots=True)
class RecorderTools:
    """What a recorder works with. `tenant_of` gives a tenant as it is now; `trouble`: why the
    spool takes nothing; `offer` takes DSNs; `watch` is told each result."""

    spool: QueueStore
    reporter: Reporter
    tenant_of: Callable[[int], Awaitable[Tenant | None]]
    trouble: Callable[[], SpoolTrouble | None]
    offer: Callable[[SpooledMessage], None]
    rand: Callable[[], float]
    watch: Callable[[Tried, Judgement], None] = watch_nothing


class Recorder:
    """One for each worker. `run` is its task: it makes the DSNs."""

    def __init__(self, tools: RecorderTools) -> None:
        self._tools = tools
        self._unsettled = 0
        self._report_octets = 0
        self._reports: deque[_Waiting] = deque()
        self._has_reports = asyncio.Event()
        self._failed: list[tuple[Settlement, _Waiting]] = []
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @property
    def unsettled(self) -> int:
        """Results that are not durable yet."""
        return self._unsettled

    @property
    def trouble(self) -> SpoolTrouble | None:
        """Why the spool takes nothing now."""
        return self._tools.trouble()

    @property
    def is_open(self) -> bool:
        """Whether what is delivered now can be recorded."""
        if self._unsettled >= UNSETTLED or self._report_octets >= REPORT_OCTETS:
            return False
        trouble = self._tools.trouble()
        if trouble is None:
            return True
        return trouble is SpoolTrouble.FULL and self._unsettled < UNSETTLED_WHEN_FULL

    def record(self, tried: Tried, settled: Settled) -> None:
        """Judge an attempt and have it recorded; `settled` is told when that is done."""
        if not self._unsettled:
            self._is_idle.clear()
        self._unsettled += 1
        judgement = judge(tried, self._tools.rand())
        self._tools.watch(tried, judgement)
        if not tried.is_attempt or judgement.has_expired:
            _note_decision(tried, judgement)
        self._take_up((tried, judgement, settled))

    def _take_up(self, waiting: _Waiting) -> None:
        tried, judgement, _ = waiting
        if judgement.reported:
            self._reports.append(waiting)
            self._has_reports.set()
        else:
            self._submit(settlement_of(tried, judgement), waiting)

    async def wait_until_idle(self) -> None:
        """Wait until every result is durable."""
        await self._is_idle.wait()

    def retry_failed(self) -> None:
        """Try again to record what could not be recorded."""
        if self._failed and self._tools.trouble() is None:
            failed, self._failed = self._failed, []
            for settlement, waiting in failed:
                self._submit(settlement, waiting)

    async def run(self) -> None:
        """Make the DSNs of attempts that need one."""
        while True:
            await self._has_reports.wait()
            waiting = self._reports[0]
            tried, judgement, _ = waiting
            try:
                dsns: tuple[SpooledMessage, ...] = (await self._report(tried, judgement),)
            except SpoolUnavailable:
                # The content can not be read now; nothing else can be done meanwhile either.
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            except Exception:
                # A DSN must not keep the result from being recorded.
                log.exception("outcome.report_failed", queue_id=format_id(tried.message.queue_id))
                metrics.TASK_FAILURES.inc()
                dsns = ()
            self._reports.popleft()
            if not self._reports:
                self._has_reports.clear()
            self._submit(settlement_of(tried, judgement, dsns), waiting)

    async def _report(self, tried: Tried, judgement: Judgement) -> SpooledMessage:
        original = await self._original(tried.message)
        # Its routes may have changed since the attempt began.
        tenant = await self._tools.tenant_of(tried.message.tenant_id) or tried.tenant
        return self._tools.reporter.report(replace(tried, tenant=tenant), judgement, original)

    async def _original(self, message: SpooledMessage) -> bytes:
        """The beginning of the message, as much as a report needs."""
        content = message.content
        wanted = needed_octets(message) - len(message.prefix)
        if content is None:
            content = b""
            if wanted > 0 and message.chunks:
                try:
                    content = await self._tools.spool.read_chunk(message.queue_id, 0)
                except SpoolUnavailable:
                    if self._tools.trouble() is not None:
                        raise
                    # The content is gone; the report gives back what is known of the message.
        return message.prefix + content[: max(wanted, 0)]

    def _submit(self, settlement: Settlement, waiting: _Waiting) -> None:
        if settlement.dsns:
            self._report_octets += _octets(settlement)
        future = self._tools.spool.settle(settlement)
        future.add_done_callback(partial(self._recorded, settlement, waiting))

    def _recorded(
        self, settlement: Settlement, waiting: _Waiting, future: "asyncio.Future[bool]"
    ) -> None:
        if settlement.dsns:
            self._report_octets -= _octets(settlement)
        if future.cancelled():
            return
        error = future.exception()
        if error is not None:
            self._not_recorded(settlement, waiting, error)
            return
        self._unsettled -= 1
        if not self._unsettled:
            self._is_idle.set()
        counted = future.result()
        tried, judgement, settled = waiting
        if counted:
            _count_records(settlement.records)
            if tried.message.account_id is None:
                _note_lost_report(tried, settlement.records)
        settled.settled(settlement.queue_id, settlement.records, counted=counted)
        if counted:
            for dsn in settlement.dsns:
                _note_report(tried, judgement, dsn)
                self._tools.offer(dsn)

    def _not_recorded(
        self, settlement: Settlement, waiting: _Waiting, error: BaseException
    ) -> None:
        """It stays unsettled: its recipients are not tried again before it is recorded."""
        if isinstance(error, OvertakenError):
            # The sender is told by somebody else of those who stand elsewhere by now.
            tried, judgement, settled = waiting
            self._take_up((tried, narrowed(judgement, error.standing), settled))
            return
        if not isinstance(error, SpoolUnavailable):
            queue_id = format_id(settlement.queue_id)
            log.error("outcome.settle_failed", queue_id=queue_id, exc_info=error)
        self._failed.append((settlement, waiting))


_FAILURES = frozenset({RecipientState.FAILED, RecipientState.EXPIRED})


def _count_records(records: tuple[RecipientRecord, ...]) -> None:
    for record in records:
        if record.state.is_final:
            metrics.RECIPIENTS_BY_STATE[record.state].value += 1
        if record.state in _FAILURES:
            kind = bounce_of(record.reply, ReplyContext(host=record.remote_host))
            metrics.FAILURES.labels(kind.value).inc()


def _octets(settlement: Settlement) -> int:
    return sum(dsn.size_octets for dsn in settlement.dsns)


def _note_decision(tried: Tried, judgement: Judgement) -> None:
    """Log what an attempt does not show: an expiry, or a decision without an attempt."""
    states = Counter(record.state for record in judgement.records)
    log.info(
        "outcome.decided",
        queue_id=format_id(tried.message.queue_id),
        tenant=tried.tenant.name,
        states=",".join(f"{state.value}:{count}" for state, count in states.items()),
        reply=str(judgement.records[0].reply),
    )


def _note_report(tried: Tried, judgement: Judgement, dsn: SpooledMessage) -> None:
    """Count and log a report that is durable."""
    kind = report_kind(judgement)
    metrics.DSNS_BY_KIND[kind].inc()
    log.info(
        "outcome.reported",
        queue_id=format_id(tried.message.queue_id),
        dsn_id=format_id(dsn.queue_id),
        kind=kind,
        recipients=len(judgement.reported),
    )


def _note_lost_report(tried: Tried, records: tuple[RecipientRecord, ...]) -> None:
    """Tell the operator of a report of ours that nobody gets: its sender is nobody, so whoever
    waits for it learns nothing, and as a rule all others are refused, too."""
    lost = next((record for record in records if record.state in _FAILURES), None)
    if lost is None or tried.message.envelope.reverse_path is not None:
        return
    cause, fix = explained(lost.reply)
    log.warning(
        "outcome.report_lost",
        queue_id=format_id(tried.message.queue_id),
        tenant=tried.tenant.name,
        reply=str(lost.reply),
        cause=cause,
        fix=fix,
    )


_ONE_OUTCOME = {
    state: (f"{state.value}:1", metrics.ATTEMPTS_BY_STATE[state]) for state in RecipientState
}


def note_attempt(tried: Tried, hop: str) -> None:
    """Count and log an attempt: one line, whatever the number of recipients."""
    outcomes = tried.outcomes
    if not outcomes:
        return
    first = outcomes[0]
    if len(outcomes) == 1:
        states, counter = _ONE_OUTCOME[first.state]
        counter.value += 1
    else:
        counts = Counter(outcome.state for outcome in outcomes)
        for state, count in counts.items():
            metrics.ATTEMPTS_BY_STATE[state].value += count
        states = ",".join(f"{state.value}:{count}" for state, count in counts.items())
    metrics.ATTEMPT_SECONDS.observe(tried.duration_ms / 1000)
    log.info(
        "delivery.attempt",
        queue_id=format_id(tried.message.queue_id),
        tenant=tried.tenant.name,
        next_hop=hop,
        states=states,
        reply=str(first.reply),
        remote_host=first.remote_host,
        tls=first.tls,
        duration_ms=tried.duration_ms,
    )
