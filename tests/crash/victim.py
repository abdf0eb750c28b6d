"""The service under test: it can be killed, as a whole or its worker alone, and started again."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pysqlite3 import dbapi2 as sqlite
from tests.crash.content_folder import content_damage
from tests.e2e.programs import kill_group
from tests.e2e.service import START_SECONDS, STOP_SECONDS, Pillarbox, _environment
from tests.e2e.waiting import wait_until

LOG_OCTETS = 4 * 1024 * 1024
"""A log that is longer begins anew at the next start."""


@dataclass(frozen=True, slots=True)
class Start:
    """How long a start took until a greeting could be read.

    For `waited_seconds` of it the thread that was at work was ready to compute, and others had the
    processor. Supervisor and worker work one after the other, so their times add up; of workers
    that start side by side the shortest counts: that one greets.
    """

    seconds: float
    waited_seconds: float

    @property
    def own_seconds(self) -> float:
        """What it takes where nobody else computes: its own computing, the disk, and pauses."""
        return max(self.seconds - self.waited_seconds, 0.0)


def _waited_seconds(pid: int) -> float:
    """For how long the main thread of a process has stood in the run queue (proc(5): schedstat)."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/schedstat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return int(text.split()[1]) / 1e9


class Victim(Pillarbox):
    """A Pillarbox whose mail goes to a smart host; `environment` is added to that of its start."""

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        database_url: str = "",
    ) -> None:
        folder.mkdir(exist_ok=True)
        self.starts: list[Start] = []
        self.worker_starts: list[Start] = []
        """Of each worker after a dead one."""
        self._database_url = database_url
        super().__init__(folder)
        self.environment = dict(environment or {})

    def _prepare(self) -> str:
        """Few lines in the log, and the database that is wanted; then as usual."""
        text = self.config.read_text().replace('level = "debug"', 'level = "info"')
        if self._database_url:
            text = f'database_url = "{self._database_url}"\n{text}'
        self.config.write_text(text)
        return super()._prepare()

    def set_up(self, port: int) -> None:
        """All mail goes to this port; what is deferred is tried again soon. Not while it runs."""
        smart_host = ("--smarthost", f"127.0.0.1:{port}", "--tls", "none", "--per-connection", "10")
        self.admin("route", "add", *smart_host)
        self.admin("tenant", "change", "--retry-first", "1", "--retry-longest", "2")

    def start(self) -> None:
        """Start; returns with the first greeting."""
        if self.log_file.exists() and self.log_file.stat().st_size > LOG_OCTETS:
            self.log_file.unlink()
        begun = time.monotonic()
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pillarbox", "serve", "--config", str(self.config)],
                env={**_environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.await_greeting()
        seconds = time.monotonic() - begun
        workers = min(map(_waited_seconds, self._workers()), default=0.0)
        self.starts.append(Start(seconds, _waited_seconds(self._process.pid) + workers))

    def await_greeting(self) -> None:
        """Wait until a client is greeted."""
        wait_until(self._greets, START_SECONDS, "a greeting")

    def _greets(self) -> bool:
        assert self.is_running, f"the service ended:\n{self.log[-4000:]}"
        address = ("127.0.0.1", self.starttls_port)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, timeout=START_SECONDS) as client,
        ):
            return client.recv(100).startswith(b"220 ")
        return False

    def shoot(self) -> None:
        """SIGKILL to supervisor and workers, without waiting for anything."""
        assert self._process is not None
        kill_group(self._process.pid)

    def bury(self) -> None:
        """Wait until a killed service is gone."""
        assert self._process is not None
        self._process.wait(STOP_SECONDS)

    def shoot_worker(self) -> None:
        """SIGKILL to the worker alone."""
        for pid in self._workers():
            os.kill(pid, signal.SIGKILL)

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to supervisor and workers."""
        assert self._process is not None
        os.killpg(self._process.pid, number)

    def _workers(self) -> list[int]:
        assert self._process is not None
        leader = self._process.pid
        children = Path(f"/proc/{leader}/task/{leader}/children").read_text()
        return [int(pid) for pid in children.split()]

    def await_worker(self) -> None:
        """Wait until there is another worker, which greets."""
        begun = time.monotonic()
        wait_until(self._workers, START_SECONDS, "a worker")
        self.await_greeting()
        seconds = time.monotonic() - begun
        self.worker_starts.append(Start(seconds, min(map(_waited_seconds, self._workers()))))

    @property
    def database(self) -> Path:
        """SQLite's file."""
        return self.folder / "pillarbox.sqlite3"

    def damage(self) -> list[str]:
        """What SQLite finds wrong in the database, content that is not there, and files of content
        that nobody needs; only while the service does not run."""
        if self._database_url:
            return []
        # A file that is not there must not be made and found to be in order.
        uri = f"{self.database.as_uri()}?mode=rw"
        with contextlib.closing(sqlite.connect(uri, uri=True)) as connection:
            rows = [str(row[0]) for row in connection.execute("PRAGMA integrity_check")]
        damage = [row for row in rows if row != "ok"]
        return damage or asyncio.run(content_damage(self.database))


class Twin(Victim):
    """A second node over the database of another one, with its key, certificate and account."""

    def __init__(self, folder: Path, first: Victim) -> None:
        self._first = first
        super().__init__(folder, database_url=first._database_url)

    def _prepare(self) -> str:
        shutil.copytree(self._first.folder / "tls", self.folder / "tls")
        shutil.copy(self._first.folder / "master.key", self.folder)
        super()._prepare()
        return self._first.card
