"""When a next hop counts as suspended, and when no more."""

from tests.support.suspending import REFUSED_MAIL, SAID, STAND_IN, reason_of

from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.standstill import REFUSALS, Standstill

HOP = "smarthost:relay.example:587:starttls"
WENT = AttemptResult([])
PUT_OFF = AttemptResult([], throttled=True)
LOGIN = reason_of("m365-12")
MAIL = reason_of("m365-29", session_stands=True)


def _suspended(now: float = 100.0) -> Standstill:
    standstill = Standstill(HOP)
    standstill.close(STAND_IN, LOGIN, pause=15.0, now=now, wall=1000)
    return standstill


def test_suspension_says_since_when_by_what_and_what_helps() -> None:
    """In the words of the next hop and of the table."""
    suspension = _suspended().suspension

    assert suspension is not None
    assert (suspension.since_at, suspension.reply) == (1000, SAID)
    assert (suspension.explanation, suspension.remedy) == ("m365-12", "admin")
    assert "Set-CASMailbox" in suspension.fix


def test_hop_that_can_not_be_reached_is_not_suspended() -> None:
    """It may be back by itself; nobody has to do anything."""
    standstill = Standstill(HOP)

    standstill.close(STAND_IN, None, pause=15.0, now=1.0, wall=1)
    standstill.close(STAND_IN, reason_of("m365-23"), pause=15.0, now=1.0, wall=1)

    assert standstill.suspension is None


def test_refused_mail_counts_only_in_a_row() -> None:
    """One message that goes through shows that the hop takes mail."""
    standstill = Standstill(HOP)

    for _ in range(3):
        assert [standstill.believes(MAIL) for _ in range(REFUSALS)] == [False, True]
        standstill.end()
    assert standstill.believes(LOGIN)
    assert standstill.believes(None)


def test_probe_that_is_refused_counts_at_once() -> None:
    """A suspended hop is not tried twice to be sure."""
    standstill = _suspended()

    assert standstill.believes(MAIL)
    standstill.close(REFUSED_MAIL, MAIL, pause=30.0, now=200.0, wall=2000)
    assert standstill.suspension is not None
    assert standstill.suspension.since_at == 1000


def test_attempt_that_was_under_way_shows_nothing() -> None:
    """Its session may be older than what was switched off."""
    standstill = _suspended(now=100.0)

    assert standstill.is_older(99.0)
    assert not standstill.is_older(101.0)
    assert standstill.is_probe_put_off(PUT_OFF)
    assert not standstill.is_probe_put_off(WENT)
    standstill.end()
    assert standstill.suspension is None
    assert not standstill.is_older(99.0)
    assert not standstill.is_probe_put_off(PUT_OFF)
