"""Fixtures for tests of the store; each test that uses one runs on SQLite and on PostgreSQL."""

from collections.abc import AsyncIterator

import pytest
from tests.support.storing import HOP, LEASE_MS, OWNER, Queue, open_database

from pillarbox.store.database import Database
from pillarbox.store.lanes import Lanes
from pillarbox.store.seal import Seal, new_master_key


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open database with all tables."""
    database = open_database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def queue(database: Database) -> Queue:
    """A spool whose lane is owned."""
    queue = Queue(database)
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    return queue


@pytest.fixture
def seal() -> Seal:
    """A seal with a master key of its own."""
    return Seal(new_master_key())
