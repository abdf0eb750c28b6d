"""A client that sends a lot at once: what it costs the others, in time and in memory."""

import asyncio
import tracemalloc

import pytest
from tests.support.reception import MESSAGE, Client, Site
from tests.unit.reception.test_content import Bench

from pillarbox.config import Limits

MANY = 2000


@pytest.mark.parametrize("limits", [Limits(recipients=MANY)])
async def test_row_57_others_get_their_turn_between_the_commands_of_one(
    site: Site, logged_in: Client
) -> None:
    """Two thousand commands in one piece: after a part of them the loop goes round."""
    await logged_in.command("MAIL FROM:<u1@t1.test>")
    [connection] = site.reception._registry._members
    core = connection._core  # type: ignore[attr-defined]  # a Connection
    steps: list[int] = []

    logged_in.send(b"RCPT TO:<a@b.test>\r\n" * MANY)
    async with asyncio.timeout(20):
        while (taken := sum(steps)) < MANY:
            await asyncio.sleep(0)
            steps.append(len(core.recipients) - taken)

    assert max(steps) <= MANY // 4
    for _ in range(MANY):
        assert (await logged_in.reply()).startswith("250 2.1.5 ")
    assert (await logged_in.command("DATA")).startswith("354 ")
    logged_in.send(MESSAGE + b".\r\n")
    assert (await logged_in.reply()).startswith("250 2.0.0 ")
    assert len(site.accepted[0].recipients) == MANY


@pytest.mark.parametrize("octets", [2, 40])
async def test_row_53_content_in_crumbs_takes_no_more_memory(octets: int) -> None:
    """An object for each piece would take ten times what is counted."""
    content = Bench().content()
    tracemalloc.start()
    try:
        for _ in range(200_000 // octets):
            content.take(bytes(bytearray(octets)))
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert content.size == 200_000
    assert used < 2 * content.size
    assert content.inline() == bytes(200_000)
