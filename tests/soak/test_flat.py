"""The judge of the soak: what it takes for growth."""

import pytest
from tests.soak.flat import MIB, growth


def _series(name: str, values: list[int]) -> list[dict[str, int]]:
    return [{name: value} for value in values]


def test_a_start_that_fills_caches_is_no_growth() -> None:
    """The first third does not count."""
    filling = [100 * MIB + each * 2 * MIB for each in range(10)]

    assert growth(_series("worker 1 RSS", filling + [120 * MIB] * 20)) == []


@pytest.mark.parametrize(
    ("name", "start", "step"),
    [
        ("worker 1 RSS", 120 * MIB, 2 * MIB),
        ("worker 1 files", 40, 3),
        ("worker 1 threads", 8, 1),
        ("database", 60 * MIB, 3 * MIB),
        ("log", 30 * MIB, 3 * MIB),
    ],
)
def test_what_grows_by_the_minute_is_named(name: str, start: int, step: int) -> None:
    """In half an hour."""
    (said,) = growth(_series(name, [start + minute * step for minute in range(30)]))

    assert said.startswith(f"{name}: ")


def test_a_single_peak_is_no_growth() -> None:
    """The load comes and goes."""
    series = [120 * MIB] * 30
    series[-3] = 200 * MIB

    assert growth(_series("worker 1 RSS", series)) == []
