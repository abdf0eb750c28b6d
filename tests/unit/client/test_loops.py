"""The asynchronous client in more than one event loop."""

import asyncio
import gc
import threading
from collections.abc import Iterator
from email.message import EmailMessage
from io import BytesIO
from typing import Any

import pytest
from tests.support.sending import letter

from pillarbox.client import ArgumentError, AsyncClient, Mail, Message, Pool, connect_async
from pillarbox.client.batch import takes_time
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


class Watched(EmailMessage):
    """Knows in which threads it was read."""

    def __init__(self, octets: int) -> None:
        super().__init__()
        self.threads: set[int] = set()
        self["From"], self["To"] = "app@t1.test", "bob@example.net"
        self.set_content(b"x" * octets, "application", "octet-stream")

    def raw_items(self) -> Iterator[tuple[str, str]]:
        """As any message; the client asks for them to make the envelope."""
        self.threads.add(threading.get_ident())
        return super().raw_items()


@pytest.mark.parametrize("is_large", [True, False])
def test_a_large_message_is_made_ready_beside_the_loop(
    smtp_server: SmtpServer, is_large: bool
) -> None:
    """One of 25 MB holds it up for two seconds; for a small one a thread would be waste."""

    async def send(messages: list[Watched]) -> None:
        async with client_of(smtp_server) as client:
            await client.send(messages[0])
            assert [each.error async for each in client.send_all(messages[1:])] == [None]

    messages = [Watched(300_000 if is_large else 3000) for _ in range(2)]
    for message in messages:
        message.threads.clear()
    asyncio.run(send(messages))

    is_here = [threading.get_ident() in message.threads for message in messages]
    assert is_here == [not is_large] * 2


@pytest.mark.parametrize(
    ("message", "is_slow"),
    [
        (b"x" * 300_000, True),
        (b"x" * 3000, False),
        (Message(sender="a@t1.test", text="x" * 300_000), True),
        (Message(sender="a@t1.test").attach(b"x" * 300_000, name="x"), True),
        (Message(sender="a@t1.test", text="x", html="y"), False),
        (Mail(BytesIO(b"x")), True),
        (None, False),
    ],
)
def test_what_would_hold_up_the_loop_is_known(message: Any, is_slow: bool) -> None:
    """By its size, without making it."""
    assert takes_time(message) is is_slow


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
