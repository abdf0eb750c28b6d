"""How a worker ends that can not begin."""

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from pillarbox.app.life import run_worker
from pillarbox.app.order import WorkerOrder
from pillarbox.config import load
from pillarbox.supervisor.exits import HOPELESS


@pytest.fixture
def order() -> Iterator[WorkerOrder]:
    """Without listeners."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader, writer = os.pipe()
    with theirs:
        yield WorkerOrder("", 0, 1, "token", (), {}, reader, writer, ours.detach())
    os.close(reader)
    os.close(writer)


def _damaged(folder: Path) -> bytes:
    """A database whose first page has an end where its rows should be."""
    file = folder / "other.sqlite3"
    with closing(sqlite.connect(file)) as connection:
        connection.execute("CREATE TABLE one (two INTEGER)")
    return file.read_bytes()[:100] + b"?" * 8000


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_file_that_is_no_database_ends_the_service(
    order: WorkerOrder, tmp_path: Path, is_damaged: bool
) -> None:
    """It will not become one, however often a worker is started; nothing is written over it."""
    octets = _damaged(tmp_path) if is_damaged else b"no database, but a letter\n" * 500
    file = tmp_path / "pillarbox.sqlite3"
    file.write_bytes(octets)
    (tmp_path / "pillarbox.toml").write_text('data_directory = "."\n')

    code = run_worker(order, load(tmp_path / "pillarbox.toml"))

    assert code == os.EX_IOERR
    assert code in HOPELESS
    assert file.read_bytes() == octets


def test_a_database_of_another_program_ends_the_service(order: WorkerOrder, tmp_path: Path) -> None:
    """It has a table that is named as one of ours; a worker would be started for ever."""
    file = tmp_path / "pillarbox.sqlite3"
    with closing(sqlite.connect(file)) as connection:
        connection.execute("CREATE TABLE message (subject TEXT)")
    (tmp_path / "pillarbox.toml").write_text('data_directory = "."\n')

    code = run_worker(order, load(tmp_path / "pillarbox.toml"))

    assert code == os.EX_CONFIG
    assert code in HOPELESS
