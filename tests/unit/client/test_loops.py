"""The asynchronous client in more than one event loop."""

import asyncio
import gc
import threading
import warnings
from collections.abc import Iterator
from email.message import EmailMessage
from io import BytesIO
from typing import Any

import pytest
from tests.support.sending import letter
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import ArgumentError, AsyncClient, Mail, Message, Pool, connect_async
from pillarbox.client.batch import takes_time
from pillarbox.testing import SmtpServer


@pytest.fixture(autouse=True)
def collect() -> Iterator[None]:
    """What a loop leaves behind is told by the garbage collector: now, and not in another test."""
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
        (Message, False),
        (EmailMessage, False),
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


class Listening:
    """A server that takes one message for each connection and keeps what is said last."""

    def __init__(self) -> None:
        self._last: asyncio.Queue[str] = asyncio.Queue()

    async def __call__(self, peer: Peer) -> None:
        """Serve one connection."""
        await peer.greet("PIPELINING")
        await peer.take_message()
        self._last.put_nowait(await peer.line())

    async def last_words(self) -> str:
        """Those of the next connection; "" where it ended without any."""
        async with asyncio.timeout(20):
            return await self._last.get()


async def test_connections_end_with_the_loop() -> None:
    """Nobody closed the client: the garbage collector finds none, and the server is told."""
    listening = Listening()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with serve(listening) as server:
            client = connect_async(f"smtp://127.0.0.1:{server.port}", tls="opportunistic")
            for _ in range(2):
                await asyncio.to_thread(lambda: asyncio.run(client.send(letter())))
                gc.collect()
                assert await listening.last_words() == "QUIT"

    assert [str(one.message) for one in told] == []


async def test_connections_end_with_the_client() -> None:
    """Where the loop goes on, and nobody has the client any more."""
    listening = Listening()
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        async with serve(listening) as server:
            client = connect_async(f"smtp://127.0.0.1:{server.port}", tls="opportunistic")
            await client.send(letter())
            del client
            gc.collect()
            assert await listening.last_words() == "QUIT"

    assert [str(one.message) for one in told] == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loop_that_was_closed_by_hand_is_told_of(smtp_server: SmtpServer) -> None:
    """Its connections can not be closed any more: what to do is said where the client is used
    again."""
    client = client_of(smtp_server)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.send(letter()))
    loop.close()

    with pytest.warns(ResourceWarning, match=r"left connections.*fix:.*shutdown_asyncgens"):
        assert asyncio.run(client.send(letter())).is_complete


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
