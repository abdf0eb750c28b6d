"""Times for people and programs (pillarbox.cli.times)."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.cli.times import duration, for_people, for_programs, parse_moment

MOMENT = 1_795_509_302_123


def test_programs_read_utc() -> None:
    """ISO 8601 with milliseconds and Z."""
    assert for_programs(MOMENT) == "2026-11-24T08:35:02.123Z"


@given(st.integers(0, 4_000_000_000_000))
def test_people_read_local_time_with_zone(moment: int) -> None:
    """The zone is always there, so no time is ambiguous."""
    shown = datetime.fromisoformat(for_people(moment))

    assert shown.tzinfo is not None
    assert round(shown.timestamp()) == moment // 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (90_061, "1 d 1 h"), (3600, "1 h")],
)
def test_durations_have_two_units(seconds: float, text: str) -> None:
    """Nobody needs the seconds of days."""
    assert duration(seconds) == text


def test_date_counts_to_its_end() -> None:
    """What expires on a day still works on that day."""
    end = parse_moment("2027-12-31")

    assert datetime.fromtimestamp(end / 1000, UTC).astimezone() == datetime(
        2028, 1, 1, tzinfo=datetime.now(UTC).astimezone().tzinfo
    )


def test_date_with_zone_is_taken_as_it_stands() -> None:
    """A moment with a zone needs no local one."""
    assert parse_moment("2026-11-24T08:35:02.123+00:00") == MOMENT


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31", "9999-12-31T23:59:59"])
def test_moments_can_be_shown_in_every_zone(text: str) -> None:
    """The last second of the calendar is after its end for whoever lives further east."""
    with pytest.raises(ValueError, match="not in every calendar"):
        parse_moment(text)


@given(st.text() | st.dates().map(str) | st.datetimes().map(str))
def test_anything_else_is_a_value_error(text: str) -> None:
    """Never another error, whatever is typed."""
    with contextlib.suppress(ValueError):
        parse_moment(text)
