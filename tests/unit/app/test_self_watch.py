"""The daily look tells only what is new (pillarbox.app.self_watch)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.support.storing import now_ms, open_database

from pillarbox.app.self_watch import DAY_MS, SelfWatch
from pillarbox.mail.envelope import Timestamp
from pillarbox.policy.clock import Clock
from pillarbox.store.database import Database
from pillarbox.store.self_looks import KnownFinding, SelfLook, last_look

NOW = now_ms()
DISK = KnownFinding("SELF-DISK-LOW", "service", "warn", "little room", "make room", NOW)
DOWN = KnownFinding("SELF-LISTENER-DOWN", "port 587", "fail", "it is down", "start it", NOW)


@dataclass
class Watched:
    """A watch over a database, at a time that a test sets, of a service with these troubles."""

    database: Database
    now: Timestamp = NOW
    troubles: tuple[KnownFinding, ...] = ()
    looks: list[Timestamp] = field(default_factory=list)
    breaks: bool = False

    async def day(self, *troubles: KnownFinding, after_days: float = 1) -> None:
        """So much later the service has these troubles; a process that was started anew looks."""
        self.now += round(after_days * DAY_MS)
        self.troubles = troubles
        clock = Clock(timestamp=lambda: self.now)
        await SelfWatch(self.database, clock, "node", self._look).look_if_due()

    async def _look(self, now: Timestamp) -> SelfLook:
        self.looks.append(now)
        if self.breaks:
            raise ZeroDivisionError
        return SelfLook(now, "", tuple(replace(one, since_at=now) for one in self.troubles))

    async def known(self) -> SelfLook:
        """What the store has."""
        return await self.database.read(lambda c: last_look(c, "node"))


@pytest.fixture
async def watched(tmp_path: Path) -> AsyncIterator[Watched]:
    """A service that was never looked at."""
    database = open_database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    yield Watched(database)
    await database.close()


def told(output: str, event: str) -> list[str]:
    """The ids of these lines of the log."""
    lines = [line for line in output.splitlines() if event in line]
    return [word for line in lines for word in line.replace('"', " ").split() if "SELF-" in word]


async def test_what_is_new_is_told_once(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """And again only after it was mended."""
    await watched.day(DISK)
    assert len(told(capsys.readouterr().err, "doctor.found")) == 1

    await watched.day(DISK, DOWN)
    assert ["DOWN" in one for one in told(capsys.readouterr().err, "doctor.found")] == [True]

    await watched.day(DOWN)
    said = capsys.readouterr().err
    assert told(said, "doctor.found") == []
    assert len(told(said, "doctor.mended")) == 1

    await watched.day(DISK, DOWN)
    assert ["DISK" in one for one in told(capsys.readouterr().err, "doctor.found")] == [True]


async def test_it_is_known_since_when(watched: Watched) -> None:
    """Since the first look that found it, whatever came of others."""
    await watched.day(DISK)
    first = watched.now
    await watched.day(DOWN, DISK)

    since = {one.finding: one.since_at for one in (await watched.known()).findings}

    assert since == {DISK.finding: first, DOWN.finding: watched.now}


async def test_it_looks_once_a_day(watched: Watched) -> None:
    """Restarts do not count, and a clock that was set back does not stop it."""
    await watched.day()
    await watched.day(after_days=0.9)
    assert len(watched.looks) == 1

    await watched.day(after_days=0.2)
    assert len(watched.looks) == 2

    await watched.day(after_days=-30)
    assert len(watched.looks) == 3


async def test_look_that_breaks_is_logged_and_nothing_is_lost(
    watched: Watched, capsys: pytest.CaptureFixture[str]
) -> None:
    """The worker goes on; what was known stays known."""
    await watched.day(DISK)
    watched.breaks = True

    await watched.day()

    assert "ZeroDivisionError" in capsys.readouterr().err
    assert [one.finding for one in (await watched.known()).findings] == [DISK.finding]
