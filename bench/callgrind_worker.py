"""A worker of the service as its supervisor starts it, under callgrind and with a slow clock."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

from pillarbox.app.order import WorkerOrder
from pillarbox.app.worker_line import METRICS
from pillarbox.config import load
from pillarbox.supervisor.sockets import open_sockets

SENDER = "bench@example.org"
PASSWORD = "bench-password"  # noqa: S105 - of a service that lives for a minute

CLOCK_RATE = 0.02
"""About as much slower is a program under callgrind."""

LOOK_SECONDS = 0.02
QUIET_LOOKS = 25
"""So many looks in a row have to find a worker quiet."""

CONFIG = """\
data_directory = "."
host_name = "localhost"
master_key_file = "master.key"
limits = { sessions_per_address = 1000, handshakes_per_address = 10000 }
metrics = { port = 0 }
listeners = [
  { name = "plain", address = "127.0.0.1", port = 0, tls = "none", network_login = true },
  { name = "starttls", address = "127.0.0.1", port = 0, tls = "starttls" },
  { name = "tls", address = "127.0.0.1", port = 0, tls = "tls" },
]
"""


def slow_clock() -> str:
    """The library that makes the clock of a process slower."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found or shutil.which("valgrind") is None:
        sys.exit("bench/instructions.py: apt-get install valgrind faketime")
    return str(found[0])


class Worker:
    """A worker of the real service, as its supervisor starts it, but under callgrind."""

    def __init__(self, folder: Path, hop_port: int) -> None:
        self._folder = folder
        self._config = folder / "pillarbox.toml"
        self._make_directory(hop_port)
        bound = open_sockets(load(self._config).listeners, {})
        self.ports = {name: one.getsockname()[1] for name, one in bound.items()}
        self._life = socket.socketpair()
        self._line, line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        status, its_status = socket.socketpair()
        order = WorkerOrder(
            config_file=str(self._config),
            number=0,
            workers=1,
            token=uuid.uuid4().hex,
            dead_tokens=(),
            sockets={name: one.fileno() for name, one in bound.items()},
            life_descriptor=self._life[1].fileno(),
            status_descriptor=its_status.fileno(),
            line_descriptor=line.fileno(),
        )
        inherited = [*bound.values(), self._life[1], its_status, line]
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no"]
        valgrind.append(f"--callgrind-out-file={folder}/callgrind")
        self._process = subprocess.Popen(
            [*valgrind, sys.executable, "-m", "pillarbox.worker", order.to_text()],
            pass_fds=[one.fileno() for one in inherited],
            env={**os.environ, "LD_PRELOAD": slow_clock(), "FAKETIME": f"+0 x{CLOCK_RATE}"},
            stdout=(folder / "log").open("wb"),
            stderr=subprocess.STDOUT,
        )
        its_status.close()
        if not status.recv(100):
            raise RuntimeError((folder / "log").read_text())
        self._dumps = 0
        self._control("instrumentation on")

    def _make_directory(self, hop_port: int) -> None:
        module = [sys.executable, "-m"]
        subprocess.run(
            [*module, "pillarbox.first_start", str(self._folder)],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        self._config.write_text(CONFIG)
        (self._folder / "password").write_text(PASSWORD)
        add = ["--config", str(self._config)]
        credential = ["credential", "add", SENDER, "--label"]
        hop = f"127.0.0.1:{hop_port}"
        for words in (
            ["tenant", "add", "bench"],
            ["domain", "add", "example.org", "--tenant", "bench"],
            ["account", "add", SENDER, "--tenant", "bench"],
            [*credential, "bench", "--password-file", str(self._folder / "password")],
            [*credential, "loopback", "--network", "127.0.0.0/8"],
            ["route", "add", "--tenant", "bench", "--smarthost", hop, "--tls", "none"],
        ):
            subprocess.run(
                [*module, "pillarbox", *add, *words], stdout=subprocess.DEVNULL, check=True
            )

    def _control(self, command: str) -> None:
        """Say something to callgrind; it listens whenever the worker runs."""
        words = ["vgdb", f"--pid={self._process.pid}", *command.split()]
        subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)

    def zero(self) -> None:
        """Count from here."""
        self._control("zero")

    def counted(self) -> int:
        """The instructions since `zero`."""
        self._dumps += 1
        self._control("dump")
        file = self._folder / f"callgrind.{self._dumps}"
        return int(re.findall(r"^(?:summary|totals): (\d+)", file.read_text(), re.MULTILINE)[0])

    def commits(self) -> tuple[float, float]:
        """How many commits there were, and how many pieces of work in them."""
        self._line.send(METRICS)
        text = self._line.recv(1 << 20).decode()
        sums = (
            re.search(rf"^pillarbox_store_commit_items_{name}[^ ]* (\S+)", text, re.MULTILINE)
            for name in ("count", "sum")
        )
        count, items = (float(found[1]) for found in sums if found)
        return count, items

    def is_quiet(self) -> bool:
        """Whether all of its threads wait for something."""
        states = Path(f"/proc/{self._process.pid}/task").glob("*/stat")
        return all(file.read_text().rpartition(")")[2].split()[0] == "S" for file in states)

    def wait_until_quiet(self) -> None:
        """Until it has been quiet for a while."""
        looks = 0
        while looks < QUIET_LOOKS:
            time.sleep(LOOK_SECONDS)
            looks = looks + 1 if self.is_quiet() else 0

    def stop(self) -> None:
        """End it; how does not matter."""
        self._process.kill()
        self._process.wait()
