"""store.group_commit: many pieces of work, one transaction."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from sqlalchemy import Connection, func, insert, select
from tests.support.storing import Queue, make_message, settlement

from pillarbox.errors import DirectoryError, SpoolTrouble, SpoolUnavailable
from pillarbox.store import group_commit
from pillarbox.store.database import Database
from pillarbox.store.schema import setting


class Gate:
    """A change that keeps the writer busy until it is opened."""

    def __init__(self, database: Database) -> None:
        self._opened = threading.Event()
        self._entered = threading.Event()
        self.task = asyncio.ensure_future(database.write(self._wait))

    def _wait(self, _connection: Connection) -> None:
        self._entered.set()
        assert self._opened.wait(20)

    async def closed(self) -> None:
        """Wait until the writer stands before the gate."""
        assert await asyncio.to_thread(self._entered.wait, 20)

    async def open(self) -> None:
        """Let the writer go on."""
        self._opened.set()
        await self.task


def _set(name: str) -> Callable[[Connection], str]:
    def change(connection: Connection) -> str:
        connection.execute(insert(setting).values(name=name, value="x"))
        return name

    return change


def _names(connection: Connection) -> set[str]:
    return set(connection.scalars(select(setting.c.name).where(setting.c.value == "x")))


async def test_a_change_gives_back_what_it_returns(database: Database) -> None:
    """`write` is a function call into the writer's thread."""
    assert await database.write(_set("one")) == "one"
    assert await database.read(_names) == {"one"}


async def test_a_change_that_raises_leaves_nothing_and_hurts_nobody(queue: Queue) -> None:
    """Work of one batch fails for itself."""

    def fails(connection: Connection) -> None:
        _set("half")(connection)
        raise DirectoryError("no")

    gate = Gate(queue.database)
    await gate.closed()
    message = make_message(lanes=(queue.lane,))
    works = (
        queue.spool.put(message),
        queue.database.write(fails),
        queue.database.write(_set("whole")),
        queue.database.write(_set("whole")),
    )
    together = asyncio.gather(*works, return_exceptions=True)
    await asyncio.sleep(0)
    await gate.open()
    put, failed, first, second = await together

    assert put is None
    assert isinstance(failed, DirectoryError)
    assert first == "whole"
    assert isinstance(second, DirectoryError)
    assert await queue.database.read(_names) == {"whole"}
    assert await queue.due() == [message.queue_id]


async def test_work_that_was_cancelled_in_time_is_not_done(queue: Queue) -> None:
    """Who went away before the commit began is not answered for."""
    gate = Gate(queue.database)
    await gate.closed()
    future = queue.spool.put(make_message(lanes=(queue.lane,)))
    future.cancel()
    await gate.open()

    await queue.put()

    assert len(await queue.due()) == 1


async def test_the_result_of_an_attempt_is_recorded_though_nobody_waits(queue: Queue) -> None:
    """A scheduler that is stopped must not make the next one deliver again."""
    message = await queue.put()
    gate = Gate(queue.database)
    await gate.closed()
    queue.spool.settle(settlement(message)).cancel()
    await gate.open()

    await queue.put()

    assert message.queue_id not in await queue.due()


async def test_what_comes_after_the_end_is_told_so(queue: Queue) -> None:
    """Nobody waits for ever for a writer that has ended."""
    gate = Gate(queue.database)
    await gate.closed()
    closing = asyncio.ensure_future(queue.database.close())
    await gate.open()
    await closing

    with pytest.raises(SpoolUnavailable):
        await queue.database.write(_set("late"))


async def test_what_waits_is_one_transaction(queue: Queue) -> None:
    """The point of a group commit: the number of commits does not follow that of messages."""
    gate = Gate(queue.database)
    await gate.closed()
    messages = [make_message(lanes=(queue.lane,)) for _ in range(50)]
    futures = [queue.spool.put(message) for message in messages]
    await gate.open()
    done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)

    assert len(done) == 50


async def test_a_writer_that_does_not_come_back_is_trouble(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New mail is refused while the database hangs."""
    monkeypatch.setattr(group_commit, "STALLED_SECONDS", 0.0)
    gate = Gate(database)
    await gate.closed()

    assert database.trouble is SpoolTrouble.AWAY

    await gate.open()
    await database.write(lambda c: c.scalar(select(func.count()).select_from(setting)))
    assert database.trouble is None


async def test_a_closed_store_takes_nothing(queue: Queue) -> None:
    """What waits is written, what comes later fails."""
    message = make_message(lanes=(queue.lane,))
    future = queue.spool.put(message)

    await queue.database.close()

    await future
    with pytest.raises(SpoolUnavailable):
        await queue.spool.put(make_message(lanes=(queue.lane,)))
