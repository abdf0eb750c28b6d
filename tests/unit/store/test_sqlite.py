"""The store on SQLite: the file, its durability, a full disk, a failing disk."""

import asyncio
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from tests.support.storing import (
    HOP,
    LEASE_MS,
    OWNER,
    Queue,
    make_message,
    now_ms,
    open_database,
    record,
    settlement,
    until,
)

from pillarbox.errors import ConfigError, SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import RecipientState
from pillarbox.mail.reply import reply
from pillarbox.mail.spooled import CHUNK_OCTETS
from pillarbox.observe import metrics
from pillarbox.store.admin.tenants import add_tenant, list_tenants
from pillarbox.store.database import Database
from pillarbox.store.doubt import DoubtFile
from pillarbox.store.lanes import Lanes
from pillarbox.store.records import RecipientRecord
from pillarbox.store.spool_work import NewLanes, PutWork

REPOSITORY = Path(__file__).parents[3]

CHILD = """
import asyncio, os, resource, sys
from tests.support.storing import *

async def main(url, limit):
    database = open_database(url)
    queue = Queue(database)
    await queue.put()
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    for _ in range(3):
        try:
            message = make_message(lanes=(queue.lane,), content=bytes(200_000))
            await queue.spool.put(message)
            print("durable", message.queue_id, flush=True)
        except SpoolUnavailable as error:
            print(error.trouble.value, database.trouble.value, flush=True)
    await asyncio.sleep(60 if not limit else 0)

from pillarbox.errors import SpoolUnavailable
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def _child(url: str, limit_octets: int = 0) -> "subprocess.Popen[str]":
    """A process that puts three messages, says so, and then waits."""
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, url, str(limit_octets)],
        cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(params=[16])
def tiny_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB, or as many as the test asks for."""
    if os.geteuid() != 0:
        reason = "to mount a small file system needs root"
        pytest.fail(reason) if "CI" in os.environ else pytest.skip(reason)
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={request.param}m", "tmpfs", folder], check=True
    )
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


async def test_a_message_survives_a_kill(sqlite_url: str) -> None:
    """What was said to be durable is there after kill -9."""
    with _child(sqlite_url) as child:
        assert child.stdout is not None
        ids = [int(child.stdout.readline().split()[1]) for _ in range(3)]
        child.send_signal(signal.SIGKILL)
    database = open_database(sqlite_url)

    found = await Queue(database).due()

    assert set(ids) <= set(found)
    await database.close()


