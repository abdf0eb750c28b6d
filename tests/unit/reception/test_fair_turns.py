"""A client that sends a lot at once: what it costs the others, in time and in memory."""

import asyncio
import tracemalloc

import pytest
from tests.support.reception import MESSAGE, PATIENCE_SECONDS, USER, Client, Site
from tests.unit.reception.conftest import Connect
from tests.unit.reception.test_content import Bench

from pillarbox.config import Limits
from pillarbox.policy.clock import timestamp
from pillarbox.reception.connection import ROUND_EVENTS
from pillarbox.store.admin.credentials import add_network

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


async def test_starttls_as_the_last_command_of_a_turn_begins_one_handshake(
    site: Site, connect: Connect
) -> None:
    """The turn ends behind the decision; what goes on then must not begin TLS once more."""
    await site.change(
        lambda c: add_network(c, USER, "printer", network="127.0.0.0/8", now=timestamp())
    )
    doors = site.reception._doors
    listener = doors["submission"].listener.model_copy(update={"network_login": True})
    doors["submission"] = site.reception._door(listener)
    client = await connect("submission")
    await client.command("EHLO c.t1.test")
    recipients = ROUND_EVENTS - 2
    group = b"MAIL FROM:<u1@t1.test>\r\n" + b"RCPT TO:<a@b.test>\r\n" * recipients

    client.send(group + b"STARTTLS\r\n")
    replies = [(await client.reply())[:3] for _ in range(recipients + 2)]

    assert replies == ["250"] * (recipients + 1) + ["220"]
    await client.handshake(site.client_context())
    assert (await client.command("EHLO c.t1.test")).startswith("250-mx.test")
    assert (await client.command("QUIT")).startswith("221 ")
    # A second handshake would wait for its client, and the service for it.
    assert site.running is not None
    await site.reception.stop(PATIENCE_SECONDS)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await asyncio.shield(site.running)


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
