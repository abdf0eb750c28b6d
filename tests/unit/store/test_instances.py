"""store.instances: each process has a number of its own."""

import asyncio

import pytest
from sqlalchemy import insert
from tests.support.storing import LEASE_MS, now_ms

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.identifier import INSTANCES
from pillarbox.store.database import Database
from pillarbox.store.instances import Instances
from pillarbox.store.schema import instance


async def test_processes_get_different_numbers(database: Database) -> None:
    """Their ids never meet."""
    instances = Instances(database)

    numbers = await asyncio.gather(
        *(instances.claim(token=f"process {n}", lease_ms=LEASE_MS) for n in range(20))
    )

    assert len(set(numbers)) == 20
    assert all(0 < number < INSTANCES for number in numbers)


async def test_a_number_is_kept_by_renewal(database: Database) -> None:
    """As long as the process lives."""
    instances = Instances(database)
    await instances.claim(token="one", lease_ms=LEASE_MS)

    assert await instances.renew(token="one", lease_ms=LEASE_MS)
    assert not await instances.renew(token="two", lease_ms=LEASE_MS)


async def test_the_last_free_number_is_found(database: Database) -> None:
    """Numbers that were given back or whose lease has ended are free."""
    rows = [
        {"number": number, "token": f"t{number}", "lease_until": now_ms() + LEASE_MS}
        for number in range(1, INSTANCES)
    ]
    rows[499]["lease_until"] = 0
    database.write_now(lambda c: c.execute(insert(instance), rows))
    instances = Instances(database)

    assert await instances.claim(token="new", lease_ms=LEASE_MS) == 500
    with pytest.raises(SpoolUnavailable):
        await instances.claim(token="newer", lease_ms=LEASE_MS)
    await instances.release("t7")
    assert await instances.claim(token="newer", lease_ms=LEASE_MS) == 7
