"""The judge of the crash tests: each broken promise is seen, and nothing else is."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.crash.ledger import Event, Fault, Final, Got, Ledger, Sent, Told, read
from tests.crash.verdict import SETTLE_SECONDS, Fate, judge

ONE, TWO = "one@next.example", "two@next.example"


def sent(*recipients: str) -> Sent:
    """Message m goes out."""
    return Sent("m", list(recipients), "digest", at=0.0)


def got(recipient: str, at: float = 1.0, *, octets: str = "digest", added: str = "ID") -> Got:
    """The sink has a copy."""
    return Got("m", recipient, octets, f"prefix {octets}", added, 1, at=at)


def told(recipient: str, at: float = 1.0, report: str = "<report>") -> Told:
    """The sink has a report."""
    return Told("m", recipient, report, 1, at=at)


def final(code: int) -> Final:
    """The client read this."""
    return Final("m", code, at=0.5)


def stop(at: float, until: float) -> Fault:
    """A node stood still for a time, with one message under way."""
    return Fault("stop", until, under_way=1, at=at)


def kill(at: float, until: float) -> Fault:
    """The service was dead for a time."""
    return Fault("kill", until, at=at)


WELL: dict[str, Sequence[Event]] = {
    "delivered": (sent(ONE, TWO), final(250), got(ONE), got(TWO)),
    "bounced": (sent(ONE, TWO), final(250), got(ONE), told(TWO)),
    "refused": (sent(ONE), final(451)),
    "unknown, taken": (sent(ONE, TWO), got(ONE), got(TWO)),
    "unknown, gone": (sent(ONE, TWO),),
    "second copy after a kill": (sent(ONE), final(250), got(ONE), kill(1.5, 3), got(ONE, 4)),
    "second copy, first read late": (sent(ONE), final(250), kill(0.9, 3), got(ONE), got(ONE, 4)),
    "second copy after a lost reply": (
        *(sent(ONE), final(250), got(ONE)),
        *(Fault("reply lost", 1.1, "m", at=1.1), got(ONE, 4)),
    ),
    "finished behind a stop": (sent(ONE), final(250), stop(0.7, 3), got(ONE, 3.1), got(ONE, 4)),
    "second report after a kill": (sent(ONE), final(250), told(ONE), kill(1.5, 3), told(ONE, 4)),
}

BROKEN: dict[str, tuple[Fate, Sequence[Event]]] = {
    "lost": (Fate.LOST, (sent(ONE, TWO), final(250), got(ONE))),
    "phantom after 451": (Fate.PHANTOM, (sent(ONE), final(451), got(ONE))),
    "phantom report": (Fate.PHANTOM, (sent(ONE), final(554), told(ONE))),
    "recipient nobody named": (Fate.PHANTOM, (sent(ONE), final(250), got(ONE), got(TWO))),
    "message nobody sent": (Fate.PHANTOM, (got(ONE),)),
    "partial": (Fate.PARTIAL, (sent(ONE, TWO), got(ONE))),
    "second copy without a fault": (
        Fate.DUPLICATE,
        (sent(ONE), final(250), got(ONE), got(ONE, 2)),
    ),
    "second copy, kill long after the first": (
        Fate.DUPLICATE,
        (
            *(sent(ONE), final(250), got(ONE)),
            *(kill(1.1 + SETTLE_SECONDS, 9), got(ONE, 10)),
        ),
    ),
    "third copy, one kill": (
        Fate.DUPLICATE,
        (sent(ONE), final(250), got(ONE), kill(1.5, 3), got(ONE, 4), got(ONE, 5)),
    ),
    "second copy, the first long behind a stop": (
        Fate.DUPLICATE,
        (
            *(sent(ONE), final(250), stop(0.7, 3)),
            *(got(ONE, 3.1 + SETTLE_SECONDS), got(ONE, 9)),
        ),
    ),
    "second copy, its own reply lost": (
        Fate.DUPLICATE,
        (sent(ONE), final(250), got(ONE), got(ONE, 2), Fault("reply lost", 2, "m", at=2)),
    ),
    "reply lost for another message": (
        Fate.DUPLICATE,
        (
            *(sent(ONE), final(250), got(ONE)),
            *(Fault("reply lost", 1.1, "other", at=1.1), got(ONE, 4)),
        ),
    ),
    "two reports": (
        Fate.DUPLICATE,
        (sent(ONE), final(250), told(ONE), kill(1.5, 3), told(ONE, 4, "<another>")),
    ),
    "octets": (Fate.CORRUPT, (sent(ONE), final(250), got(ONE, octets="other"))),
    "another id in the copy": (
        Fate.CORRUPT,
        (sent(ONE), final(250), got(ONE), kill(1.5, 3), got(ONE, 4, added="OTHER")),
    ),
    "delivered and bounced": (
        Fate.CONTRADICTION,
        (sent(ONE), final(250), got(ONE), kill(1.5, 3), told(ONE, 4)),
    ),
}


@pytest.mark.parametrize("story", WELL)
def test_what_keeps_the_promises_passes(story: str) -> None:
    """No failure is seen where there is none."""
    assert judge(WELL[story]).failures == []


@pytest.mark.parametrize("story", BROKEN)
def test_a_broken_promise_is_seen(story: str) -> None:
    """By its name."""
    fate, events = BROKEN[story]

    assert {failure[0] for failure in judge(events).failures} == {fate}


def test_no_more_is_finished_behind_a_stop_than_was_under_way() -> None:
    """One connection of the stopped node finishes one message."""
    messages = ("m", "n")
    events: list[Event] = [stop(0.7, 3)]
    for uuid in messages:
        events += [Sent(uuid, [ONE], "digest", at=0.0), Final(uuid, 250, at=0.5)]
        events += [Got(uuid, ONE, "digest", "prefix digest", "ID", 1, at=at) for at in (3.1, 4.0)]

    assert judge(events).failures == [(Fate.DUPLICATE, "n", ONE)]


def test_held_mail_is_not_lost() -> None:
    """An operator sees it."""
    verdict = judge((sent(ONE), final(250)), held=[ONE])

    assert verdict.failures == []
    assert verdict.fates == {Fate.HELD: 1}


def test_the_report_tells_what_explains_further_copies() -> None:
    """Fault by fault: what befell the message itself first."""
    lost = Fault("reply lost", 1, "m", at=1)
    begun: Sequence[Event] = (sent(ONE), final(250), got(ONE), lost)
    story = (*begun, got(ONE, 4), kill(4.5, 6), got(ONE, 7))

    verdict = judge(story)

    assert verdict.failures == []
    assert "2 copies beyond the first (1 by kill, 1 by reply lost);" in str(verdict)


def test_the_report_bounds_the_loss() -> None:
    """Three divided by the faults, at 95 %."""
    verdict = judge([sent(ONE), final(250), got(ONE), *(kill(at, at) for at in range(5, 65))])

    assert "1 messages, 1 acknowledged; faults: 60 kill" in str(verdict)
    assert "loss at most 0.05 a fault (95 %)" in str(verdict)


def test_a_ledger_gives_back_what_was_noted(tmp_path: Path) -> None:
    """All kinds of events, in their order."""
    events: list[Event] = [sent(ONE), final(250), got(ONE), told(TWO), kill(1.5, 3)]
    ledger = Ledger(tmp_path / "ledger")
    ledger.note(*events[:2])
    ledger.note(*events[2:])
    ledger.close()

    assert list(read(ledger.file)) == events
