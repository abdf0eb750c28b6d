"""A session that is over is gone at once: its TLS state is large, and the collector comes late."""

import asyncio
import gc
from collections.abc import Iterator

import pytest
from tests.support.reception import MESSAGE, USER, Client, Site

from pillarbox.reception.connection import Connection
from pillarbox.reception.dialogue import Dialogue
from pillarbox.smtp.server import ServerProtocol

CLOSED_SECONDS = 10


@pytest.fixture(autouse=True)
def _without_collector() -> Iterator[None]:
    """Only counting references frees anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _left() -> list[str]:
    kinds = (Connection, Dialogue, ServerProtocol)
    return [type(each).__name__ for each in gc.get_objects() if type(each) in kinds]


@pytest.mark.parametrize("listener", ["submission", "submissions"])
@pytest.mark.parametrize("says_quit", [True, False])
async def test_a_closed_session_leaves_nothing_in_memory(
    site: Site, listener: str, *, says_quit: bool
) -> None:
    """Whether it ended with QUIT or broke off, over STARTTLS and over TLS."""
    context = site.client_context()
    client = await Client.connect(
        site.ports[listener], context if listener == "submissions" else None
    )
    await client.reply()
    await client.command("EHLO c")
    if listener == "submission":
        await client.starttls(context)
        await client.command("EHLO c")
    assert (await client.login(USER, site.password)).startswith("235 ")
    assert (await client.message(MESSAGE)).startswith("250 ")
    if says_quit:
        await client.command("QUIT")
    await client.close()

    async with asyncio.timeout(CLOSED_SECONDS):
        # Nobody tells when the last reference goes.
        while _left():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
