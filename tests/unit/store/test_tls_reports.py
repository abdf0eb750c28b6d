"""Which reports on TLS are due, and who has them."""

from collections.abc import AsyncIterator
from itertools import count

import pytest
from tests.support.storing import open_database

from pillarbox.store.database import Database
from pillarbox.store.tls_reports import (
    ReportRecord,
    ReportState,
    claim_report,
    end_report,
    list_reports,
    plan_reports,
    put_off_report,
    unplanned,
)
from pillarbox.store.tls_results import KEPT_DAYS, add_results, drop_tls_results
from pillarbox.tlsrpt.results import DAY_MS, NO_POLICY, Counted, TlsResult

DAY = 20_783
LEASE_MS = 1_000
LATER = 10**15


class Reports:
    """The table, and what is done with it. Reports are due at the number of their day."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._ids = count(1)

    def count(self, day: int, *domains: str) -> None:
        """One session with each."""
        counted = [Counted(TlsResult(day, name, NO_POLICY, "mx"), 1) for name in domains]
        self.database.write_now(lambda c: add_results(c, counted))

    def plan(self, today: int) -> int:
        """Note what is over; how much that is."""
        found = self.database.read_now(lambda c: unplanned(c, today))
        planned = [(day, domain, day, next(self._ids)) for day, domain in found]
        for _ in range(2):
            # A second worker has read the same.
            self.database.write_now(lambda c: plan_reports(c, planned))
        return len(found)

    def claim(self, now: int = LATER) -> ReportRecord | None:
        """Take one."""
        return self.database.write_now(lambda c: claim_report(c, now=now, lease_ms=LEASE_MS))

    def take(self, now: int = LATER) -> ReportRecord:
        """Take one that is there."""
        found = self.claim(now)
        assert found is not None
        return found

    @property
    def all(self) -> list[ReportRecord]:
        """What is known."""
        return self.database.read_now(list_reports)


@pytest.fixture
async def reports(database_url: str) -> AsyncIterator[Reports]:
    """None yet."""
    database = open_database(database_url)
    yield Reports(database)
    await database.close()


async def test_each_day_of_each_domain_has_one_report(reports: Reports) -> None:
    """Once it is over, however often anybody looks, and not where it is long over."""
    reports.count(DAY, "a.example", "b.example")
    reports.count(DAY, "a.example")
    reports.count(DAY - 1, "a.example")
    reports.count(DAY - 2, "a.example")
    assert reports.plan(DAY) == 2
    assert reports.plan(DAY) == 0
    assert reports.plan(DAY + 1) == 2

    assert [(one.day, one.domain) for one in reports.all] == [
        (DAY, "a.example"),
        (DAY, "b.example"),
        (DAY - 1, "a.example"),
        (DAY - 2, "a.example"),
    ]
    assert len({one.message_id for one in reports.all}) == 4


async def test_a_report_is_had_by_one(reports: Reports) -> None:
    """Not before it is due; when its sender has died the next one gets it, who counts alone."""
    reports.count(DAY, "a.example")
    reports.plan(DAY + 1)
    assert reports.claim(DAY - 1) is None

    first = reports.take(LATER)
    assert reports.claim(LATER + LEASE_MS - 1) is None
    second = reports.take(LATER + LEASE_MS)

    assert (first.attempts, second.attempts) == (1, 2)
    assert first.message_id == second.message_id
    sent = ReportState.SENT
    reports.database.write_now(lambda c: end_report(c, second, sent, "https://r.example/"))
    reports.database.write_now(lambda c: put_off_report(c, first, 0, "too late"))
    (found,) = reports.all
    assert (found.state, found.detail) == (sent, "https://r.example/")
    assert reports.claim(LATER + 10 * LEASE_MS) is None


async def test_what_was_put_off_is_due_then(reports: Reports) -> None:
    """Its cause can be read meanwhile; those that wait longest come first."""
    reports.count(DAY, "a.example")
    reports.count(DAY - 1, "b.example")
    reports.plan(DAY + 1)
    assert reports.take().domain == "b.example"
    record = reports.take()

    reports.database.write_now(lambda c: put_off_report(c, record, LATER + 5, "not\nnow"))

    assert reports.claim(LATER + 4) is None
    assert reports.take(LATER + 5).domain == "a.example"
    assert [one.detail for one in reports.all] == ["not now", ""]


async def test_old_reports_go_with_their_results(reports: Reports) -> None:
    """A week later."""
    reports.count(DAY, "a.example")
    reports.plan(DAY + 1)
    now = (DAY + KEPT_DAYS + 1) * DAY_MS

    reports.database.write_now(lambda c: drop_tls_results(c, now=now, before=0))

    assert reports.all == []
