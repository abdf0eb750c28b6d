"""Pillarbox as people run it: a process of its own, a data folder of its own, free ports."""

import atexit
import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from pysqlite3 import dbapi2 as sqlite
from tests.e2e.letters import SENDER, Upstream
from tests.e2e.programs import end_group, free_port, kill_group, run
from tests.e2e.waiting import wait_until

START_SECONDS = 60.0
STOP_SECONDS = 20.0

_CHANGES = (("add",), ("change",), ("remove",))
_CHANGE_SEEN = "directory.changed"

_CONFIG = """\
data_directory = "."
master_key_file = "master.key"
host_name = "pillarbox.example"
disk_reserve_octets = 0
drain_seconds = 5

[[listeners]]
name = "submission"
address = "127.0.0.1"
port = {starttls_port}
tls = "starttls"

[[listeners]]
name = "submissions"
address = "127.0.0.1"
port = {tls_port}
tls = "tls"

[metrics]
port = {metrics_port}

[log]
level = "debug"
format = "json"
"""


def _environment() -> Mapping[str, str]:
    """That of the tests, without options of a Pillarbox that somebody else runs."""
    ours = {k: v for k, v in os.environ.items() if not k.startswith("PILLARBOX_")}
    return {**ours, "PYTHONUNBUFFERED": "1"}


def _first_start(folder: Path) -> str:
    """Make what is missing in a data folder; the settings card."""
    environment = {**_environment(), "PILLARBOX_FIRST_ACCOUNT": SENDER}
    argv = [sys.executable, "-m", "pillarbox.first_start", str(folder)]
    done = subprocess.run(argv, env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@cache
def _prepared_folder() -> tuple[Path, str]:
    """What a first start makes with the usual configuration, and the settings card: once per
    process, to be copied, as it takes a second."""
    folder = Path(mkdtemp(prefix="pillarbox-first-start-"))
    atexit.register(shutil.rmtree, folder)
    ports = {"starttls_port": 1587, "tls_port": 1465, "metrics_port": 9587}
    (folder / "pillarbox.toml").write_text(_CONFIG.format(**ports))
    return folder, _first_start(folder)


@contextmanager
def running(
    folder: Path, more_configuration: str = "", *, first_lines: str = ""
) -> Iterator["Pillarbox"]:
    """A service with the account app@sender.example and no route; it must end well."""
    pillarbox = Pillarbox(folder, more_configuration, first_lines=first_lines)
    try:
        pillarbox.start()
        yield pillarbox
    finally:
        code = pillarbox.stop()
    assert code == 0, pillarbox.log[-4000:]


class Pillarbox:
    """One service in `folder`; `start` it, and `stop` it at the end whatever happens.

    `first_lines` of its configuration are for options that stand in no table.
    """

    def __init__(
        self, folder: Path, more_configuration: str = "", *, first_lines: str = ""
    ) -> None:
        self.folder = folder
        self.config = folder / "pillarbox.toml"
        self.log_file = folder / "service.log"
        self.ca_file = folder / "tls/ca.pem"
        self.starttls_port, self.tls_port = free_port(), free_port()
        self.metrics_port = free_port()
        self.username = SENDER
        self.environment: dict[str, str] = {}
        """Added to that of its start."""
        self._process: subprocess.Popen[bytes] | None = None
        self._usual = _CONFIG.format(
            starttls_port=self.starttls_port,
            tls_port=self.tls_port,
            metrics_port=self.metrics_port,
        )
        self.config.write_text(first_lines + self._usual + more_configuration)
        self.prepare()

    def prepare(self) -> None:
        """Make what is missing, and the first account; again after another database was named."""
        self.card = self._prepare()
        self.password = self._fact("Password")

    def _prepare(self) -> str:
        """The settings card of the first account, with the ports of whoever was prepared first."""
        is_new = not (self.folder / "master.key").exists()
        if not is_new or self.config.read_text() != self._usual:
            return _first_start(self.folder)
        prepared, card = _prepared_folder()
        shutil.copytree(
            prepared, self.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.toml")
        )
        return card

    def _fact(self, name: str) -> str:
        """What stands behind a name on the settings card."""
        line = next(line for line in self.card.splitlines() if line.startswith(f"{name} "))
        return line.removeprefix(name).strip()

    def start(self) -> None:
        """Start and wait until it says that it takes mail."""
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pillarbox", "serve", "--config", str(self.config)],
                env={**_environment(), **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(self._is_ready, START_SECONDS, f"readiness\n{self.log[-4000:]}")

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"the service ended:\n{self.log[-4000:]}"
        try:
            return self.get("/readyz")[0] == http.client.OK
        except OSError:
            return False

    def kill(self) -> None:
        """SIGKILL to the supervisor and its workers, all at once."""
        assert self._process is not None
        kill_group(self._process.pid)
        self._process.wait(STOP_SECONDS)

    def stop(self) -> int:
        """SIGTERM, and SIGKILL for what is left; the exit code of the service."""
        if self._process is None:
            return 0
        end_group(self._process.pid, seconds=STOP_SECONDS)
        return self._process.wait(STOP_SECONDS)

    def get(self, path: str) -> tuple[int, str]:
        """Ask the loopback endpoint: status and text. Raises OSError when nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=5)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    @property
    def log(self) -> str:
        """What the service logged so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def events(self, name: str) -> list[dict[str, Any]]:
        """The lines of the log with this event."""
        lines = (json.loads(line) for line in self.log.split("\n") if line.startswith("{"))
        return [line for line in lines if line.get("event") == name]

    def admin(self, *words: str, stdin: str = "") -> str:
        """Run `pillarbox WORDS`, which must succeed; what it prints.

        A running service looks for changes of the directory each second: this one is awaited, not
        an earlier one that it had not seen yet. (What is suppressed is not part of it.)
        """
        argv = [sys.executable, "-m", "pillarbox", *words, "--config", str(self.config)]
        before = len(self.events(_CHANGE_SEEN))
        said = run(argv, stdin=stdin.encode()).stdout.decode()
        is_change = words[1:2] in _CHANGES and words[0] != "suppression"
        if is_change and self.is_running:
            wait_until(lambda: self._has_seen(before), 10, f"{words} to be seen")
        return said

    def _has_seen(self, before: int) -> bool:
        seen = self.events(_CHANGE_SEEN)
        database = self.folder / "pillarbox.sqlite3"
        if len(seen) <= before or not database.exists():
            return len(seen) > before
        with closing(sqlite.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            query = "SELECT value FROM setting WHERE name = 'directory_generation'"
            return bool(seen[-1]["generation"] >= int(connection.execute(query).fetchone()[0]))

    def memory_kib(self, name: str) -> int:
        """What /proc/PID/status of the worker says: VmRSS is now, VmHWM the most there was."""
        assert self._process is not None
        supervisor = self._process.pid
        children = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
        lines = Path(f"/proc/{children.split()[0]}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def admin_json(self, *words: str, stdin: str = "") -> Any:
        """Run `pillarbox WORDS --json`; what it prints, decoded."""
        return json.loads(self.admin(*words, "--json", stdin=stdin))

    def door(self, *, implicit_tls: bool) -> Upstream:
        """How the first account reaches one of the two ports."""
        port = self.tls_port if implicit_tls else self.starttls_port
        return Upstream(port, implicit_tls, self.username, self.password, self.ca_file)
