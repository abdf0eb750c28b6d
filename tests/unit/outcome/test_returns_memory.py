"""A listener that takes only what comes back: how much of it is in memory at once."""

import asyncio
import threading

from tests.support import bounces
from tests.support.reception import Client, Site
from tests.unit.outcome.conftest import Connect
from tests.unit.outcome.returning import send

from pillarbox.reception.returns_dialogue import CONTENTS


async def test_memory_for_what_comes_back_is_bounded(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Who is too much is told to come again; a connection that breaks gives its place back."""
    sent = await send(site, logged_in, connect)
    room = site.services.returns_room
    room.taken = CONTENTS
    assert (await sent.back(bounces.report(bounces.POSTFIX))).startswith("452 4.3.1 ")
    room.taken = 0

    other = await connect("returns")
    for command in ("EHLO x", "MAIL FROM:<>", f"RCPT TO:<{sent.address()}>", "DATA"):
        await other.command(command)
    assert room.taken == 1
    await other.close()
    await site.open_sessions(2)

    assert room.taken == 0
    assert (await sent.back(bounces.report(bounces.POSTFIX) + b"x\n" * 300_000)).startswith("250 ")
    assert room.taken == 0


async def test_what_is_worked_on_has_its_place(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """A store that is slow does not let more into memory; the place is free when all is done."""
    sent = await send(site, logged_in, connect)
    room, go = site.services.returns_room, threading.Event()
    client, other = await connect("returns"), await connect("returns")
    for command in ("EHLO x", "MAIL FROM:<>", f"RCPT TO:<{sent.address()}>", "DATA"):
        await client.command(command)
    slow = asyncio.create_task(site.database.write(lambda _: go.wait(20)))
    client.send(bounces.report(bounces.POSTFIX) + b".\r\n")
    for _ in range(3):
        await other.command("NOOP")

    assert room.taken == 1
    go.set()
    assert await slow
    assert (await client.reply()).startswith("250 ")
    assert room.taken == 0
