"""Shows an exhibit to the doctor."""

import asyncio
from contextlib import AsyncExitStack

from tests.gallery.certificates import HOST, trust
from tests.gallery.exhibits import Exhibit
from tests.gallery.server import serving
from tests.support.mail_world import World

from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.target import read_target
from pillarbox.doctor import Account, Tools, examine

AT_ONCE = 8
"""So many are looked at together; more would only wait for the processor."""


async def visit(exhibit: Exhibit) -> Facts:
    """What the doctor sees of an exhibit."""
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
        tools = Tools(trust(), connect, lookup, session_seconds=exhibit.seconds)
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
