"""All addresses, ports and ways of a server at once: which is wrong is seen, not guessed."""

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from statistics import median
from typing import TypeAlias

from pillarbox.diagnosis.about_tokens import read_token
from pillarbox.diagnosis.facts import Attempt, Facts, Stage
from pillarbox.diagnosis.findings import working_doors
from pillarbox.diagnosis.target import Target
from pillarbox.doctor.attempt import attempt, left_waiting
from pillarbox.doctor.login import Account, Admission, admission
from pillarbox.doctor.progress import Progress
from pillarbox.doctor.suites import list_suites
from pillarbox.doctor.talk import Means, Place
from pillarbox.doctor.tls_probe import probe_tls
from pillarbox.doctor.trials import injection, relay
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.connect import connect_failure
from pillarbox.net.reach import Connect
from pillarbox.net.stores import NO_STORES, Stores
from pillarbox.publish.client_settings import Encryption

PORTS = (25, 465, 587, 2525)
RELAY_PORT = 25
_SELDOM = frozenset({25, 2525})
MAX_TLS_PORTS = 2
"""Ten sessions each; a server mostly has one set-up of TLS for all of its ports."""

MAX_ADDRESSES = 4
LOOKUP_SECONDS = 5.0

TOTAL_SECONDS = 11.0
"""For all of it. What the first sessions leave of it the further ones have, but at least this:"""
LEAST_SECONDS = 2.0

GRACE_SECONDS = 0.5
"""So long an attempt may still take when the other way on the same port has worked: a server that
waits for TLS says nothing to who waits for its greeting."""

Lookup: TypeAlias = Callable[[str], Awaitable[list[str]]]
"""Gives the addresses of a host. Raises OSError."""


