"""What follows from an attempt."""

import pytest
from tests.support.queueing import LANE, NOW, make_message, make_tenant

from pillarbox.mail.dsn_words import Action
from pillarbox.mail.envelope import Envelope, Notify, RecipientOutcome, RecipientState
from pillarbox.mail.reply import Reply, reply
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.outcome.settle import (
    CAPTURED_DAYS,
    DEAD_LETTER_DAYS,
    Judgement,
    Tried,
    judge,
    settlement_of,
    wants_report,
)
from pillarbox.retry import RetryPolicy

OK = reply(250, "2.0.0", "Queued")
BUSY = reply(451, "4.3.0", "Try later")
NO_USER = reply(550, "5.1.1", "No such user")
HOUR = 3_600_000
DAY = 24 * HOUR


def outcome(
    state: RecipientState, answer: Reply, *, number: int = 0, relayed_dsn: bool = False
) -> RecipientOutcome:
    """One outcome as a courier gives it."""
    return RecipientOutcome(number, state, answer, "mx.far.example", "TLSv1.3", relayed_dsn)


def tried(
    message: SpooledMessage,
    *outcomes: RecipientOutcome,
    after: int = 0,
    keep_content_days: int = 0,
    retry: RetryPolicy | None = None,
    is_attempt: bool = True,
) -> Tried:
    """An attempt that ended `after` milliseconds since reception."""
    return Tried(
        message=message,
        recipients=message.recipients,
        outcomes=outcomes,
        tenant=make_tenant(keep_content_days=keep_content_days, retry=retry),
        lane_id=LANE,
        owner="me",
        started_at=NOW + after - 100,
        duration_ms=100,
        is_attempt=is_attempt,
    )


def actions(judgement: Judgement) -> list[Action]:
    """What the sender is told."""
    return [entry.action for entry in judgement.reported]


DELIVERED = outcome(RecipientState.DELIVERED, OK)
DEFERRED = outcome(RecipientState.DEFERRED, BUSY)
FAILED = outcome(RecipientState.FAILED, NO_USER)
CAPTURED = outcome(RecipientState.CAPTURED, OK)


def test_delivered_recipient_is_final_and_nobody_is_told() -> None:
    """Success is not reported unless it was asked for."""
    attempt = tried(make_message(), DELIVERED)

    judgement = judge(attempt, 0.5)

    (record,) = judgement.records
    assert (record.state, record.next_attempt_at) == (RecipientState.DELIVERED, None)
    assert (record.attempts, record.reply, record.tls) == (1, OK, "TLSv1.3")
    assert judgement.reported == ()
    assert judgement.keep_content_until is None


def test_deferred_recipient_is_tried_again_by_the_tenants_policy() -> None:
    """The second try comes after the tenant's first delay."""
    attempt = tried(make_message(), DEFERRED, retry=RetryPolicy(first_seconds=300))

    (record,) = judge(attempt, 0.5).records

    assert record.state is RecipientState.DEFERRED
    assert record.next_attempt_at == NOW + 300_000


def test_failed_recipient_is_reported() -> None:
    """RFC 5321 6.1: the sender is told of a failure."""
    judgement = judge(tried(make_message(), FAILED), 0.5)

    assert judgement.records[0].state is RecipientState.FAILED
    assert actions(judgement) == [Action.FAILED]
    assert judgement.reported[0].reply == NO_USER


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (reply(550, "5.7.60", "Client does not have permissions to send as this sender"), "login"),
        (
            reply(451, "4.7.8", "The next hop refused the login: 535 5.7.139 SmtpClientAuth"),
            "Microsoft 365 refuses the login",
        ),
        (NO_USER, ""),
        (reply(451, "4.4.1", "The next hop relay.example:25 did not answer"), ""),
    ],
)
def test_report_explains_what_the_code_alone_does_not_say(answer: Reply, cause: str) -> None:
    """Also what our own reply quotes of the next hop; the usual codes have words of their own."""
    judgement = judge(tried(make_message(), outcome(RecipientState.FAILED, answer)), 0.5)

    (entry,) = judgement.reported
    assert bool(entry.cause) is bool(entry.fix) is bool(cause)
    assert cause in entry.cause or cause == "login"


def test_deferred_recipient_expires_at_the_end_and_is_reported() -> None:
    """After two days the sender is told, with the last answer."""
    judgement = judge(tried(make_message(), DEFERRED, after=2 * DAY), 0.5)

    assert judgement.records[0].state is RecipientState.EXPIRED
    assert judgement.records[0].next_attempt_at is None
    assert actions(judgement) == [Action.FAILED]
    assert judgement.reported[0].is_expired
    assert judgement.reported[0].reply == BUSY


def test_delay_is_reported_once_when_its_moment_has_come() -> None:
    """After four hours the sender is told of the delay, later no more."""
    message = make_message()

    first = judge(tried(message, DEFERRED, after=4 * HOUR), 0.5)
    message.recipients[0].delay_notified = first.records[0].delay_notified
    second = judge(tried(message, DEFERRED, after=8 * HOUR), 0.5)

    assert actions(first) == [Action.DELAYED]
    assert first.reported[0].retry_until == NOW + 2 * DAY
    assert actions(second) == []
    assert second.records[0].delay_notified


