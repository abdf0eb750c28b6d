"""store.account_usage: what is leased of a daily limit, by several workers at once."""

import asyncio

import pytest
from tests.support.storing import now_ms

from pillarbox.store.account_usage import AccountUsage
from pillarbox.store.admin.accounts import add_account, remove_account
from pillarbox.store.admin.tenants import add_domain, add_tenant
from pillarbox.store.database import Database

DAY, NEXT_DAY = "2026-11-25", "2026-11-26"


@pytest.fixture
async def account_id(database: Database) -> int:
    """An account."""

    def add(connection: object) -> int:
        add_tenant(connection, "one", now=now_ms())  # type: ignore[arg-type]  # a Connection
        add_domain(connection, "one", "t1.test", now=now_ms())  # type: ignore[arg-type]
        return add_account(connection, "u1@t1.test", now=now_ms())  # type: ignore[arg-type]

    return await database.write(add)


async def test_row_44_no_more_than_the_limit_is_leased(
    database: Database, database_url: str, account_id: int
) -> None:
    """Two workers ask twenty times each, at once: all of the limit is given out, and no more."""
    other = Database.open(database_url, reserve_octets=0)
    workers = AccountUsage(database), AccountUsage(other)
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(worker.lease(account_id, day=DAY, recipients=7, limit=100))
            for worker in workers * 20
        ]
    await other.close()

    assert sum(task.result() for task in asked) == 100


async def test_what_was_given_back_is_leased_again(database: Database, account_id: int) -> None:
    """For the same day only."""
    usage = AccountUsage(database)
    assert await usage.lease(account_id, day=DAY, recipients=10, limit=10) == 10

    await usage.give_back(account_id, day=NEXT_DAY, recipients=3)
    assert await usage.lease(account_id, day=DAY, recipients=10, limit=10) == 0
    await usage.give_back(account_id, day=DAY, recipients=3)
    assert await usage.lease(account_id, day=DAY, recipients=10, limit=10) == 3


async def test_next_day_begins_anew(database: Database, account_id: int) -> None:
    """A worker whose clock is behind does not bring the day before back."""
    usage = AccountUsage(database)
    await usage.lease(account_id, day=DAY, recipients=10, limit=10)

    assert await usage.lease(account_id, day=NEXT_DAY, recipients=8, limit=10) == 8
    assert await usage.lease(account_id, day=DAY, recipients=8, limit=10) == 2


async def test_lowered_limit_leases_nothing(database: Database, account_id: int) -> None:
    """More is used than the limit allows now."""
    usage = AccountUsage(database)
    await usage.lease(account_id, day=DAY, recipients=10, limit=10)

    assert await usage.lease(account_id, day=DAY, recipients=1, limit=5) == 0


async def test_usage_goes_with_its_account(database: Database, account_id: int) -> None:
    """Removing an account that has sent is possible."""
    await AccountUsage(database).lease(account_id, day=DAY, recipients=1, limit=5)

    await database.write(lambda c: remove_account(c, "u1@t1.test"))
