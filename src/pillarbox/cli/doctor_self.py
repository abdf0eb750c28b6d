"""`pillarbox doctor self`: the service on this machine, asked and looked at from beside it."""

import asyncio
import os
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pillarbox.cli.context import Cli
from pillarbox.cli.failures import Failure
from pillarbox.cli.progress_line import progress_line
from pillarbox.cli.readyz import ask
from pillarbox.cli.times import now
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.service_facts import ServiceFacts
from pillarbox.diagnosis.target import Target
from pillarbox.doctor import Tools, examine
from pillarbox.doctor.progress import Progress
from pillarbox.mail.envelope import RecipientState
from pillarbox.net.tls import client_context

if TYPE_CHECKING:
    from pillarbox.config import Listener, Settings
    from pillarbox.store.database import Database

_LOOPBACK = "127.0.0.1"


def look_at_service(cli: Cli) -> Facts:
    """All facts. Raises Failure, ConfigError and SpoolUnavailable where there is nothing to see."""
    settings = cli.settings()
    with cli.database() as database:
        service = replace(_queue(database), sources=_sources(database, settings))
    silence, problems = _readiness(settings)
    sync_milliseconds, trouble = _sync(settings.data_directory)
    service = replace(
        service,
        silence=silence,
        problems=problems,
        listeners=tuple(one.port for one in _submission(settings)),
        free_octets=shutil.disk_usage(settings.data_directory).free,
        reserve_octets=settings.disk_reserve_octets,
        sync_milliseconds=sync_milliseconds,
        sync_trouble=trouble,
    )
    with progress_line("looking at this service") as progress:
        return replace(asyncio.run(_listeners(settings, progress)), service=service)


def _submission(settings: "Settings") -> list["Listener"]:
    """Where clients log in."""
    return [one for one in settings.listeners if one.tls != "none" and not one.takes_returns]


def _readiness(settings: "Settings") -> tuple[str, tuple[str, ...]]:
    """Why it is silent, or what it says is wrong. Without the endpoint nothing is known."""
    if not settings.metrics.address:
        return "", ()
    try:
        ready, problems = ask(settings.metrics.address, settings.metrics.port)
    except Failure as failure:
        return str(failure), ()
    return "", () if ready else tuple(problems) or ("it does not say why",)


def _queue(database: "Database") -> ServiceFacts:
    from pillarbox.store import queue
    from pillarbox.store.health import damage
    from pillarbox.store.suspensions import list_suspensions

    moment = now()
    waiting = [
        line
        for line in database.read_now(lambda c: queue.count_queue(c, now=moment))
        if line.state is not RecipientState.HELD
    ]
    oldest = min(waiting, key=lambda line: line.oldest_at, default=None)
    suspended = database.read_now(list_suspensions)
    return ServiceFacts(
        damage=database.read_now(damage),
        oldest_seconds=(moment - oldest.oldest_at) / 1000 if oldest else 0.0,
        oldest_hop=oldest.hop if oldest else "",
        suspended=tuple((hop, found.cause.rstrip(".")) for hop, found in suspended.items()),
    )


def _sources(database: "Database", settings: "Settings") -> tuple[tuple[str, str], ...]:
    """What is wrong with each address that mail comes from."""
    from pillarbox.cli.source_checks import name_problem
    from pillarbox.net.binding import why_not_bound
    from pillarbox.store.sources import list_sources

    usual = settings.delivery.helo_name or settings.host_name

    async def problems() -> list[tuple[str, str]]:
        found = database.read_now(list_sources)
        return [
            (
                address,
                why_not_bound(address)
                or await name_problem(address, facts.name or usual, settings.dns_servers),
            )
            for address, facts in found.items()
        ]

    return tuple((address, problem) for address, problem in asyncio.run(problems()) if problem)


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


async def _listeners(settings: "Settings", progress: Progress) -> Facts:
    """What the listeners show to a client on this machine, under the name of the host."""
    from pillarbox.config.client import own_ca

    ca_file = own_ca(settings)
    addresses = {one.port: one.address for one in _submission(settings)}

    async def lookup(_: str) -> list[str]:
        return [_LOOPBACK]

    async def connect(_: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        address = addresses[port]
        return await usual.connect(_LOOPBACK if address == "*" else address, port)

    trust = client_context(verify=True, ca_file=str(ca_file) if ca_file else "")
    usual = Tools(trust, progress=progress)
    tools = replace(usual, connect=connect, lookup=lookup, ports=tuple(addresses))
    return await examine(Target("this service", settings.host_name), tools)
