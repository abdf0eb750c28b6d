"""Shows an exhibit to the doctor."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

from tests.gallery.certificates import HOST, nameless, nobody, trust, trust_anew
from tests.gallery.exhibits import Domain, Exhibit, Letter
from tests.gallery.server import serving
from tests.support.mail_world import World, autoconfig, page

from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.message_form import read_message
from pillarbox.diagnosis.target import Target, read_target
from pillarbox.doctor import Account, Tools, examine
from pillarbox.doctor.domain import DomainRequest, DomainTools, look_up
from pillarbox.doctor.message import MessageRequest, examine_message
from pillarbox.doctor.talk import Means
from pillarbox.net.dns import DnsResolver
from pillarbox.net.reach import Reach
from pillarbox.net.stores import Stores

AT_ONCE = 8
"""So many are looked at together; more would only wait for the processor."""


async def visit(exhibit: Exhibit) -> Facts:
    """What the doctor sees of an exhibit."""
    if exhibit.domain is not None:
        return await _visit_domain(exhibit.domain)
    if exhibit.letter is not None:
        return await _visit_letter(exhibit.letter)
    world = World()
    target = read_target(exhibit.target)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(world.stop)
        address = world.address_of(target.host) if exhibit.has_address else "11.0.0.1"
        for port, server in exhibit.ports.items():
            world.lead(address, port, await stack.enter_async_context(serving(server)))
        addresses = [address, *exhibit.dead] if exhibit.has_address else []

        async def lookup(_: str) -> list[str]:
            return addresses

        async def connect(at: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if port in exhibit.silent:
                raise TimeoutError
            return await world.connect(at, port)

        ask = exhibit.ask
        tools = Tools(
            trust() if exhibit.vouching != "mozilla" else nobody(),
            connect,
            lookup,
            session_seconds=exhibit.seconds,
            stores=_stores(exhibit.vouching),
            ciphers=exhibit.ciphers,
        )
        account = Account(
            username=ask.username,
            password=ask.password,
            token=ask.token,
            mechanism=ask.mechanism,
            sender=ask.sender,
            recipient=ask.recipient,
            send=ask.send,
        )
        return await examine(target, tools, account)


def _stores(vouching: str) -> Stores:
    if not vouching:
        return Stores()
    known, unknown = nameless(trust_anew()), nameless(nobody())
    return Stores(known, unknown) if vouching == "system" else Stores(unknown, known)


async def _visit_domain(domain: Domain) -> Facts:
    world = World()
    async with AsyncExitStack() as stack:
        await world.start()
        stack.push_async_callback(world.stop)
        _fill(world, domain.records)
        mx = world.address_of(f"mx.{domain.name}")
        if domain.mx is not None:
            world.lead(mx, 25, await stack.enter_async_context(serving(domain.mx)))
        if domain.policy:
            path = "/.well-known/mta-sts.txt"
            await world.web(
                f"mta-sts.{domain.name}",
                {path: page(domain.policy, headers="Content-Type: text/plain\r\n")},
            )
        world.validated.update(domain.signed)
        world.bogus.update(domain.bogus)
        if domain.document:
            path = "/mail/config-v1.1.xml"
            await world.web(f"autoconfig.{domain.name}", {path: autoconfig(domain.document)})
        if domain.server_at:
            await world.mail(domain.server_at, 587)

        async def connect(at: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            if domain.blocked and port == 25:
                raise TimeoutError
            return await world.connect(at, port)

        resolver = DnsResolver.of_servers([world.dns_server])
        reach = Reach(resolver, world.trust, world.connect)
        tools = DomainTools(resolver, reach, Means(trust(), connect, 8.0))
        request = DomainRequest(
            domain.name,
            domain.selector,
            domain.address,
            domain.server,
            domain.ehlo_name,
            domain.lists,
        )
        facts = await look_up(request, tools)
    return Facts(Target(domain.name, domain.name), domain=facts)


def _fill(world: World, records: Mapping[str, str]) -> None:
    for at, texts in records.items():
        name, _, kind = at.partition(" ")
        world.dns(name, kind, *texts.split("|"))


async def _visit_letter(letter: Letter) -> Facts:
    world = World()
    async with AsyncExitStack() as stack:
        await world.start()
        stack.push_async_callback(world.stop)
        _fill(world, letter.records)
        world.broken.update(letter.broken)
        request = MessageRequest(letter.sender, letter.address, letter.is_bulk)
        resolver = DnsResolver.of_servers([world.dns_server])
        found = await examine_message(read_message(letter.octets), request, resolver)
    return Facts(Target("x.eml", "x.eml"), now=time.time(), message=found)


async def visit_all(exhibits: tuple[Exhibit, ...]) -> dict[str, Facts]:
    """The same of many, by their names."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(exhibit: Exhibit) -> Facts:
        async with gate:
            return await visit(exhibit)

    async with asyncio.TaskGroup() as group:
        tasks = {exhibit.name: group.create_task(one(exhibit)) for exhibit in exhibits}
    return {name: task.result() for name, task in tasks.items()}


__all__ = ["HOST", "visit", "visit_all"]