async def test_only_the_owner_can_read_the_database(sqlite_url: str) -> None:
    """Mail and hashes are nobody else's business, in each of SQLite's files."""
    database = open_database(sqlite_url)
    assert database.file is not None
    await Queue(database).put()

    files = list(database.file.parent.iterdir())

    assert {file.suffix for file in files} >= {".db", ".db-wal"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await database.close()


async def test_what_lies_beside_the_database_lies_beside_the_file_and_not_a_link(
    tmp_path: Path,
) -> None:
    """The place that a link names may be another disk, and the link may be moved."""
    link, file = _linked(tmp_path)
    database = open_database(f"sqlite:///{link}")
    assert database.file == file
    await Queue(database).put()

    files = list(database.file.parent.iterdir())

    assert len(files) > 2
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    assert set(database.file.parent.parent.iterdir()) == {link, file.parent}
    await database.close()


def _linked(folder: Path) -> tuple[Path, Path]:
    """A link, and the file that it leads to, which is not there yet."""
    link, file = folder / "mail.db", folder / "there" / "mail.db"
    file.parent.mkdir()
    link.symlink_to(file)
    return link, file


def test_only_what_sqlite_needs_is_loaded(sqlite_url: str) -> None:
    """Neither the driver of PostgreSQL nor what migrates tables: they are 18 MiB in each process,
    and a fifth of what a command computes."""
    open_database(sqlite_url).close_now()
    code = (
        "import sys; from pillarbox.store.database import Database;"
        "database = Database.open(sys.argv[1], reserve_octets=0);"
        "database.migrate(); database.check_revision();"
        "print(sorted({'alembic', 'psycopg'} & set(sys.modules)))"
    )

    argv = [sys.executable, "-c", code, sqlite_url]
    result = subprocess.run(argv, capture_output=True, text=True, check=True)

    assert result.stdout == "[]\n"


def test_the_file_is_set_up_to_be_durable(sqlite_url: str) -> None:
    """A write-ahead log that is synced with every commit, and pages of 4 KiB."""
    database = open_database(sqlite_url)

    def facts(name: str) -> object:
        return database.write_now(lambda c: c.exec_driver_sql(f"PRAGMA {name}").scalar())

    assert facts("journal_mode") == "wal"
    assert facts("synchronous") == 2
    assert facts("page_size") == 4096
    assert facts("foreign_keys") == 1
    assert facts("wal_autocheckpoint") == 0
    database.close_now()


def test_readers_can_not_write(sqlite_url: str) -> None:
    """Only the writer changes anything."""
    database = open_database(sqlite_url)

    with pytest.raises(Exception, match="readonly"):
        database.read_now(lambda c: c.exec_driver_sql("DELETE FROM setting"))

    database.close_now()


@pytest.mark.parametrize(
    "url", ["sqlite://", "mysql://localhost/x", "not a url", "sqlite:////nowhere/at/all.db"]
)
def test_a_wrong_url_is_explained(url: str) -> None:
    """The administrator reads what to write instead."""
    with pytest.raises(ConfigError) as caught:
        Database.open(url, reserve_octets=0)

    assert caught.value.problems[0].hint


async def test_below_the_reserve_nothing_new_is_taken(sqlite_url: str) -> None:
    """452 at MAIL while there is still room to record what becomes of the rest."""
    database = open_database(sqlite_url, reserve_octets=1 << 60)
    queue = Queue(database)

    assert database.trouble is SpoolTrouble.FULL
    with pytest.raises(SpoolUnavailable, match="full"):
        await queue.put()
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    await database.close()


async def test_a_full_disk_refuses_and_heals(tiny_disk: Path) -> None:
    """No false success, nothing half stored, and no restart when there is room again."""
    database = open_database(f"sqlite:///{tiny_disk / 'pillarbox.db'}")
    queue = Queue(database)
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    first = await queue.put(*(f"r{number}@far.example" for number in range(500)))
    filler = tiny_disk / "filler"
    _fill(filler)
    failures = _failures()
    large = make_message(lanes=(queue.lane,), content=bytes(CHUNK_OCTETS))
    refused: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    # Past the look at the reserve, so that the disk itself is full.
    database.submit(PutWork(refused, CHUNK_OCTETS, message=large, lanes=NewLanes()))
    with pytest.raises(SpoolUnavailable) as caught:
        await refused
    settling = queue.spool.settle(settlement(first, *_large_records()))
    await until(lambda: _failures() >= failures + 2)
    filler.unlink()

    assert caught.value.trouble is SpoolTrouble.FULL
    assert not settling.done()
    assert await settling
    put = make_message(lanes=(queue.lane,))
    await until(lambda: database.trouble is None)
    await queue.spool.put(put)
    assert await queue.due() == [put.queue_id]
    await database.close()


@pytest.mark.parametrize("tiny_disk", [128], indirect=True)
async def test_room_inside_of_the_file_counts(tiny_disk: Path) -> None:
    """Mail may come as fast as it likes, it leaves the reserve alone. The file never shrinks: when
    that mail is gone, its room is used again."""
    url = f"sqlite:///{tiny_disk / 'pillarbox.db'}"
    database = open_database(url, reserve_octets=48 * 1024 * 1024)
    queue = Queue(database)
    assert await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)
    messages = []
    with suppress(SpoolUnavailable):
        while True:
            message = make_message(lanes=(queue.lane,), content=bytes(CHUNK_OCTETS))
            await queue.spool.put(message)
            messages.append(message)
    left_octets = shutil.disk_usage(tiny_disk).free
    for message in messages:
        await queue.spool.settle(settlement(message))

    assert left_octets > 24 * 1024 * 1024
    assert len(messages) > 50
    await until(lambda: database.trouble is None)
    await queue.put()
    await database.close()


