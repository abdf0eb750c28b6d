"""Times for people (local, with zone), for programs (UTC), and as they are typed."""

from datetime import UTC, datetime, timedelta

from pillarbox.mail.envelope import Timestamp

FIRST_YEAR, LAST_YEAR = 1970, 9998
"""A moment in these can be shown in the zone of every host."""


def now() -> Timestamp:
    """Milliseconds since 1970 in UTC."""
    return _timestamp(datetime.now(UTC))


def for_people(moment: Timestamp | None, *, none: str = "-") -> str:
    """`2026-11-24 09:15:02+01:00` in the zone of this host."""
    if moment is None:
        return none
    return _utc(moment).astimezone().isoformat(sep=" ", timespec="seconds")


def for_programs(moment: Timestamp | None) -> str | None:
    """`2026-11-24T08:15:02.123Z`."""
    if moment is None:
        return None
    return _utc(moment).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `3 d 4 h`, `12 min`, `5 s`."""
    rest = round(abs(seconds))
    parts = []
    for unit, name in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def parse_moment(text: str) -> Timestamp:
    """A date counts to its end; a date with time is taken as it stands; both local without zone.

    Raises ValueError for anything else.
    """
    moment = datetime.fromisoformat(text)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{text} is not in every calendar")
    try:
        if len(text) <= len("2027-12-31"):
            moment += timedelta(days=1)
        return _timestamp(moment.astimezone())
    except OverflowError as error:
        raise ValueError(f"{text} is beyond all calendars") from error


def _utc(moment: Timestamp) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC)


def _timestamp(moment: datetime) -> Timestamp:
    return round(moment.timestamp() * 1000)
