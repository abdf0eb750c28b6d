"""Programs of the system that the end-to-end tests start: found, run, and ended for certain.

A program that is not there fails the test with the name of the package that brings it.
"""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.e2e.waiting import wait_until

ROOT = Path(__file__).parents[2]
"""The folder of the project."""

SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
FIRST_PORT, LAST_PORT = 20_000, 32_000
"""Below the ports that systems give to outgoing connections."""

END_SECONDS = 10.0


def program(name: str, package: str) -> str:
    """The path of a program. Fails, and names the package to install, where there is none."""
    found = shutil.which(name, path=SEARCH_PATH)
    assert found, f"{name} is missing: apt-get install {package}"
    return found


def needed_file(path: Path, remedy: str) -> Path:
    """A file that a test needs. Fails with the remedy where it is not there."""
    assert path.exists(), f"{path} is missing: {remedy}"
    return path


def run(
    argv: Sequence[str | Path],
    *,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: float = 60.0,
    code: int | None = 0,
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; fails with all that it said unless it ends with `code`."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}
    done = subprocess.run(
        list(map(str, argv)),
        input=stdin,
        env=environment,
        capture_output=True,
        timeout=seconds,
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert code is None or done.returncode == code, f"{argv} ended with {done.returncode}:\n{said}"
    return done


def end_group(leader: int, *, seconds: float = END_SECONDS) -> None:
    """Ask the leader of a process group to end, then kill what is left of the group."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(leader, signal.SIGTERM)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: not _is_alive(leader), seconds, f"{leader} ends")
    kill_group(leader)


def kill_group(leader: int) -> None:
    """SIGKILL to a process group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to ask does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def free_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    while True:
        port = random.SystemRandom().randrange(FIRST_PORT, LAST_PORT)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
