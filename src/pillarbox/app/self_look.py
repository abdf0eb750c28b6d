"""What the doctor looks at of the service on this machine, from beside it or from inside."""

import asyncio
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

from pillarbox.app.source_checks import name_problem
from pillarbox.config import Settings
from pillarbox.config.client import own_ca
from pillarbox.diagnosis.domain_facts import AddressFacts
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.finding import Severity
from pillarbox.diagnosis.findings import findings
from pillarbox.diagnosis.service_facts import ClockFacts, ServiceFacts
from pillarbox.diagnosis.target import Target
from pillarbox.doctor import Tools, examine
from pillarbox.doctor.domain import address_facts
from pillarbox.doctor.progress import Progress
from pillarbox.errors import ConfigError, DnsFailure
from pillarbox.mail.envelope import RecipientState, Timestamp
from pillarbox.net.binding import why_not_bound
from pillarbox.net.clocks import clock_ahead_seconds, is_clock_kept
from pillarbox.net.dns import DnsResolver
from pillarbox.net.tls import client_context
from pillarbox.reception.own_look import OWN_LOOK_ADDRESS, OWN_LOOK_PORTS
from pillarbox.route import MxHosts
from pillarbox.store import queue
from pillarbox.store.admin.keys import count_by_key
from pillarbox.store.admin.routes import list_routes
from pillarbox.store.clock import read_clock
from pillarbox.store.database import Database
from pillarbox.store.health import damage
from pillarbox.store.seal import key_id
from pillarbox.store.self_looks import KnownFinding, SelfLook, last_look
from pillarbox.store.sources import list_sources
from pillarbox.store.suspensions import list_suspensions

ADDRESS_SECONDS = 20.0

_PORT_TRIES = 8
"""A port that a session has just used can not be used again for a minute."""

_LOOPBACK, _LOOPBACK_6 = "127.0.0.1", "::1"
_ELSEWHERE = ("192.0.2.1", 9)
"""Nobody's (RFC 5737): no packet is sent to find out by which address it would leave."""


