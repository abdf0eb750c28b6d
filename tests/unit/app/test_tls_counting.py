"""app.tls_counting: from the counts of a worker to the store."""

from tests.support.storing import now_ms, open_database

from pillarbox.app.tls_counting import ROWS_AT_ONCE, TlsCounting
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.store.tls_results import TlsResultStore, results_of
from pillarbox.tlsrpt.results import NO_POLICY, TlsResult


async def test_counts_come_into_the_store_once(sqlite_url: str) -> None:
    """More than one transaction takes; what could not be written is written later."""
    database = open_database(sqlite_url)
    counts = TlsCounts(now_ms)
    counting = TlsCounting(counts, TlsResultStore(database))
    day = counts.today
    for number in range(ROWS_AT_ONCE + 10):
        counts.add(TlsResult(day, f"d{number}.example", NO_POLICY))

    await counting.flush()
    counts.add(TlsResult(day, "d0.example", NO_POLICY), 2)
    await counting.flush()
    await counting.flush()

    found = database.read_now(lambda c: results_of(c, day))
    assert len(found) == ROWS_AT_ONCE + 10
    assert sum(one.sessions for one in found) == ROWS_AT_ONCE + 12
    counts.add(TlsResult(day, "late.example", NO_POLICY))
    await database.close()
    await counting.flush()
    assert [one.result.domain for one in counts.take()] == ["late.example"]
