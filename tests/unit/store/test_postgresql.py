"""The store on PostgreSQL: the server goes away and comes back, also in the middle of a COMMIT."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Connection, func, select, text, update
from tests.support.cutting_proxy import Cut, CuttingProxy
from tests.support.postgresql import PostgresqlServer
from tests.support.storing import (
    HOP,
    LEASE_MS,
    OWNER,
    Queue,
    make_message,
    open_database,
    settlement,
    until,
)

from pillarbox.errors import ConfigError, SpoolTrouble, SpoolUnavailable
from pillarbox.store import doubt
from pillarbox.store.database import Database
from pillarbox.store.lanes import Lanes
from pillarbox.store.queue import Selection, hold
from pillarbox.store.schema import attempt, message, recipient

REPOSITORY = Path(__file__).parents[3]

CHILD = """
import asyncio, sys
from pillarbox.store.database import Database
from tests.support.storing import Queue

async def main():
    queue = Queue(Database.open(sys.argv[1], reserve_octets=0))
    for _ in range(3):
        print((await queue.put()).queue_id, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def _child(url: str) -> "subprocess.Popen[bytes]":
    """A process that puts three messages, says so, and then waits."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"},
        stdout=subprocess.PIPE,
    )


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresqlServer]:
    """A server that tests may stop."""
    server = PostgresqlServer()
    server.start()
    yield server
    server.remove()


@pytest.fixture
async def through_proxy(
    postgresql_server: PostgresqlServer, postgresql_url: str
) -> AsyncIterator[tuple[Queue, CuttingProxy]]:
    """A queue whose connections go through a proxy; its lane is owned."""
    direct = open_database(postgresql_url)
    await direct.close()
    async with CuttingProxy(postgresql_server.port) as proxy:
        url = postgresql_url.replace(f":{postgresql_server.port}/", f":{proxy.port}/")
        queue = Queue(Database.open(url, reserve_octets=0))
        assert await Lanes(queue.database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
        yield queue, proxy
        proxy.is_reachable = True
        await queue.database.close()


async def test_a_server_that_goes_away_is_waited_for(own_server: PostgresqlServer) -> None:
    """451 while it is gone; results of attempts wait; all goes on by itself afterwards."""
    database = open_database(own_server.create("away"))
    queue = Queue(database)
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    first = await queue.put()

    own_server.stop()
    with pytest.raises(SpoolUnavailable) as refused:
        await queue.put()
    with pytest.raises(SpoolUnavailable):
        await queue.due()
    settling = queue.spool.settle(settlement(first))
    trouble = database.trouble
    own_server.start()

    assert refused.value.trouble is SpoolTrouble.AWAY
    assert trouble is SpoolTrouble.AWAY
    assert await settling
    await until(lambda: database.trouble is None)
    second = await queue.put()
    assert await queue.due() == [second.queue_id]
    await database.close()


async def test_a_server_that_is_away_at_the_start_is_waited_for(
    own_server: PostgresqlServer,
) -> None:
    """The writer connects as soon as it can."""
    url = own_server.create("late")
    open_database(url).close_now()
    database = Database.open(url, reserve_octets=0)
    own_server.stop()
    with pytest.raises(SpoolUnavailable):
        database.read_now(lambda c: c.exec_driver_sql("SELECT 1"))
    with pytest.raises(SpoolUnavailable):
        await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)

    own_server.start()

    await until(lambda: database.trouble is None)
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    await database.close()


async def test_a_message_survives_a_kill(postgresql_url: str) -> None:
    """What was said to be durable is there after kill -9."""
    database = open_database(postgresql_url)
    with _child(postgresql_url) as child:
        assert child.stdout is not None
        ids = [int(child.stdout.readline()) for _ in range(3)]
        child.send_signal(signal.SIGKILL)

    assert await Queue(database).due() == ids
    await database.close()


async def test_a_commit_whose_answer_was_lost_counts(
    through_proxy: tuple[Queue, CuttingProxy],
) -> None:
    """The client waits for a moment and gets its 250: the message is there."""
    queue, proxy = through_proxy
    put = make_message(lanes=(queue.lane,))
    proxy.cut = Cut.AFTER

    future = queue.spool.put(put)
    await until(lambda: not proxy.is_reachable)
    proxy.is_reachable = True

    await future
    assert await queue.due() == [put.queue_id]


async def test_a_commit_that_did_not_arrive_does_not_count(
    through_proxy: tuple[Queue, CuttingProxy],
) -> None:
    """The client is told 451, and nothing is there."""
    queue, proxy = through_proxy
    proxy.cut = Cut.BEFORE

    future = queue.spool.put(make_message(lanes=(queue.lane,)))
    await until(lambda: not proxy.is_reachable)
    proxy.is_reachable = True

    with pytest.raises(SpoolUnavailable):
        await future
    assert await queue.due() == []


async def test_a_message_that_was_refused_in_doubt_is_removed(
    through_proxy: tuple[Queue, CuttingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5321 4.2.5: after a 451 no attempt to deliver may follow."""
    monkeypatch.setattr(doubt, "DOUBT_SECONDS", 0.0)
    queue, proxy = through_proxy
    proxy.cut = Cut.AFTER
    put = make_message(lanes=(queue.lane,))

    with pytest.raises(SpoolUnavailable) as refused:
        await queue.spool.put(put)
    proxy.is_reachable = True
    await until(lambda: queue.database.trouble is None)

    assert refused.value.trouble is SpoolTrouble.AWAY
    assert await queue.due() == []
    assert (
        await queue.database.read(lambda c: c.scalar(select(func.count()).select_from(message)))
        == 0
    )


async def test_a_commit_that_arrives_late_finds_nobody(
    through_proxy: tuple[Queue, CuttingProxy],
) -> None:
    """The new connection ends the old one before it looks what is there: a message that was
    refused does not appear afterwards."""
    queue, proxy = through_proxy
    proxy.cut = Cut.LATE

    future = queue.spool.put(make_message(lanes=(queue.lane,)))
    await until(lambda: not proxy.is_reachable)
    proxy.is_reachable = True
    with pytest.raises(SpoolUnavailable):
        await future
    proxy.let_through()
    await proxy.late_end.wait()

    assert await queue.due() == []


async def test_mail_that_is_delivered_meanwhile_is_not_held(postgresql_url: str) -> None:
    """Between the look and the change an attempt may end."""
    database = open_database(postgresql_url)
    queue = Queue(database)
    await queue.put()

    def deliver(connection: Connection) -> None:
        state = {"state": "delivered", "finished_at": 1, "next_attempt_at": None}
        connection.execute(update(recipient).values(state))
        found = Thread(target=lambda: database.write_now(lambda c: hold(c, Selection())))
        found.start()
        threads.append(found)
        # The other change has looked and waits for the row.
        while not connection.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")):
            pass

    threads: list[Thread] = []
    database.write_now(deliver)
    threads[0].join()

    assert await database.read(lambda c: c.scalar(select(recipient.c.state))) == "delivered"
    await database.close()


@pytest.mark.parametrize("cut", [Cut.BEFORE, Cut.AFTER])
async def test_a_settlement_in_doubt_counts_once(
    through_proxy: tuple[Queue, CuttingProxy], cut: Cut
) -> None:
    """It is recorded again, and finds out whether it was recorded already."""
    queue, proxy = through_proxy
    put = await queue.put()
    proxy.cut = cut

    future = queue.spool.settle(settlement(put))
    await until(lambda: not proxy.is_reachable)
    proxy.is_reachable = True

    assert await future is (cut is Cut.BEFORE)
    assert await queue.due() == []
    assert (
        await queue.database.read(lambda c: c.scalar(select(func.count()).select_from(attempt)))
        == 1
    )


def test_commits_are_synchronous_even_if_the_server_says_otherwise(
    postgresql_server: PostgresqlServer, postgresql_url: str
) -> None:
    """250 means durable, whatever postgresql.conf says."""
    name = postgresql_url.rpartition("/")[2]
    postgresql_server.sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    database = open_database(postgresql_url)

    found = database.write_now(lambda c: c.exec_driver_sql("SHOW synchronous_commit").scalar())

    assert found == "on"
    database.close_now()


def test_the_short_form_of_the_url_means_psycopg(postgresql_url: str) -> None:
    """postgresql://… needs no name of a driver."""
    database = open_database(postgresql_url.replace("+psycopg", ""))

    database.check_revision()

    database.close_now()


def test_another_driver_is_refused() -> None:
    """Only psycopg is known to behave."""
    with pytest.raises(ConfigError):
        Database.open("postgresql+asyncpg://localhost/x", reserve_octets=0)
