"""Worker processes: start one, keep one running, end them.

A worker that dies is started again, at once after it ran well, with growing pauses when it keeps
dying. Its successor is told the token under which it owned lanes, so their mail goes on at once
and not when a lease ends.
"""

import asyncio
import os
import signal
import socket
import sys
import time
import uuid
from asyncio.subprocess import Process
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pillarbox.app.order import READY, WorkerOrder
from pillarbox.app.worker_line import SupervisorEnd
from pillarbox.net.openssl import environment_with_groups
from pillarbox.observe.log import log
from pillarbox.supervisor import exits

RUNS_WELL_SECONDS = 60.0
"""A worker that ran for this long died by accident: its successor starts at once."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
KILL_AFTER_SECONDS = 10.0
"""Time beyond `drain_seconds` after which a worker that does not end is killed."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all workers inherit: descriptors of listening sockets, of the life pipe and of the
    lock of the data folder, and the name of the file."""

    config_file: Path | None
    sockets: Mapping[str, int]
    life_descriptor: int
    lock_descriptor: int
    workers: int = 1


def _nobody(_slot: "Slot", _lanes: bytes) -> None:
    """There is no other worker."""


@dataclass(slots=True)
class Slot:
    """The place of one worker: which process runs in it and what became of those before.

    `failures` counts deaths since a worker last ran well; `dead_tokens` waits for a successor.
    `on_tokens` is told when `tokens` changed, `on_wake` what the worker says about lanes of others.
    `line` leads to the worker that runs.
    """

    number: int
    shared: Shared
    on_ready: Callable[[], None]
    on_tokens: Callable[[], None]
    on_wake: Callable[["Slot", bytes], None] = _nobody
    line: SupervisorEnd | None = None
    token: str = ""
    process: Process | None = None
    failures: int = 0
    dead_tokens: list[str] = field(default_factory=list)

    async def keep_running(self, stopping: asyncio.Event) -> int:
        """Run workers until `stopping`; the result is the exit code for the service."""
        while not stopping.is_set():
            started = time.monotonic()
            code, was_ready = await self._run_one(stopping)
            if stopping.is_set():
                return exits.OK if code in (0, -signal.SIGTERM) else exits.SOFTWARE
            self.dead_tokens.append(self.token)
            if code in exits.HOPELESS and not was_ready:
                log.error("worker.hopeless", number=self.number, exit_code=code)
                return code
            pause = self.pause_after(time.monotonic() - started)
            log.error(
                "worker.died",
                number=self.number,
                cause=describe_exit(code),
                restart_in_seconds=pause,
            )
            await _sleep_unless(stopping, pause)
        return exits.OK

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the worker, if one runs."""
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def pause_after(self, ran_seconds: float) -> float:
        """How long to wait before the next start."""
        if ran_seconds >= RUNS_WELL_SECONDS:
            self.failures = 0
        self.failures += 1
        if self.failures == 1:
            return 0.0
        growth: float = 2.0 ** min(self.failures - 2, 16)
        return min(FIRST_PAUSE_SECONDS * growth, LONGEST_PAUSE_SECONDS)

    @property
    def tokens(self) -> list[str]:
        """The tokens under which lanes may be owned."""
        return [*self.dead_tokens, self.token]

    async def _run_one(self, stopping: asyncio.Event) -> tuple[int, bool]:
        """Run one worker to its end: exit code and whether it was ever ready."""
        self.token = uuid.uuid4().hex
        self.on_tokens()
        try:
            self.process, status_reader, ours = await self._start()
        except OSError as error:
            # No process, memory or descriptor is left; that may pass.
            log.error("worker.not_started", number=self.number, cause=str(error))
            return exits.UNAVAILABLE, False
        self.line = line = SupervisorEnd(ours, partial(self.on_wake, self))
        log.info("worker.started", number=self.number, pid=self.process.pid)
        if stopping.is_set():
            # It was not there yet when all were told to end.
            self.send(signal.SIGTERM)
        was_ready = await _read_status(status_reader)
        if was_ready:
            # It has given back what the dead ones owned.
            self.dead_tokens.clear()
            self.on_tokens()
            self.on_ready()
        code = await self.process.wait()
        self.line = None
        line.close()
        return code, was_ready

    async def _start(self) -> tuple[Process, int, socket.socket]:
        """A worker, and our ends of its status and its line. Raises OSError."""
        with ExitStack() as theirs, ExitStack() as ours:
            status_reader, status_writer = os.pipe()
            ours.callback(os.close, status_reader)
            theirs.callback(os.close, status_writer)
            line, its_line = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            ours.enter_context(line)
            theirs.enter_context(its_line)
            order = self._order(status_writer, its_line.fileno())
            inherited = [*order.sockets.values(), order.life_descriptor, order.status_descriptor]
            inherited += [self.shared.lock_descriptor, order.line_descriptor]
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "pillarbox.worker",
                order.to_text(),
                pass_fds=inherited,
                env=environment_with_groups(os.environ),
            )
            ours.pop_all()
        return process, status_reader, line

    def _order(self, status_descriptor: int, line_descriptor: int) -> WorkerOrder:
        shared = self.shared
        return WorkerOrder(
            config_file=str(shared.config_file or ""),
            number=self.number,
            workers=shared.workers,
            token=self.token,
            dead_tokens=tuple(self.dead_tokens),
            sockets=dict(shared.sockets),
            life_descriptor=shared.life_descriptor,
            status_descriptor=status_descriptor,
            line_descriptor=line_descriptor,
        )


def describe_exit(code: int) -> str:
    """An exit code of subprocess in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"


async def end_workers(slots: list[Slot], drain_seconds: float) -> None:
    """Ask all workers to drain; kill those that do not end in time."""
    for slot in slots:
        slot.send(signal.SIGTERM)
    try:
        async with asyncio.timeout(drain_seconds + KILL_AFTER_SECONDS):
            for slot in slots:
                if slot.process is not None:
                    await slot.process.wait()
    except TimeoutError:
        for slot in slots:
            if slot.process is not None and slot.process.returncode is None:
                log.error("worker.killed", number=slot.number, cause="did not end in time")
                slot.process.kill()


async def _read_status(descriptor: int) -> bool:
    """Wait until the worker says that it is ready, or ends without."""
    loop = asyncio.get_running_loop()
    readable: asyncio.Future[None] = loop.create_future()

    def is_readable() -> None:
        loop.remove_reader(descriptor)
        if not readable.done():
            readable.set_result(None)

    loop.add_reader(descriptor, is_readable)
    try:
        await readable
        return os.read(descriptor, len(READY)) == READY
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def _sleep_unless(stopping: asyncio.Event, seconds: float) -> None:
    """Wait, but not when the service is to stop."""
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
