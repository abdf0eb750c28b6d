"""scheduler.put_off: bounded, whatever can not be reached."""

from pillarbox.scheduler.put_off import PutOff


def test_what_is_tried_is_forgotten() -> None:
    """The rest waits on."""
    put_off = PutOff()
    for queue_id in (1, 2, 3):
        put_off.add(7, queue_id)

    put_off.remove(7, frozenset({1, 2}))
    assert put_off.of(7) == {3}
    put_off.remove(7, frozenset({3}))

    assert put_off.of(7) == frozenset()
    put_off.remove(7, frozenset({3}))


def test_thousands_of_dead_hops_are_bounded() -> None:
    """Straight to MX hosts each domain is a hop: the oldest are forgotten, and of one with a
    flood of mail all beyond a bound."""
    put_off = PutOff()

    for lane_id in range(10_001):
        put_off.add(lane_id, lane_id)
    for queue_id in range(2000):
        put_off.add(10_000, queue_id)

    assert put_off.of(0) == frozenset()
    assert put_off.of(1) == {1}
    assert 0 < len(put_off.of(10_000)) <= 1000
