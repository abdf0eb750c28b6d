"""The asynchronous client in more than one event loop."""

import asyncio
import gc
import threading
from collections.abc import Iterator

import pytest
from tests.support.sending import letter

from pillarbox.client import ArgumentError, AsyncClient, Pool, connect_async
from pillarbox.testing import SmtpServer

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def collect() -> Iterator[None]:
    """Connections that a loop leaves behind are closed by the garbage collector alone: now, and not
    in another test."""
    yield
    gc.collect()


def client_of(server: SmtpServer) -> AsyncClient:
    """A client with one connection at a time."""
    return connect_async(
        f"smtp://{server.host}:{server.port}",
        auth=(server.username, server.password),
        ca_file=str(server.ca_file),
        pool=Pool(connections=1, wait=20),
    )


def test_client_outlives_the_loop_that_it_was_used_in(smtp_server: SmtpServer) -> None:
    """A program may call asyncio.run() for each message: what the first loop left is forgotten,
    also by whoever closes the client."""
    client = client_of(smtp_server)

    async def send() -> bool:
        async with asyncio.timeout(30):
            return (await client.send(letter())).is_complete

    assert [asyncio.run(send()) for _ in range(3)] == [True, True, True]
    asyncio.run(client.close())
    assert smtp_server.connections == 3


def test_client_of_a_loop_that_runs_is_for_that_loop_alone(smtp_server: SmtpServer) -> None:
    """A thread with a loop of its own is told so; neither hangs."""
    client = client_of(smtp_server)
    told: list[BaseException] = []

    async def elsewhere() -> None:
        for action in (client.send(letter()), client.close()):
            with pytest.raises(ArgumentError, match=r"another event loop.*fix:") as raised:
                await action
            told.append(raised.value)

    async def here() -> None:
        async with asyncio.timeout(30), client:
            await client.send(letter())
            thread = threading.Thread(target=lambda: asyncio.run(elsewhere()))
            thread.start()
            await asyncio.to_thread(thread.join)
            await client.send(letter())

    asyncio.run(here())
    assert len(told) == 2
    assert smtp_server.connections == 1
