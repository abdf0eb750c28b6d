"""Results of TLS with mail hosts, as all workers write them."""

from tests.support.storing import open_database

from pillarbox.store.tls_results import (
    KEPT_DAYS,
    TlsResultStore,
    drop_tls_results,
    results_of,
)
from pillarbox.tlsrpt.results import (
    DAY_MS,
    NO_POLICY,
    Counted,
    Policy,
    PolicyType,
    ResultType,
    TlsResult,
)

DAY = 20_783
STS = Policy(PolicyType.STS, ("version: STSv1", "mode: enforce", "mx: *.far.example"), ("*.far",))
GOOD = TlsResult(DAY, "far.example", STS, "mx.far.example")
BAD = TlsResult(
    DAY,
    "far.example",
    STS,
    "mx.far.example",
    ResultType.VALIDATION_FAILURE,
    "192.0.2.1",
    "198.51.100.7",
    "handshake-failed",
)
OTHER = TlsResult(DAY, "other.example", NO_POLICY, "mx.other.example")


async def test_what_workers_counted_adds_up(database_url: str) -> None:
    """Each result is one row with the sum; days and domains are apart."""
    database = open_database(database_url)
    store = TlsResultStore(database)
    tomorrow = TlsResult(DAY + 1, "far.example", STS, "mx.far.example")

    await store.add([Counted(GOOD, 3), Counted(BAD, 1)])
    await store.add([Counted(OTHER, 5), Counted(tomorrow, 1), Counted(GOOD, 4)])
    await store.add([])

    assert database.read_now(lambda c: results_of(c, DAY)) == [
        Counted(GOOD, 7),
        Counted(BAD, 1),
        Counted(OTHER, 5),
    ]
    assert database.read_now(lambda c: results_of(c, DAY, "other.example")) == [Counted(OTHER, 5)]
    assert database.read_now(lambda c: results_of(c, DAY + 1)) == [Counted(tomorrow, 1)]
    await database.close()


async def test_old_days_go(database_url: str) -> None:
    """In steps, and the last days stay."""
    database = open_database(database_url)
    await TlsResultStore(database).add([Counted(GOOD, 1)])

    def drop(day: int) -> int:
        now = day * DAY_MS + 5
        return database.write_now(lambda c: drop_tls_results(c, now=now, before=0))

    assert drop(DAY + KEPT_DAYS) == 0
    assert drop(DAY + KEPT_DAYS + 1) == 1
    assert database.read_now(lambda c: results_of(c, DAY)) == []
    await database.close()
