"""Postfix's smtp-sink as the next hop: it takes, counts and throws away what comes."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.programs import free_port, program
from tests.e2e.waiting import wait_until

_BACKLOG = "1000"
_LAST_LINE_OCTETS = 200
_SESSIONS = "1000"


class Sink:
    """A running smtp-sink on `port`."""

    def __init__(self, port: int, counters: Path) -> None:
        self.port = port
        self._counters = counters

    def count(self) -> int:
        """So many messages came so far."""
        with self._counters.open("rb") as file:
            file.seek(max(self._counters.stat().st_size - _LAST_LINE_OCTETS, 0))
            # sess=1 quit=1 mesg=1, and a carriage return.
            lines = file.read().split(b"\r")
        return int(lines[-2].rpartition(b"mesg=")[2]) if len(lines) > 1 else 0

    def wait_for(self, count: int, seconds: float) -> float:
        """Wait until so many have come; the time (monotonic) at which they had.

        Raises AssertionError.
        """
        wait_until(lambda: self.count() >= count, seconds, f"{count} messages at the next hop")
        return time.monotonic()


@contextmanager
def sink(folder: Path, *behaviour: str) -> Iterator[Sink]:
    """Start one; `behaviour` is options of smtp-sink."""
    port = free_port()
    counters = folder / f"sink-{port}"
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    argv = [program("smtp-sink", "postfix"), *user, "-c", "-m", _SESSIONS, *behaviour]
    with counters.open("wb") as file:
        process = subprocess.Popen([*argv, f"127.0.0.1:{port}", _BACKLOG], stdout=file)
    try:
        yield Sink(port, counters)
    finally:
        process.terminate()
        process.wait()
