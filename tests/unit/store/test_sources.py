"""store.sources: the addresses that mail comes from, and what each sends on a day."""

import asyncio

import pytest
from tests.support.storing import open_database

from pillarbox.errors import DirectoryError
from pillarbox.hop_caps import MX_CAPS
from pillarbox.route import MxHosts, Route
from pillarbox.sources import Source, SourceFacts
from pillarbox.store.admin.routes import add_route, remove_route, show_route
from pillarbox.store.admin.tenants import add_tenant
from pillarbox.store.database import Database
from pillarbox.store.seal import Seal
from pillarbox.store.sources import Sources, list_sources, remove_source, save_source, sent_on

NOW = 1_795_161_600_000
TODAY, TOMORROW = "2026-11-26", "2026-11-27"
FACTS = SourceFacts("out.example.org", (50, 100), NOW)
ADDRESS = "192.0.2.1"


def _save(database: Database, facts: SourceFacts = FACTS, *, is_new: bool = True) -> None:
    database.write_now(lambda c: save_source(c, ADDRESS, facts, is_new=is_new))


def test_an_address_is_kept_with_what_is_known_of_it(database: Database) -> None:
    """Added once, changed and removed."""
    _save(database)
    assert database.read_now(list_sources) == {ADDRESS: FACTS}
    with pytest.raises(DirectoryError, match="already"):
        _save(database)
    _save(database, SourceFacts(), is_new=False)
    assert database.read_now(list_sources) == {ADDRESS: SourceFacts()}
    database.write_now(lambda c: remove_source(c, ADDRESS))
    with pytest.raises(DirectoryError, match="pillarbox source add"):
        _save(database, is_new=False)


def test_a_route_sends_from_known_addresses_only(database: Database, seal: Seal) -> None:
    """And keeps them from being removed."""
    database.write_now(lambda c: add_tenant(c, "one", now=NOW))
    hop = MxHosts(sources=(Source(ADDRESS, 3),))
    new = Route(0, "", "", hop, MX_CAPS)

    def add() -> int:
        return database.write_now(lambda c: add_route(c, "one", new, seal=seal, now=NOW))

    with pytest.raises(DirectoryError, match=f"source add {ADDRESS}"):
        add()
    _save(database)
    route_id = add()

    assert database.read_now(lambda c: show_route(c, route_id)).route.next_hop == hop
    with pytest.raises(DirectoryError, match="a route sends from"):
        database.write_now(lambda c: remove_source(c, ADDRESS))
    database.write_now(lambda c: remove_route(c, route_id))
    database.write_now(lambda c: remove_source(c, ADDRESS))


async def test_all_workers_together_never_send_more_than_a_day_allows(database_url: str) -> None:
    """Portions are leased; what is given back can be leased again, and a new day begins anew."""
    databases = [open_database(database_url) for _ in range(3)]
    workers = [Sources(database) for database in databases]

    leased = await asyncio.gather(
        *(
            worker.lease(ADDRESS, day=TODAY, messages=7, limit=50)
            for worker in workers
            for _ in range(4)
        )
    )

    assert sum(leased) == 50
    await workers[0].give_back(ADDRESS, day=TODAY, messages=2)
    assert databases[1].read_now(lambda c: sent_on(c, TODAY)) == {ADDRESS: 48}
    assert await workers[1].lease(ADDRESS, day=TOMORROW, messages=7, limit=50) == 7
    # Nothing of yesterday can be given back today.
    await workers[0].give_back(ADDRESS, day=TODAY, messages=2)
    assert databases[1].read_now(lambda c: sent_on(c, TOMORROW)) == {ADDRESS: 7}
    for database in databases:
        await database.close()
