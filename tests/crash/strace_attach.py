"""strace on a running process: what it does, and calls that fail or kill as the test says."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.programs import program
from tests.e2e.waiting import wait_until

ATTACH_SECONDS = 30.0
STOP_SECONDS = 10.0
SHOWN_OCTETS = 1 << 22
"""Longer data of a call would be cut off."""


class Tracer:
    """One strace. It ends with what it watches, or by `stop`."""

    def __init__(self, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.process = process
        self.output = output

    @property
    def is_over(self) -> bool:
        """Whether all processes that it watched are gone."""
        return self.process.poll() is not None

    def lines(self) -> list[str]:
        """What it wrote so far: a call in each line."""
        return self.output.read_text("latin-1").split("\n")[:-1]

    def count(self, *texts: str) -> int:
        """How many lines contain all of these."""
        return sum(all(text in line for text in texts) for line in self.lines())

    def stop(self) -> None:
        """Let the processes go on alone."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # It was about to kill a thread just now, and waits for it.
            self.process.kill()
            self.process.wait(STOP_SECONDS)


@contextlib.contextmanager
def attached(
    output: Path,
    *pids: int,
    trace: str,
    inject: str = "",
    shown_octets: int = 0,
    follows: bool = True,
) -> Iterator[Tracer]:
    """Watch the calls `trace` of these processes, their threads and their children in `output`;
    `inject` is the expression of `strace -e inject=`. Not `follows`: of these threads alone."""
    argv = [program("strace", "strace"), *["-f"] * follows, "-y", "-s", str(shown_octets)]
    argv += ["-o", str(output), "-e", f"trace={trace}", "-e", "signal=none"]
    if inject:
        argv += ["-e", f"inject={inject}"]
    for pid in pids:
        argv += ["-p", str(pid)]
    said = output.with_suffix(".said")
    with said.open("wb") as stderr:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=stderr)
    tracer = Tracer(process, output)

    def is_attached() -> bool:
        return said.read_text().count("attached") >= len(pids)

    try:
        wait_until(lambda: is_attached() or tracer.is_over, ATTACH_SECONDS, "strace attaches")
        # It may have killed them at once.
        assert is_attached(), said.read_text()
        yield tracer
    finally:
        tracer.stop()