@dataclass(frozen=True, slots=True)
class SelfLooker:
    """One look at the service of `settings`. Whether SQLite's file is whole is asked up to a size
    of `most_octets`: all of it is read. `read_keys` gives the master keys as they are now."""

    settings: Settings
    database: Database
    progress: Progress
    most_octets: float = float("inf")
    read_keys: Callable[[], Sequence[bytes]] | None = None

    async def look(self) -> Facts:
        """All facts. Raises SpoolUnavailable."""
        watch = self.progress.watch
        before = await self.database.read(lambda c: last_look(c, self.settings.host_name))
        try:
            async with asyncio.TaskGroup() as group:
                start = group.create_task
                stored = start(watch("database", self._stored()))
                clock = start(watch("clock", self._clock()))
                address = start(watch("address", self._address()))
                sources = start(watch("sources", self._sources()))
                disk = start(asyncio.to_thread(self._disk))
                seen = start(self._listeners())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        service = replace(
            stored.result(),
            clock=clock.result(),
            address=address.result(),
            sources=sources.result(),
            earlier_address=before.address,
        )
        return replace(seen.result(), service=_with_disk(service, disk.result()))

    async def outcome(self, now: Timestamp) -> SelfLook:
        """What the daily look keeps: failures and warnings. Raises SpoolUnavailable."""
        facts = await self.look()
        found: dict[tuple[str, str], KnownFinding] = {}
        for one in findings(facts):
            if one.severity is not Severity.INFO:
                known = KnownFinding(one.id, one.where, one.severity.value, one.cause, one.fix, now)
                found.setdefault((one.id, one.where), known)
        service = facts.service
        address = service.address.address if service and service.address else ""
        return SelfLook(now, address, tuple(found.values()))

    # -- the database ----------------------------------------------------------------------------

    async def _stored(self) -> ServiceFacts:
        read, moment = self.database.read, time.time_ns() // 1_000_000
        lines = await read(lambda c: queue.count_queue(c, now=moment))
        waiting = [line for line in lines if line.state is not RecipientState.HELD]
        oldest = min(waiting, key=lambda line: line.oldest_at, default=None)
        suspended = await read(list_suspensions)
        file = self.database.file
        is_small = file is None or file.stat().st_size <= self.most_octets
        return ServiceFacts(
            listeners=tuple(dict.fromkeys(port for _, port in self._doors())),
            damage=await read(damage) if is_small else (),
            oldest_seconds=(moment - oldest.oldest_at) / 1000 if oldest else 0.0,
            oldest_hop=oldest.hop if oldest else "",
            unopened=await self._unopened(),
            suspended=tuple((hop, found.cause.rstrip(".")) for hop, found in suspended.items()),
        )

    async def _unopened(self) -> tuple[tuple[str, int], ...]:
        """The keys that are missing, and how much each has sealed."""
        counts = await self.database.read(count_by_key)
        try:
            keys = self.read_keys() if self.read_keys else self.settings.master_key
        except ConfigError:
            # It was changed since the start, and is wrong: which keys there are is not known.
            return ()
        known = {None, *map(key_id, keys)}
        return tuple((key.hex(), n) for key, n in counts.items() if key and key not in known)

    # -- disk and clock --------------------------------------------------------------------------

    def _disk(self) -> ServiceFacts:
        folder = self.settings.data_directory
        milliseconds, trouble = _sync(folder)
        return ServiceFacts(
            free_octets=shutil.disk_usage(folder).free,
            reserve_octets=self.settings.disk_reserve_octets,
            sync_milliseconds=milliseconds,
            sync_trouble=trouble,
        )

    async def _clock(self) -> ClockFacts:
        servers = self.settings.self_check.time_servers
        ahead = await asyncio.gather(*(clock_ahead_seconds(*server) for server in servers))
        named = tuple((host, found) for (host, _), found in zip(servers, ahead, strict=True))
        sent = time.time()
        theirs = await self.database.read(read_clock)
        database_seconds = (sent + time.time()) / 2 - theirs / 1000
        return ClockFacts(is_clock_kept(), named, database_seconds)

    # -- the address that mail leaves from -------------------------------------------------------

    async def _address(self) -> AddressFacts | None:
        check = self.settings.self_check
        address = check.public_address or await self._own_address()
        if not address:
            return None
        ehlo_name = self.settings.delivery.helo_name or self.settings.host_name
        try:
            resolver = DnsResolver.of_servers(self.settings.dns_servers)
            async with asyncio.timeout(ADDRESS_SECONDS):
                return await address_facts(address, ehlo_name, check.block_lists, resolver)
        except (DnsFailure, TimeoutError):
            return AddressFacts(address, None, {})

    async def _own_address(self) -> str:
        """Where mail goes to MX hosts and this host has a public address of its own."""
        routes = await self.database.read(list_routes)
        if not any(isinstance(info.route.next_hop, MxHosts) for info in routes):
            return ""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(_ELSEWHERE)
            except OSError:
                return ""
            return _if_public(str(probe.getsockname()[0]))

    async def _sources(self) -> tuple[tuple[str, str], ...]:
        """What is wrong with each address that was made a source."""
        usual = self.settings.delivery.helo_name or self.settings.host_name
        found = await self.database.read(list_sources)
        problems = [
            why_not_bound(address)
            or await name_problem(address, facts.name or usual, self.settings.dns_servers)
            for address, facts in found.items()
        ]
        return tuple((at, text) for at, text in zip(found, problems, strict=True) if text)

    # -- the listeners ---------------------------------------------------------------------------

    def _doors(self) -> list[tuple[str, int]]:
        """Address and port of each listener with TLS."""
        listeners = [one for one in self.settings.listeners if not one.takes_returns]
        doors = [(_met_at(one.address), one.port) for one in listeners if one.tls != "none"]
        return sorted(dict.fromkeys(doors), key=lambda door: door[1])

    async def _listeners(self) -> Facts:
        """What they show to a client on this machine, under the name of the host."""
        ca_file = own_ca(self.settings)
        trust = client_context(verify=True, ca_file=str(ca_file) if ca_file else "")
        tools = Tools(trust, connect=_connect, progress=self.progress, doors=tuple(self._doors()))
        return await examine(Target("this service", self.settings.host_name), tools)


def _met_at(address: str) -> str:
    """Where a listener at this address is met from this machine."""
    if address == "*":
        return _LOOPBACK
    found = ip_address(address)
    if not found.is_unspecified:
        return address
    return _LOOPBACK if found.version == 4 else _LOOPBACK_6


async def _connect(address: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As reception knows the look (reception.own_look), where that can be."""
    if ip_address(address).version == 4:
        ways = [(OWN_LOOK_ADDRESS, 0)]
    else:
        ways = [("::", secrets.choice(OWN_LOOK_PORTS)) for _ in range(_PORT_TRIES)]
    for way in ways:
        with suppress(OSError):
            return await asyncio.open_connection(address, port, local_addr=way)
    return await asyncio.open_connection(address, port)


def _with_disk(service: ServiceFacts, disk: ServiceFacts) -> ServiceFacts:
    return replace(
        service,
        free_octets=disk.free_octets,
        reserve_octets=disk.reserve_octets,
        sync_milliseconds=disk.sync_milliseconds,
        sync_trouble=disk.sync_trouble,
    )


def _sync(folder: Path) -> tuple[int | None, str]:
    """How long one write to the data directory takes to reach the disk, in milliseconds."""
    began = time.monotonic()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        return None, exc.strerror or str(exc)
    return round((time.monotonic() - began) * 1000), ""


def _if_public(address: str) -> str:
    return address if ip_address(address).is_global else ""
