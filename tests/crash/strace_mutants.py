"""Mistakes put into a service from outside: each must be found, or the tests prove nothing.

A `sitecustomize` on PYTHONPATH changes the product as its processes start.
"""

from enum import StrEnum
from pathlib import Path

import pytest


class Mutant(StrEnum):
    """The source of each mistake."""

    EARLY_REPLY = """
from pillarbox.store.spool import Spool
put = Spool.put
def put_and_do_not_wait(self, message):
    put(self, message)
    done = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
Spool.put = put_and_do_not_wait
"""
    """250 before the commit."""

    NO_SYNC = """
from pillarbox.store import engine
set_up = engine._set_up_sqlite_writer
def set_up_carelessly(connection, record):
    set_up(connection, record)
    connection.cursor().execute("PRAGMA synchronous = OFF")
engine._set_up_sqlite_writer = set_up_carelessly
"""
    """A database that is never synced."""

    NO_FOLDER_SYNC = """
from pillarbox import files
files.sync_folder = lambda folder: None
"""
    """Names of files are not made durable."""


def infect(monkeypatch: pytest.MonkeyPatch, folder: Path, mutant: Mutant) -> None:
    """Every service that is started from now on has this mistake."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(f"import asyncio\n{mutant.value}")
    monkeypatch.setenv("PYTHONPATH", str(folder))