def test_recipient_is_tried_at_the_moment_of_its_delay_notice() -> None:
    """The try before the notice is not hours old when the notice is sent."""
    message = make_message()
    message.recipients[0].attempts = 8

    (record,) = judge(tried(message, DEFERRED, after=3 * HOUR), 0.5).records

    assert record.next_attempt_at == NOW + 4 * HOUR


@pytest.mark.parametrize("state", [FAILED, DEFERRED])
def test_row_63_nobody_is_told_of_a_null_reverse_path(state: RecipientOutcome) -> None:
    """RFC 5321 4.5.5: the undeliverable report becomes a dead letter, its content stays."""
    message = make_message(envelope=Envelope(None))

    judgement = judge(tried(message, state, after=3 * DAY), 0.5)

    assert judgement.records[0].state.is_final
    assert judgement.reported == ()
    assert judgement.keep_content_until == NOW + 3 * DAY + DEAD_LETTER_DAYS * DAY


@pytest.mark.parametrize(
    ("notify", "failure", "delay", "success"),
    [
        (Notify.DEFAULT, True, True, False),
        (Notify.NEVER, False, False, False),
        (Notify.FAILURE, True, False, False),
        (Notify.DELAY, False, True, False),
        (Notify.SUCCESS, False, False, True),
        (Notify.SUCCESS | Notify.FAILURE | Notify.DELAY, True, True, True),
    ],
)
def test_notify_is_respected(notify: Notify, *, failure: bool, delay: bool, success: bool) -> None:
    """RFC 3461 4.1: the sender says for each recipient what to report."""
    message = make_message(notify=notify)

    told = [
        bool(judge(tried(message, FAILED), 0.5).reported),
        bool(judge(tried(message, DEFERRED, after=5 * HOUR), 0.5).reported),
        bool(judge(tried(message, DELIVERED), 0.5).reported),
    ]

    assert told == [failure, delay, success]
    assert wants_report(notify, Notify.FAILURE) is failure


def test_success_is_reported_as_relayed_unless_the_next_hop_takes_over() -> None:
    """RFC 3461 5.2.2: "relayed" where the next hop does not know DSN, else nothing from us."""
    message = make_message(notify=Notify.SUCCESS)
    taken_over = outcome(RecipientState.DELIVERED, OK, relayed_dsn=True)

    assert actions(judge(tried(message, DELIVERED), 0.5)) == [Action.RELAYED]
    assert actions(judge(tried(message, taken_over), 0.5)) == []
    assert actions(judge(tried(message, CAPTURED), 0.5)) == [Action.DELIVERED]


@pytest.mark.parametrize(("tenant_days", "days"), [(0, CAPTURED_DAYS), (30, 30)])
def test_captured_content_is_kept(tenant_days: int, days: int) -> None:
    """Captured mail stays for people to look at."""
    judgement = judge(tried(make_message(), CAPTURED, keep_content_days=tenant_days), 0.5)

    assert judgement.keep_content_until == NOW + days * DAY


def test_content_of_delivered_mail_is_kept_where_the_tenant_wants_it() -> None:
    """keep_content_days counts from the end."""
    judgement = judge(tried(make_message(), DELIVERED, keep_content_days=3), 0.5)

    assert judgement.keep_content_until == NOW + 3 * DAY


def test_recipients_of_one_attempt_are_judged_one_by_one() -> None:
    """All that failed stand in one report; those that were deferred come back together."""
    message = make_message("a@far.example", "b@far.example", "c@far.example", "d@far.example")
    attempt = tried(
        message,
        outcome(RecipientState.FAILED, NO_USER, number=3),
        outcome(RecipientState.DELIVERED, OK, number=0),
        outcome(RecipientState.DEFERRED, BUSY, number=1),
        outcome(RecipientState.FAILED, NO_USER, number=2),
    )

    judgement = judge(attempt, 0.7)

    assert [record.state for record in judgement.records] == [
        RecipientState.DELIVERED,
        RecipientState.DEFERRED,
        RecipientState.FAILED,
        RecipientState.FAILED,
    ]
    assert [entry.recipient.number for entry in judgement.reported] == [2, 3]


def test_recipient_without_an_outcome_counts_as_deferred() -> None:
    """Unknown is not lost: it is tried again."""
    judgement = judge(tried(make_message()), 0.5)

    assert judgement.records[0].state is RecipientState.DEFERRED


def test_notice_without_an_attempt_leaves_the_schedule_alone() -> None:
    """Mail behind a dead next hop: told of the delay, not counted as tried."""
    message = make_message()
    message.recipients[0].attempts = 2
    message.recipients[0].next_attempt_at = NOW + HOUR

    judgement = judge(tried(message, DEFERRED, after=5 * HOUR, is_attempt=False), 0.5)

    (record,) = judgement.records
    assert (record.attempts, record.next_attempt_at) == (2, NOW + HOUR)
    assert actions(judgement) == [Action.DELAYED]
    assert judgement.reported[0].attempted_at is None


def test_settlement_carries_the_attempt() -> None:
    """What the store gets names lane, owner and times."""
    attempt = tried(make_message(), DELIVERED)

    settlement = settlement_of(attempt, judge(attempt, 0.5))

    assert (settlement.lane_id, settlement.owner) == (LANE, "me")
    assert (settlement.started_at, settlement.finished_at) == (NOW - 100, NOW)
    assert settlement.attempt
