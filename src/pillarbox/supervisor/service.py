"""`pillarbox serve`: the supervisor from its start to its exit code.

It reads the configuration, binds the ports, gives up root, keeps the workers running and hands
signals on: SIGTERM and SIGINT drain, SIGHUP reloads. It takes no mail itself and never touches
the database, so there is little in it that could fail.
"""

import asyncio
import os
import signal
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

from pillarbox.app.service_socket import ServiceSocket
from pillarbox.config import Settings, load
from pillarbox.errors import ConfigError
from pillarbox.observe import log as logging
from pillarbox.observe.log import log
from pillarbox.store.folder import FolderLock
from pillarbox.supervisor import exits
from pillarbox.supervisor.endpoint import Endpoint
from pillarbox.supervisor.notify import notify
from pillarbox.supervisor.overview import Overview
from pillarbox.supervisor.privileges import (
    check_data_directory,
    check_database_file,
    check_program,
    drop_root,
    is_user,
)
from pillarbox.supervisor.processes import KILL_AFTER_SECONDS, Shared, Slot, end_workers
from pillarbox.supervisor.sockets import open_sockets
from pillarbox.supervisor.tokens import TokenFile

LOCK_AGAIN_SECONDS = 0.2


def serve(config_file: Path | None) -> int:
    """Run the service until it is told to end; the result is an exit code of sysexits.h.

    Raises ConfigError when the configuration can not be used.
    """
    file = config_file.absolute() if config_file else None
    settings = load(file)
    logging.configure(settings.log.level, settings.log.format)
    try:
        sockets = open_sockets(settings.ports, os.environ)
        drop_root(settings.user, settings.group)
        _say_who_runs(settings.user)
        check_program()
        check_data_directory(settings.data_directory)
        check_database_file(settings.database_url)
        lock = _lock_folder(settings)
        return asyncio.run(_Service(file, settings, sockets, lock).run())
    except exits.StartError as error:
        log.error("service.can_not_start", cause=str(error), hint=error.hint)
        return error.code
    finally:
        logging.close()


def _say_who_runs(user: str) -> None:
    """Warn where that is root, or somebody else than the `user` of the configuration."""
    if os.geteuid() == 0:
        log.warning("service.runs_as_root", hint="set `user` in the configuration")
    elif user and not is_user(user):
        hint = f"only root can become another user: start the service as root or as {user}"
        log.warning("service.user_not_taken", user=user, hint=hint)


def _lock_folder(settings: Settings) -> FolderLock:
    """The lock of the data folder, which lasts as long as this process and its workers.

    A worker whose supervisor died may hold it until it has drained. Raises ConfigError.
    """
    lock = FolderLock(settings.data_directory)
    deadline = time.monotonic() + settings.drain_seconds + KILL_AFTER_SECONDS
    is_told = False
    while True:
        try:
            lock.acquire()
        except ConfigError:
            if time.monotonic() > deadline:
                raise
        else:
            return lock
        if not is_told:
            is_told = True
            log.warning("service.waits", cause="another service uses the data directory")
        time.sleep(LOCK_AGAIN_SECONDS)


@dataclass(slots=True)
class _Service:
    """The running supervisor."""

    config_file: Path | None
    settings: Settings
    sockets: dict[str, socket.socket]
    lock: FolderLock
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    slots: list[Slot] = field(default_factory=list)
    ready_workers: int = 0
    tokens: TokenFile = field(init=False)

    async def run(self) -> int:
        """Start the workers, wait for the end."""
        life_reader, life_writer = os.pipe()
        descriptors = {name: bound.fileno() for name, bound in self.sockets.items()}
        workers = self.settings.workers
        shared = Shared(self.config_file, descriptors, life_reader, self.lock.descriptor, workers)
        self.tokens = TokenFile(self.settings.data_directory)
        self.slots = [
            Slot(number, shared, self._worker_is_ready, self._keep_tokens, self._wake_others)
            for number in range(workers)
        ]
        self.slots[0].dead_tokens = self.tokens.read()
        self._take_signals()
        for name, bound in self.sockets.items():
            address, port = bound.getsockname()[:2]
            log.info("listener.bound", listener=name, address=address, port=port)
        overview = Overview(self.slots, self.sockets, self.stopping)
        endpoint = Endpoint(overview.metrics, overview.readiness)
        if self.settings.metrics.address:
            await endpoint.start(self.settings.metrics.address, self.settings.metrics.port)
        commands = ServiceSocket(self.settings.data_directory, overview.hops)
        await commands.start()
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(self._keep(slot)) for slot in self.slots]
            await self.stopping.wait()
            notify("STOPPING=1")
            log.info("service.draining", drain_seconds=self.settings.drain_seconds)
            for bound in self.sockets.values():
                bound.close()
            await end_workers(self.slots, self.settings.drain_seconds)
        await endpoint.close()
        await commands.close()
        os.close(life_writer)
        code = max(task.result() for task in running)
        log.info("service.ended", exit_code=code)
        return code

    async def _keep(self, slot: Slot) -> int:
        """Keep one slot running; one that is hopeless ends the service."""
        code = await slot.keep_running(self.stopping)
        self.stopping.set()
        return code

    def _wake_others(self, speaker: Slot, lanes: bytes) -> None:
        for slot in self.slots:
            if slot is not speaker and slot.line is not None:
                slot.line.wake(lanes)

    def _keep_tokens(self) -> None:
        self.tokens.write(token for slot in self.slots for token in slot.tokens)

    def _worker_is_ready(self) -> None:
        self.ready_workers += 1
        log.info("worker.ready")
        if self.ready_workers == len(self.slots):
            log.info("service.ready", workers=len(self.slots), pid=os.getpid())
            notify(f"READY=1\nMAINPID={os.getpid()}")

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        loop.add_signal_handler(signal.SIGHUP, self._reload)

    def _interrupt(self) -> None:
        """Ctrl-C drains; again: ends at once."""
        if self.stopping.is_set():
            for slot in self.slots:
                slot.send(signal.SIGKILL)
        self.stopping.set()

    def _reload(self) -> None:
        """Check the configuration; workers reload it only when it is good."""
        try:
            settings = load(self.config_file)
        except ConfigError as error:
            problems = [str(problem) for problem in error.problems]
            log.error("service.reload_refused", problems=problems)
            return
        logging.configure(settings.log.level, settings.log.format)
        log.info("service.reloads")
        for slot in self.slots:
            slot.send(signal.SIGHUP)
