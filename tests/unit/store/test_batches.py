"""A batch leaves what its pieces of work leave one after the other, whatever is wrong with some."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from tests.support.storing import LATER, NO, OK, OWNER, make_message, open_database, record
from tests.support.storing import settlement as made_settlement

from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.spooled import CHUNK_OCTETS, SpooledMessage
from pillarbox.route import lane_id
from pillarbox.store import schema
from pillarbox.store.batch import RowsWork, Work
from pillarbox.store.batch_runner import BatchRunner
from pillarbox.store.engine import open_engines
from pillarbox.store.records import Settlement
from pillarbox.store.spool_work import NewLanes, PutWork, SettleWork
from pillarbox.store.statements import Do
from pillarbox.store.writer_connection import WriterConnection

OURS, FOREIGN = lane_id("ours", 0), lane_id("foreign", 0)
STATES = (RecipientState.DELIVERED, RecipientState.DEFERRED, RecipientState.FAILED)
MIB = 1024 * 1024
PAGE_CACHE_OCTETS = 32 * MIB
"""Of SQLite: what was written last (store.engine)."""
TABLES = (schema.message, schema.recipient, schema.attempt, schema.content)


class House:
    """A database, and what writes into it in this thread."""

    def __init__(self, writer: WriterConnection) -> None:
        self.writer = writer
        self.runner = BatchRunner(writer)
        self.lanes = NewLanes()
        self.lanes.know(OURS, "ours", 0)
        self.lanes.know(FOREIGN, "foreign", 0)

    def put(self, message: SpooledMessage) -> Work[Any]:
        """A message."""
        return PutWork(None, message=deepcopy(message), lanes=self.lanes)

    def settle(self, result: Settlement) -> Work[Any]:
        """The result of an attempt."""
        owner = result.lane_id, result.owner
        return SettleWork(None, settlement=deepcopy(result), lanes=self.lanes, lane_owner=owner)

    def run(self, works: list[Work[Any]], *, together: bool) -> list[object]:
        """What becomes of each."""
        batches = [works] if together else [[work] for work in works]
        ended = [each for batch in batches for each in self.runner.run(batch)]
        found = {id(work): type(error) if error else work.result for work, error in ended}
        return [found[id(work)] for work in works]

    def own(self) -> None:
        """One of the lanes is ours, the other somebody else's."""
        table = schema.lane
        self.writer.begin()
        for lane, owner in ((OURS, OWNER), (FOREIGN, "thief")):
            self.writer.connection.execute(
                update(table).where(table.c.id == lane).values(owner=owner)
            )
        self.writer.commit()

    def rows(self) -> list[str]:
        """All that there is."""
        connection = self.writer.connection
        return sorted(str((t.name, *row)) for t in TABLES for row in connection.execute(select(t)))


@contextmanager
def opened(file: Path) -> Iterator[House]:
    """A new database."""
    url = f"sqlite:///{file}"
    open_database(url).close_now()
    engines = open_engines(url)
    writer = WriterConnection(engines.writer, engines.file)
    writer.open()
    try:
        yield House(writer)
    finally:
        writer.drop()
        engines.dispose()


def drawn(chance: random.Random, messages: list[SpooledMessage], count: int) -> list[Settlement]:
    """So many results: most are right, some come twice, or too late, or for a foreign lane, or
    bring a report that is there already."""
    found = []
    for _ in range(count):
        message = chance.choice(messages)
        records = []
        for spooled in message.recipients[chance.randrange(2) :] or message.recipients:
            state = chance.choice(STATES)
            due = None if state.is_final else 10**12
            attempts = chance.choice((1, 1, 1, 2))
            answer = chance.choice((OK, NO, LATER))
            number = spooled.recipient.number
            records.append(
                record(number, state, attempts=attempts, next_attempt_at=due, answer=answer)
            )
        dsns: tuple[SpooledMessage, ...] = ()
        if chance.random() < 0.1:
            new = make_message("alice@here.example", lanes=[OURS], sender="")
            dsns = (chance.choice((new, new, messages[0])),)
        kept = chance.choice((None, None, 10**13))
        found.append(made_settlement(message, *records, keep_content_until=kept, dsns=dsns))
    return found


@pytest.mark.parametrize("count", [1, 32, 33, 65])
def test_together_is_as_one_after_the_other(tmp_path: Path, count: int) -> None:
    """Around the number of rows that go by one statement."""
    chance = random.Random(count)
    lanes = [[OURS], [OURS], [OURS], [FOREIGN]]
    messages = [
        make_message(*["bob@far.example"] * chance.choice((1, 1, 3)), lanes=chance.choice(lanes))
        for _ in range(count)
    ]
    with opened(tmp_path / "one.db") as one, opened(tmp_path / "other.db") as other:
        for house, together in ((one, True), (other, False)):
            house.run([house.put(message) for message in messages], together=together)
            house.own()
        right = [
            made_settlement(message, record(spooled.recipient.number, RecipientState.DELIVERED))
            for message in messages[::2]
            for spooled in message.recipients
        ]
        for results in (right, *(drawn(chance, messages, count) for _ in range(2))):
            said = one.run([one.settle(each) for each in results], together=True)
            assert said == other.run([other.settle(each) for each in results], together=False)
            assert one.rows() == other.rows()


def test_what_was_written_does_not_stay_in_memory(tmp_path: Path) -> None:
    """A prepared statement keeps what was bound to it, and there is one for each number of rows."""
    chunk = bytes(CHUNK_OCTETS)
    with opened(tmp_path / "pillarbox.db") as house:
        before = resident_octets()
        for queue_id in range(2, 33):
            rows = [(Do.INSERT_CONTENT, (queue_id, number, chunk)) for number in range(queue_id)]
            house.run([RowsWork(None, rows=rows)], together=True)

        assert resident_octets() - before < PAGE_CACHE_OCTETS + 32 * MIB


def resident_octets() -> int:
    """What this process has in memory (proc_pid_statm(5))."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
