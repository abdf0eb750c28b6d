"""A listener that takes only what comes back: how much of it is in memory at once."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from tests.support import bounces
from tests.support.reception import Client, Site
from tests.unit.outcome.conftest import Connect
from tests.unit.outcome.returning import send

from pillarbox.reception.returns_dialogue import CONTENTS, ReturnsDialogue
from pillarbox.reception.sessions import Story
from pillarbox.smtp.server import ServerProtocol


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


class Later:
    """A shell that runs nothing before it is told to."""

    def __init__(self) -> None:
        self.waiting: list[Coroutine[Any, Any, None]] = []

    def proceed(self) -> None:
        """Nothing is written."""

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Keep it."""
        self.waiting.append(work)


async def test_a_session_that_times_out_before_its_content_is_read(
    site: Site, logged_in: Client, connect: Connect
) -> None:
    """Its transaction is gone by then: nothing is recorded, and its place is free."""
    sent = await send(site, logged_in, connect)
    door, shell = site.reception._doors["returns"], Later()
    desk = site.services.returns
    assert desk is not None
    core = ServerProtocol(door.settings, session_id="s1")
    dialogue = ReturnsDialogue(door, desk, core, Story(1, "returns", "127.0.0.1", 0, 0.0), shell)
    core.greet()
    lines = ["EHLO x", "MAIL FROM:<>", f"RCPT TO:<{sent.address()}>", "DATA"]
    blocks = [f"{line}\r\n".encode() for line in lines]
    for block in (*blocks, bounces.report(bounces.POSTFIX) + b".\r\n"):
        while shell.waiting:
            await shell.waiting.pop()
        core.receive(block)
        while (event := core.next_event()) is not None:
            dialogue.handle(event)
    (finish,) = shell.waiting

    core.time_out()
    await finish

    assert site.services.returns_room.taken == 0
    assert await sent.returned() == []
