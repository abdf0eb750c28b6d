"""How long ago something was written, when clocks were set meanwhile."""

import pytest

from pillarbox.scheduler.uptime import Uptime, elapsed_ms, uptime
from pillarbox.store.lanes import SavedUsage, UsageRecord

NOW = Uptime("this start", 500_000)


@pytest.mark.parametrize(
    ("boot", "age_ms", "expected"),
    [
        ("this start", 60_000, 60_000),
        # The clock of the database was set forward by an hour, or back.
        ("this start", 3_660_000, 60_000),
        ("this start", -3_540_000, 0),
        # Written by another machine, or before it started anew: the database knows.
        ("another start", 3_660_000, 3_660_000),
        ("another start", -5, 0),
        ("", 7, 7),
    ],
)
def test_the_shorter_time_holds(boot: str, age_ms: int, expected: int) -> None:
    """It was written 60 seconds ago."""
    saved = SavedUsage(UsageRecord(1, "", boot, 440_000), age_ms)

    assert elapsed_ms(saved, NOW) == expected


def test_nothing_is_known_without_a_name_of_the_start() -> None:
    """Two that have no name are not the same."""
    assert elapsed_ms(SavedUsage(UsageRecord(1), 9_000), Uptime("", 5)) == 9_000


def test_the_machine_names_its_start() -> None:
    """The clock does not stand still and the name stays."""
    first, second = uptime(), uptime()

    assert first.boot
    assert first.boot == second.boot
    assert 0 < first.milliseconds <= second.milliseconds