def _fill(file: Path) -> None:
    """Take all the room that is left."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(16384))


def _failures() -> float:
    """Group commits that failed in this process."""
    value: float = metrics.REGISTRY.get_sample_value("pillarbox_store_failed_commits_total") or 0.0
    return value


def _large_records() -> list[RecipientRecord]:
    """More than fits into what the write-ahead log has room for already."""
    return [
        record(number, RecipientState.DELIVERED, answer=reply(250, "", "x" * 2000))
        for number in range(500)
    ]


def test_after_a_failed_write_nothing_is_taken_any_more(sqlite_url: str) -> None:
    """A disk that fails once is not asked again: the process has to start anew (the file size
    limit makes the write fail with EFBIG)."""
    with _child(sqlite_url, limit_octets=400_000) as child:
        assert child.stdout is not None
        lines = [line.split() for line in child.stdout]

    assert lines[-1] == ["bad", "bad"]
    durable = {int(words[1]) for words in lines if words[0] == "durable"}
    database = open_database(sqlite_url)
    assert durable <= set(
        database.read_now(lambda c: c.exec_driver_sql("SELECT id FROM message").scalars())
    )
    database.close_now()


async def test_messages_of_a_failed_sync_are_removed_at_the_next_start(sqlite_url: str) -> None:
    """RFC 5321 4.2.5: their clients were told 451, so they must not be delivered."""
    database = open_database(sqlite_url)
    assert database.file is not None
    doubts = DoubtFile(database.file)
    good, bad = [await Queue(database).put() for _ in range(2)]
    await database.close()
    doubts.add([bad.queue_id, 12345])

    database = open_database(sqlite_url)
    await Lanes(database).claim(HOP, owner=OWNER, lease_ms=LEASE_MS)

    assert await Queue(database).due() == [good.queue_id]
    assert doubts.read() == []
    await database.close()


async def test_two_processes_share_the_file(sqlite_url: str) -> None:
    """The command line changes things while the service writes."""
    service, command_line = open_database(sqlite_url), open_database(sqlite_url)
    queue = Queue(service)
    for _ in range(20):
        await queue.put()
        command_line.write_now(
            lambda c: c.exec_driver_sql(
                "UPDATE setting SET value = '2' WHERE name = 'queue_generation'"
            )
        )

    assert len(await queue.due()) == 20
    assert await queue.spool.queue_generation() == 2
    await service.close()
    command_line.close_now()


async def test_a_change_gets_its_turn_under_load(sqlite_url: str) -> None:
    """The command line is not starved by a service that writes all the time."""
    service, command_line = open_database(sqlite_url), open_database(sqlite_url)
    queue = Queue(service)
    stop = asyncio.Event()

    async def write() -> None:
        while not stop.is_set():
            await queue.put()

    async with asyncio.TaskGroup() as writers:
        for _ in range(20):
            writers.create_task(write())
        await asyncio.to_thread(
            lambda: [
                command_line.write_now(partial(add_tenant, name=f"t{number}", now=now_ms()))
                for number in range(5)
            ]
        )
        stop.set()

    assert len(command_line.read_now(list_tenants)) == 5
    await service.close()
    command_line.close_now()


async def test_the_log_is_moved_into_the_database(sqlite_url: str) -> None:
    """Checkpoints keep the write-ahead log small."""
    database = open_database(sqlite_url)
    assert database.file is not None
    queue = Queue(database)
    for _ in range(200):
        await queue.spool.put(make_message(lanes=(queue.lane,), content=bytes(100_000)))

    log = database.file.with_name(database.file.name + "-wal").stat().st_size

    assert log < 20_000_000
    assert database.file.stat().st_size > 10_000_000
    await database.close()


def test_the_limit_of_open_files_is_not_taken_for_a_bad_disk(sqlite_url: str) -> None:
    """Too many connections elsewhere: the database is away, not broken."""
    database = open_database(sqlite_url)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        with pytest.raises(SpoolUnavailable) as caught:
            database.write_now(lambda c: c.exec_driver_sql("SELECT 1").scalar())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert caught.value.trouble is SpoolTrouble.AWAY
    database.close_now()
