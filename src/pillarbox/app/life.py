"""The life of a worker: start, ready, reload, drain, end. What it runs is built in app.parts."""

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import uvloop

from pillarbox.app.domain_watch import DomainWatch
from pillarbox.app.ending_watch import EndingWatch
from pillarbox.app.hop_report import HopReport
from pillarbox.app.key_watch import KeyWatch
from pillarbox.app.order import READY, WorkerOrder
from pillarbox.app.parts import Parts, build
from pillarbox.app.reload import Reloading
from pillarbox.app.self_watch import SelfWatch
from pillarbox.app.upkeep import Upkeep
from pillarbox.app.worker_line import HOPS, METRICS, READINESS, WorkerEnd
from pillarbox.config import Settings, load
from pillarbox.errors import ConfigError, SecretError, SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.observe.readiness import Readiness
from pillarbox.processors import keep_to_own
from pillarbox.store.database import Database
from pillarbox.store.self_looks import SelfLook

if TYPE_CHECKING:
    from pillarbox.net.dns import Resolver

LEAVE_SECONDS = 10.0
"""What is left after draining (the number, the database) may take this long."""

FAREWELL_SECONDS = 2.0
"""MX hosts whose sessions are open without use are told QUIT for so long."""

SELF_CHECK_OCTETS = 1_000_000_000
"""A larger database is not read once a day to see whether it is whole; `doctor --self` does."""

YOUNG_OBJECTS = 10_000
"""The collector of garbage looks after so many new objects: mail makes hardly any cycles."""


