"""What follows from an attempt: for each recipient the state to record, when it is tried again,
and what its sender is told. Decides only; pillarbox.outcome.report makes the DSN, the store
records.

RFC 5321 section 6.1: a message that was accepted is delivered, or its sender is told; and section
4.5.5: nobody is told of a message whose reverse-path is null.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from pillarbox.explain.replies import explain_text
from pillarbox.mail.dsn_words import Action, ReportedRecipient
from pillarbox.mail.envelope import (
    Notify,
    RecipientOutcome,
    RecipientState,
    Timestamp,
)
from pillarbox.mail.reply import Reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.oauth.clouds import GRAPH_HOSTS
from pillarbox.retry import delay_notice_at, give_up_at, next_attempt
from pillarbox.store.records import RecipientRecord, Settlement, Tenant

CAPTURED_DAYS = 7
"""Captured mail stays at least so long: somebody is to look at it."""

DEAD_LETTER_DAYS = 7
"""Mail that nobody can be told of stays at least so long: an operator is to look at it."""

NO_OUTCOME = Reply(451, "4.3.0", ("The attempt ended without a result; it is tried again",))

_DAY_MS = 86_400_000


_DEFERRED, _DELIVERED = RecipientState.DEFERRED, RecipientState.DELIVERED
_EXPIRED, _FAILED = RecipientState.EXPIRED, RecipientState.FAILED
_SUCCESS = Notify.SUCCESS
_BY_DEFAULT = frozenset({Notify.FAILURE, Notify.DELAY})
_UNGIVEN = Notify.DEFAULT


@dataclass(slots=True)
class Tried:
    """An attempt as it ended: what was tried for whom, and what came of it. (Not frozen, for
    speed: one is made for each attempt.)

    `is_attempt` False: nothing was tried, the outcomes were decided on our side (an expiry, a
    delay notice, a verdict of a person).
    """

    message: SpooledMessage
    recipients: Sequence[SpooledRecipient]
    outcomes: Sequence[RecipientOutcome]
    tenant: Tenant
    lane_id: int
    owner: str
    started_at: Timestamp
    duration_ms: int
    is_attempt: bool = True

    @property
    def finished_at(self) -> Timestamp:
        """The end of the attempt."""
        return self.started_at + self.duration_ms


@dataclass(slots=True)
class Judgement:
    """What is to be recorded, and which recipients the sender is told of (none: no DSN). (Not
    frozen, for speed.)"""

    records: tuple[RecipientRecord, ...]
    reported: tuple[ReportedRecipient, ...]
    keep_content_until: Timestamp | None
    has_expired: bool = False
    has_failed: bool = False


def wants_report(notify: Notify, occasion: Notify) -> bool:
    """Whether the sender is told on this occasion (RFC 3461 section 4.1).

    Without NOTIFY failures and delays are reported; NEVER silences everything.
    """
    if notify is _UNGIVEN:
        return occasion in _BY_DEFAULT
    return bool(notify & occasion) and not notify & Notify.NEVER


def is_notice_time(tenant: Tenant, message: SpooledMessage, now: Timestamp) -> bool:
    """Whether the moment of the delay notice has come for those who want one."""
    notice_at = delay_notice_at(tenant.retry, message.received_at)
    return notice_at is not None and now >= notice_at


def judge(tried: Tried, rand: float) -> Judgement:
    """Decide on each recipient. `rand` (0 to 1) is the jitter of all of them, so that they come
    back together."""
    recipients, outcomes = tried.recipients, tried.outcomes
    records = []
    reported = []
    has_expired = has_failed = False
    tells = tried.message.envelope.reverse_path is not None
    if len(outcomes) == len(recipients) == 1:
        pairs = [(recipients[0], outcomes[0])]
    else:
        by_number = {outcome.number: outcome for outcome in outcomes}
        pairs = [
            (spooled, by_number.get(spooled.recipient.number) or _unknown(spooled))
            for spooled in recipients
        ]
    for spooled, outcome in pairs:
        state, at, notified = outcome.state, None, spooled.delay_notified
        attempts = spooled.attempts + tried.is_attempt
        if state is _DEFERRED:
            state, at, notified = _deferred(tried, spooled, attempts, rand)
        said = outcome.reply, outcome.remote_host, outcome.tls
        record = RecipientRecord(outcome.number, state, at, attempts, *said, notified)
        records.append(record)
        if state is _DELIVERED and spooled.recipient.notify is _UNGIVEN:
            # Nearly all mail: nobody wants to be told.
            continue
        has_expired |= state is _EXPIRED
        has_failed |= state is _FAILED
        entry = _reported(tried, spooled, outcome, record) if tells else None
        if entry is not None:
            reported.append(entry)
    keep_until = _keep_until(tried, records)
    return Judgement(tuple(records), tuple(reported), keep_until, has_expired, has_failed)


def narrowed(judgement: Judgement, numbers: Collection[int]) -> Judgement:
    """The same for these recipients alone."""
    return replace(
        judgement,
        records=tuple(one for one in judgement.records if one.number in numbers),
        reported=tuple(one for one in judgement.reported if one.recipient.number in numbers),
    )


def settlement_of(
    tried: Tried, judgement: Judgement, dsns: tuple[SpooledMessage, ...] = ()
) -> Settlement:
    """What the store has to record."""
    message = tried.message
    return Settlement(
        queue_id=message.queue_id,
        lane_id=tried.lane_id,
        owner=tried.owner,
        started_at=tried.started_at,
        duration_ms=tried.duration_ms,
        finished_at=tried.started_at + tried.duration_ms,
        records=judgement.records,
        keep_content_until=judgement.keep_content_until,
        dsns=dsns,
        attempt=tried.is_attempt,
        may_have_file=message.chunks > 1 or message.content is None,
    )


def _unknown(spooled: SpooledRecipient) -> RecipientOutcome:
    """What is unknown counts as deferred: better twice than not at all."""
    return RecipientOutcome(spooled.recipient.number, RecipientState.DEFERRED, NO_OUTCOME)


def _deferred(
    tried: Tried, spooled: SpooledRecipient, attempts: int, rand: float
) -> tuple[RecipientState, Timestamp | None, bool]:
    """The state of a recipient who was deferred, when it is tried again, and whether its sender has
    been told of the delay by then."""
    notified = spooled.delay_notified
    at = _try_again_at(tried, spooled, attempts, rand)
    if at is None:
        return _EXPIRED, None, notified
    told_now = notified or is_notice_time(tried.tenant, tried.message, tried.finished_at)
    return _DEFERRED, at, told_now


def _try_again_at(
    tried: Tried, spooled: SpooledRecipient, attempts: int, rand: float
) -> Timestamp | None:
    """When the recipient is tried again; None: it has expired."""
    policy = tried.tenant.retry
    received_at = tried.message.received_at
    now = tried.finished_at
    if not tried.is_attempt:
        # Nothing was tried, so nothing moves: it only may be over.
        is_over = now >= give_up_at(policy, received_at)
        return None if is_over else spooled.next_attempt_at or now
    at = next_attempt(policy, now=now, received_at=received_at, attempts=attempts, rand=rand)
    notice_at = delay_notice_at(policy, received_at)
    if at is None or notice_at is None or not now < notice_at < at or spooled.delay_notified:
        return at
    # The notice is about this moment, so the recipient is tried then: it may not be needed.
    return notice_at


def _reported(
    tried: Tried, spooled: SpooledRecipient, outcome: RecipientOutcome, record: RecipientRecord
) -> ReportedRecipient | None:
    """What the sender is told of this recipient; None: nothing."""
    notify = spooled.recipient.notify
    is_delivered = record.state is _DELIVERED
    # RFC 3461 section 5.2.2: where the next hop does not take over, the sender who asked for
    # success is told that the message was relayed.
    if is_delivered and (outcome.relayed_dsn or not wants_report(notify, _SUCCESS)):
        return None
    match record.state:
        case RecipientState.DELIVERED:
            action = Action.RELAYED
        case RecipientState.CAPTURED:
            if not wants_report(notify, Notify.SUCCESS):
                return None
            action = Action.DELIVERED
        case RecipientState.FAILED | RecipientState.EXPIRED:
            if not wants_report(notify, Notify.FAILURE):
                return None
            action = Action.FAILED
        case _:
            if record.delay_notified is spooled.delay_notified:
                return None
            if not wants_report(notify, Notify.DELAY):
                return None
            action = Action.DELAYED
    cause, fix = explained(record.reply)
    return ReportedRecipient(
        recipient=spooled.recipient,
        action=action,
        reply=record.reply,
        remote_host=record.remote_host,
        attempted_at=tried.started_at if tried.is_attempt else None,
        retry_until=_retry_until(tried) if action is Action.DELAYED else None,
        is_expired=record.state is RecipientState.EXPIRED,
        cause=cause,
        fix=fix,
        speaks_smtp=record.remote_host not in GRAPH_HOSTS,
    )


def _retry_until(tried: Tried) -> Timestamp:
    return give_up_at(tried.tenant.retry, tried.message.received_at)


def explained(reply: Reply) -> tuple[str, str]:
    """Cause and fix, where more is known of a reply than what its code means at every server: the
    report has words of its own for that."""
    found = explain_text(str(reply))
    if found is None or not (found.provider or found.suspends):
        return "", ""
    return found.cause, found.fix


def _keep_until(tried: Tried, records: Sequence[RecipientRecord]) -> Timestamp | None:
    """How long the content stays when the last recipient is final; None: no longer."""
    days = tried.tenant.keep_content_days
    for record in records:
        if record.state is _DELIVERED:
            continue
        match record.state:
            case RecipientState.CAPTURED:
                days = max(days, CAPTURED_DAYS)
            case RecipientState.FAILED | RecipientState.EXPIRED:
                if tried.message.envelope.reverse_path is None:
                    days = max(days, DEAD_LETTER_DAYS)
            case _:
                pass
    return tried.finished_at + days * _DAY_MS if days else None
