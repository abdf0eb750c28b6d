"""Accounts whose recipients nobody knows are noticed, others are not."""

from tests.support.queueing import make_message
from tests.unit.outcome.test_settle import DELIVERED, FAILED, outcome, tried

from pillarbox.mail.envelope import RecipientOutcome, RecipientState
from pillarbox.mail.reply import reply
from pillarbox.outcome.settle import judge
from pillarbox.outcome.unknown_watch import LEAST_UNKNOWN, WINDOW_SECONDS, UnknownWatch

OTHER_FAILURE = outcome(RecipientState.FAILED, reply(550, "5.7.1", "Not wanted"))


class Watched:
    """A watch with a clock that stands still."""

    def __init__(self, percent: int = 20) -> None:
        self.now = 0.0
        self.watch = UnknownWatch(percent, lambda: self.now)

    def send(self, result: RecipientOutcome, count: int, account_id: int | None = 4) -> None:
        """So many messages to one recipient each, with this outcome."""
        for _ in range(count):
            message = make_message()
            message.account_id = account_id
            attempt = tried(message, result)
            self.watch.note(attempt, judge(attempt, 0.5))

    @property
    def noticed(self) -> list[int]:
        """The accounts."""
        return [suspicion.account_id for suspicion in self.watch.take()]


def test_row_45_many_unknown_recipients_are_noticed() -> None:
    """More than a fifth, at the twentieth."""
    watched = Watched()
    watched.send(DELIVERED, 79)
    watched.send(FAILED, LEAST_UNKNOWN - 1)
    assert watched.noticed == []

    watched.send(FAILED, 1)

    assert watched.noticed == [4]
    assert watched.noticed == []


def test_few_unknown_recipients_are_mistakes() -> None:
    """Whatever their share is; and a small share is usual for a large list."""
    watched = Watched()
    watched.send(FAILED, LEAST_UNKNOWN - 1, account_id=5)
    watched.send(DELIVERED, 400)
    watched.send(FAILED, 100)

    assert watched.noticed == []


def test_old_results_do_not_count() -> None:
    """Each window begins anew."""
    watched = Watched()
    watched.send(FAILED, LEAST_UNKNOWN - 1)
    watched.now += WINDOW_SECONDS + 1
    watched.send(FAILED, LEAST_UNKNOWN - 1)

    assert watched.noticed == []


def test_other_failures_and_reports_do_not_count() -> None:
    """A refusal of the content says nothing about the list; a DSN is nobody's."""
    watched = Watched()
    watched.send(OTHER_FAILURE, 100)
    watched.send(FAILED, 100, account_id=None)

    assert watched.noticed == []


def test_hundred_percent_switches_it_off() -> None:
    """Nothing is more than all."""
    watched = Watched(100)
    watched.send(FAILED, 100)

    assert watched.noticed == []