def run_worker(order: WorkerOrder, settings: Settings) -> int:
    """Run one worker until it is told to end; the exit code is one of sysexits.h."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(_run(order, settings))
    except (ConfigError, SecretError) as error:
        log.error("worker.can_not_start", cause=str(error))
        return os.EX_CONFIG
    except SpoolUnavailable as error:
        hint = "restore the last backup, or see whether database_url names the right file"
        log.error(
            "worker.can_not_start",
            cause=f"the database: {error.cause}",
            **({"hint": hint} if error.is_lost else {}),
        )
        return os.EX_IOERR if error.is_lost else os.EX_TEMPFAIL


async def _run(order: WorkerOrder, settings: Settings) -> int:
    keep_to_own(order.number, order.workers)
    # Sockets come first: without a word the supervisor would wait for a worker that failed.
    sockets = {name: socket.socket(fileno=number) for name, number in order.sockets.items()}
    line = WorkerEnd(socket.socket(fileno=order.line_descriptor))
    database = Database.open(settings.database_url, reserve_octets=settings.disk_reserve_octets)
    try:
        database.migrate()
        parts = await build(order, settings, database, line.wake_owner)
        gc.collect()
        gc.freeze()
        gc.set_threshold(YOUNG_OBJECTS)
        return await _Life(order, settings, parts, sockets, line).run()
    finally:
        line.close()
        await database.close()


@dataclass(slots=True)
class _Life:
    """One worker that has all its parts."""

    order: WorkerOrder
    settings: Settings
    parts: Parts
    sockets: dict[str, socket.socket]
    line: WorkerEnd
    exit_code: int = os.EX_OK
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> int:
        """Serve until SIGTERM, the end of the supervisor, or a cause to give up."""
        reloading = Reloading(
            self.order.config_path,
            self.settings,
            self.parts.reception,
            self.parts.services_for,
        )
        self._take_signals(reloading)
        parts = self.parts
        self.line.listen(
            {
                METRICS: lambda _: metrics.exposition(),
                READINESS: lambda _: self._readiness().to_json(),
                HOPS: HopReport(parts.scheduler, parts.couriers, parts.clock.timestamp).answer,
            },
            self.parts.scheduler.wake,
        )
        upkeep = self._upkeep()
        try:
            async with asyncio.TaskGroup() as tasks:
                beside = [
                    tasks.create_task(upkeep.follow()),
                    tasks.create_task(upkeep.keep_number()),
                    tasks.create_task(self.parts.offering.keep_keys()),
                    *map(tasks.create_task, self._reports()),
                    *map(tasks.create_task, self._once_a_machine(upkeep)),
                    tasks.create_task(self._say_ready()),
                ]
                tasks.create_task(self.parts.scheduler.run())
                tasks.create_task(self.parts.reception.run(self.sockets, self.ready))
                if self.parts.publisher is not None:
                    self.parts.publisher.start(self.sockets[self.settings.publishing.name])
                await self.ending.wait()
                await self._drain()
                for task in beside:
                    task.cancel()
        finally:
            self.line.close()
            await self._leave()
        return self.exit_code

    def give_up(self, cause: str) -> None:
        """End the worker; the supervisor starts another one from what is durable."""
        log.error("worker.gives_up", cause=cause)
        self.exit_code = os.EX_TEMPFAIL
        self.ending.set()

    def _upkeep(self) -> Upkeep:
        parts = self.parts
        return Upkeep(
            database=parts.stores.database,
            directory=parts.stores.directory,
            instances=parts.stores.instances,
            spool=parts.stores.spool,
            clock=parts.clock,
            token=self.order.token,
            instance=parts.stores.instance,
            trace_days=self.settings.trace_days,
            give_up=self.give_up,
            watches=parts.watches,
            suppressions=parts.stores.suppressions,
            offer_logins=parts.offering.look,
            follow_changes=parts.scheduler.follow_changes,
        )

    def _reports(self) -> list[Coroutine[None, None, None]]:
        """What is done for reports on TLS, where they are sent."""
        if self.parts.tls_reports is None:
            return []
        counting, reporting = self.parts.tls_reports
        is_first = self.order.number == 0
        return [counting.run(), reporting.run()] if is_first else [counting.run()]

    def _once_a_machine(self, upkeep: Upkeep) -> list[Coroutine[None, None, None]]:
        """What its first worker does for all."""
        if self.order.number != 0:
            return []
        parts = self.parts
        keys = KeyWatch(parts.stores.database, self._make_resolver, parts.clock)
        domains = DomainWatch(parts.stores.database, self._make_resolver, parts.clock)
        endings = EndingWatch(parts.stores.database, parts.clock)
        beside = [upkeep.prune(), keys.run(), domains.run(), endings.run()]
        if self.settings.self_check.daily:
            node = self.settings.host_name
            beside.append(
                SelfWatch(parts.stores.database, parts.clock, node, self._look_at_self).run()
            )
        return beside

    async def _look_at_self(self, now: Timestamp) -> SelfLook:
        """Loaded where it is used, once a day."""
        from pillarbox.app.self_look import SelfLooker
        from pillarbox.doctor.progress import Progress

        database = self.parts.stores.database
        looker = SelfLooker(
            self.settings,
            database,
            Progress(),
            SELF_CHECK_OCTETS,
            lambda: load(self.order.config_path).master_key,
        )
        return await looker.outcome(now)

    def _make_resolver(self) -> "Resolver":
        """Loaded where it is used: most services have nothing that waits for the DNS."""
        from pillarbox.net.dns import DnsResolver

        return DnsResolver.of_servers(self.settings.dns_servers)

    async def _say_ready(self) -> None:
        """Tell the supervisor once all listeners take connections."""
        await self.ready.wait()
        os.write(self.order.status_descriptor, READY)
        os.close(self.order.status_descriptor)
        log.info("worker.serves", number=self.order.number, instance=self.parts.stores.instance)

    def _take_signals(self, reloading: Reloading) -> None:
        """The supervisor hands on SIGTERM and SIGHUP. SIGINT from the keyboard comes to all
        processes; the supervisor makes a SIGTERM of it."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.ending.set)
        loop.add_signal_handler(signal.SIGHUP, reloading.reload)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop.add_reader(self.order.life_descriptor, self._supervisor_died)

    def _supervisor_died(self) -> None:
        asyncio.get_running_loop().remove_reader(self.order.life_descriptor)
        log.error("worker.supervisor_died")
        self.exit_code = os.EX_UNAVAILABLE
        self.ending.set()

    async def _drain(self) -> None:
        """Sessions end with 421 4.3.2, attempts may end, lanes are given back."""
        metrics.DRAINING.set(1)
        seconds = self.settings.drain_seconds
        log.info("worker.draining", number=self.order.number, drain_seconds=seconds)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.parts.reception.stop(seconds))
            if self.parts.publisher is not None:
                tasks.create_task(self.parts.publisher.close())
            tasks.create_task(self.parts.scheduler.drain(seconds))

    async def _leave(self) -> None:
        """Give back the number and what is leased."""
        self.parts.authenticator.close()
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await self.parts.tokens.close()
                await self.parts.sending.close()
                if self.parts.tls_reports is not None:
                    await self.parts.tls_reports[0].flush()
                await self.parts.stores.instances.release(self.order.token)
        except (SpoolUnavailable, TimeoutError):
            log.warning("instance.not_released", number=self.parts.stores.instance)
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self.parts.couriers.close()

    def _readiness(self) -> Readiness:
        problems = []
        if self.ending.is_set():
            problems.append("draining: the service ends")
        elif not self.ready.is_set():
            problems.append("starting: the listeners are not open yet")
        trouble = self.parts.stores.database.trouble
        if trouble is not None:
            problems.append(f"spool: {_TROUBLE[trouble]}")
        return Readiness(problems)


_TROUBLE = {
    SpoolTrouble.FULL: "full: the disk has less free space than disk_reserve_octets",
    SpoolTrouble.AWAY: "away: the database does not answer",
    SpoolTrouble.BAD: "bad: a write failed; the worker starts again",
}