async def ask_system(host: str) -> list[str]:
    """The addresses of a host as programs of this machine see them (RFC 6724); those of IPv6 only
    where the machine has such an address itself (RFC 3493 section 6.1)."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [str(info[4][0]) for info in infos]


@dataclass(frozen=True, slots=True)
class Tools:
    """With what it is looked; other tools are for tests. `session_seconds` bounds one session: a
    server that lets people wait for its greeting waits less than that. With `ciphers` all suites
    and groups are listed; `times` is how often the stages of what works are measured. `doors`, each
    an address and a port, are tried in place of all ports of all addresses of the host."""

    trust: ssl.SSLContext
    connect: Connect = asyncio.open_connection
    lookup: Lookup = ask_system
    session_seconds: float = 8.0
    ports: tuple[int, ...] = PORTS
    progress: Progress = field(default_factory=Progress)
    stores: Stores = NO_STORES
    ciphers: bool = False
    times: int = 1
    doors: tuple[tuple[str, int], ...] | None = None


NOBODY = Account()


async def examine(target: Target, tools: Tools, account: Account = NOBODY) -> Facts:
    """All facts about a target, within some twelve seconds where nobody answers.

    At most one login is tried, with what `account` has; senders and recipients are offered and
    taken back. Nothing is sent but for `account.send`.
    """
    now, deadline = time.time(), asyncio.get_running_loop().time() + TOTAL_SECONDS
    token = read_token(account.token) if account.token else None
    if token and token.malformed:
        # The finding says what is wrong with it; the server would only refuse.
        account = Account(account.username)
    doors: tuple[tuple[str, int], ...] | Failure | None = tools.doors
    if doors is None:
        doors = await tools.progress.watch("addresses", _doors(target, tools))
    if isinstance(doors, Failure):
        return Facts(target, lookup_failure=doors, now=now, token=token)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_both_ways(target.host, address, port, tools))
            for address, port in doors
        ]
    attempts = tuple(one for task in tasks for one in task.result())
    found = tuple(dict.fromkeys(address for address, _ in doors))
    facts = Facts(target, found, attempts, now=now, username=account.username, token=token)
    left = max(LEAST_SECONDS, deadline - asyncio.get_running_loop().time())
    means = Means(tools.trust, tools.connect, min(tools.session_seconds, left), tools.stores)
    facts = await _further(facts, means, account, tools.progress)
    return await _longer(facts, means, tools)


async def _further(facts: Facts, means: Means, account: Account, progress: Progress) -> Facts:
    """What more sessions tell, all at once, one of each kind for a port that works."""
    places, watch = _places(facts), progress.watch
    starting = [place for place in places if place.encryption is Encryption.STARTTLS]
    async with asyncio.TaskGroup() as group:
        start = group.create_task
        relays = [start(watch("relaying", relay(place, means))) for place in places]
        injections = [start(watch("injection", injection(place, means))) for place in starting]
        probes = [start(watch("TLS", probe_tls(place, means))) for place in _tls_places(facts)]
        entry = start(watch("login", _admission(places, means, account)))
    admitted = entry.result()
    return replace(
        facts,
        relays=tuple(r for task in relays if (r := task.result()) is not None),
        injections=tuple(i for task in injections if (i := task.result()) is not None),
        tls=tuple(task.result() for task in probes),
        login=admitted.login,
        sender=admitted.sender,
    )


async def _longer(facts: Facts, means: Means, tools: Tools) -> Facts:
    """What takes its time and is done only where it is asked for."""
    if tools.ciphers:
        looks = [
            tools.progress.watch(f"suites at port {place.port}", list_suites(place, means))
            for place in _tls_places(facts)
        ]
        facts = replace(facts, suites=tuple(await asyncio.gather(*looks)))
    if tools.times > 1:
        again = [_measured(one, facts.target.host, means, tools) for one in facts.attempts]
        facts = replace(facts, attempts=tuple(await asyncio.gather(*again)), times=tools.times)
    return facts


async def _measured(one: Attempt, host: str, means: Means, tools: Tools) -> Attempt:
    """The same attempt with the median of some times in each stage; one that failed as it is."""
    if not one.works:
        return one
    place = Place(host, one.address, one.port, one.encryption)
    seen = [one]
    for _ in range(tools.times - 1):
        again = await tools.progress.watch(f"port {one.port} again", attempt(place, means))
        if again.works:
            seen.append(again)
    steps = []
    for step in one.steps:
        took = [found.milliseconds for other in seen if (found := other.has(step.stage))]
        steps.append(replace(step, milliseconds=round(median(took))))
    return replace(one, steps=tuple(steps))


def _places(facts: Facts) -> list[Place]:
    """Each port and way that works, at the first address at which it does."""
    chosen = []
    for door in working_doors(facts):
        works = (a for a in facts.attempts if a.works)
        at = next(a for a in works if (a.port, a.encryption) == (door.port, door.encryption))
        chosen.append(Place(facts.target.host, at.address, door.port, door.encryption))
    return chosen


def _tls_places(facts: Facts) -> list[Place]:
    """Where TLS was reached, whatever became of it: the port that was asked for and those for
    submission first, each once."""
    chosen: dict[int, Place] = {}
    asked = facts.target.port
    for one in sorted(facts.attempts, key=lambda a: (a.port != asked, a.port in _SELDOM)):
        reached = one.has(Stage.TLS)
        if reached and (one.failure is None or one.failure.kind is not FailureKind.NOT_TLS):
            place = Place(facts.target.host, one.address, one.port, one.encryption)
            chosen.setdefault(one.port, place)
    return list(chosen.values())[:MAX_TLS_PORTS]


async def _admission(places: list[Place], means: Means, account: Account) -> Admission:
    """One try, at the port that was asked for or else one for submission."""
    if not places or not (account.logs_in or account.sender):
        return Admission()
    best = next((place for place in places if place.port != RELAY_PORT), places[0])
    return await admission(best, means, account)


async def _doors(target: Target, tools: Tools) -> tuple[tuple[str, int], ...] | Failure:
    """Address and port of all that is tried."""
    found = await _addresses(target.host, tools)
    if isinstance(found, Failure):
        return found
    ports = sorted({*tools.ports, *([target.port] if target.port else [])})
    return tuple((address, port) for port in ports for address in found)


async def _addresses(host: str, tools: Tools) -> list[str] | Failure:
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]
    try:
        async with asyncio.timeout(LOOKUP_SECONDS):
            found = await tools.lookup(host)
    except TimeoutError:
        return Failure(FailureKind.NAME_LOOKUP_FAILED)
    except OSError as exc:
        return connect_failure(exc)
    if not found:
        return Failure(FailureKind.NAME_NOT_FOUND)
    return list(dict.fromkeys(found))[:MAX_ADDRESSES]


async def _both_ways(host: str, address: str, port: int, tools: Tools) -> list[Attempt]:
    """Both ways of encryption on one port, at the same time."""
    means = Means(tools.trust, tools.connect, tools.session_seconds)
    places = [Place(host, address, port, encryption) for encryption in Encryption]
    tasks: dict[asyncio.Task[Attempt], Place] = {}
    async with asyncio.TaskGroup() as group:
        for place in places:
            what = f"port {port}, {place.encryption.value}"
            task = group.create_task(tools.progress.watch(what, attempt(place, means)))
            tasks[task] = place
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if waiting and any(task.result().works for task in done):
            _, waiting = await asyncio.wait(waiting, timeout=GRACE_SECONDS)
            for task in waiting:
                task.cancel()
    return [left_waiting(place) if t.cancelled() else t.result() for t, place in tasks.items()]
