"""Sliding windows, paces and counts of the emulator, against the plainest way to count."""

from hypothesis import given
from hypothesis import strategies as st

from pillarbox.emulate.faults import Fault, Faults, Stage
from pillarbox.emulate.windows import Pace, Window, most_in

_MOMENTS = st.lists(st.integers(0, 50).map(float), max_size=30).map(sorted)


@given(_MOMENTS, st.integers(1, 20))
def test_the_most_in_any_span_is_found(moments: list[float], seconds: int) -> None:
    """Each moment is the end of a span; its start does not belong to it."""
    counts = [sum(last - seconds < moment <= last for moment in moments) for last in moments]

    # Of moments that are equal the last one counts them all.
    assert most_in(moments, seconds) == max(counts, default=0)


@given(_MOMENTS, st.integers(1, 5), st.integers(1, 20))
def test_a_pace_never_lets_more_through(moments: list[float], limit: int, seconds: int) -> None:
    """In turn, and no later than it must."""
    pace = Pace(limit, seconds)
    passed = [pace.next(moment) for moment in moments]

    assert passed == sorted(passed)
    assert most_in(passed, seconds) <= limit
    for number, (moment, at) in enumerate(zip(moments, passed, strict=True)):
        is_early = at == moment
        follows = number and at == passed[number - 1]
        fills = number >= limit and at == passed[number - limit] + seconds
        assert is_early or follows or fills


@given(_MOMENTS, st.integers(1, 5), st.integers(1, 20))
def test_a_window_tells_when_there_is_room(moments: list[float], limit: int, seconds: int) -> None:
    """Then it fits, and a moment before it does not."""
    window = Window(limit, seconds)
    for number, moment in enumerate(moments):
        at = window.room_at(1, moment)
        assert window.fits(1, moment) == (at == moment)
        if at > moment:
            later = Window(limit, seconds)
            for earlier in moments[:number]:
                later.add(1, earlier)
            assert not later.fits(1, at - 0.5)
            assert later.fits(1, at)
        window.add(1, moment)


def test_a_fault_lets_some_pass_first() -> None:
    """Then it hits as often as it was ordered, each mailbox for itself where it names one."""
    faults = Faults(seed=0)
    faults.order(Fault(stage=Stage.MAIL, reply="try-later", skip=2, times=1, mailbox="A@b.example"))

    taken = [
        faults.take("smtp", Stage.MAIL, mailbox=mailbox) is not None
        for mailbox in ("a@b.example", "c@b.example", "a@b.example", "a@B.example", "a@b.example")
    ]

    assert taken == [False, False, False, True, False]
