"""Recipients that nobody has are noticed, and no others."""

from dataclasses import replace

import pytest
from tests.support.queueing import make_message
from tests.unit.outcome.test_settle import outcome, tried

from pillarbox.mail.envelope import RecipientOutcome, RecipientState
from pillarbox.mail.reply import reply
from pillarbox.outcome.bounce_watch import BounceWatch
from pillarbox.outcome.settle import judge
from pillarbox.store.suppressions import Bounced

FAILED, DEFERRED = RecipientState.FAILED, RecipientState.DEFERRED
DELIVERED = outcome(RecipientState.DELIVERED, reply(250, "2.0.0", "Queued"))


def _noticed(
    *outcomes: RecipientOutcome, days: int = 30, account_id: int | None = 3
) -> list[Bounced]:
    message = make_message(*(f"R{number}@far.example" for number in range(len(outcomes))))
    message.account_id = account_id
    attempt = tried(message, *outcomes)
    attempt.tenant = replace(attempt.tenant, suppress_days=days)
    watch = BounceWatch()
    watch.note(attempt, judge(attempt, 0.5))
    found = watch.take()
    assert watch.take() == []
    return found


def test_unknown_recipients_are_noticed_among_others() -> None:
    """Each with what was said of it and for how long its tenant suppresses."""
    unknown = outcome(FAILED, reply(550, "5.1.1", "No such user"), number=1)

    assert _noticed(DELIVERED, unknown, days=5) == [
        Bounced(1, "r1@far.example", "550 5.1.1 No such user", 5)
    ]


@pytest.mark.parametrize(
    "said",
    [
        outcome(DEFERRED, reply(450, "4.1.1", "Later")),
        outcome(FAILED, reply(552, "5.2.2", "Mailbox full")),
        outcome(FAILED, reply(550, "5.7.1", "Not wanted")),
        outcome(FAILED, reply(550, "", "Not today")),
        RecipientOutcome(0, FAILED, reply(550, "5.1.1", "Our own verdict")),
    ],
    ids=lambda said: str(said.reply),
)
def test_all_else_says_nothing_of_the_address(said: RecipientOutcome) -> None:
    """A full mailbox, a rule, a delay, and what no next hop said."""
    assert _noticed(said) == []


def test_nobody_is_suppressed_who_should_not() -> None:
    """Where the tenant says so, and for reports of our own."""
    unknown = outcome(FAILED, reply(550, "5.1.1", "No such user"))

    assert _noticed(unknown, days=0) == []
    assert _noticed(unknown, account_id=None) == []
