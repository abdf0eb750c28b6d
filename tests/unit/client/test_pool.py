"""One client for many: connections are shared, kept, aged, replaced where they are stale, and
closed; no message is sent twice (client.pooling and both clients)."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.support.sending import AnyClient, Face, letter
from tests.support.smtp_peer import Peer, serve
from tests.support.taking_peer import take_many

from pillarbox.client import (
    ClientClosed,
    ConnectionLost,
    Pool,
    PoolTimeout,
)


async def send_all(face: Face, client: AnyClient, count: int) -> None:
    """So many messages at once."""
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(face.send(client, letter()))


def contents(peers: list[Peer]) -> int:
    """How many messages came."""
    return sum(len(peer.contents) for peer in peers)


async def test_messages_share_the_connections_of_the_pool(face: Face) -> None:
    """Forty at once over at most three connections, each message once."""
    async with serve(take_many) as server:
        client = face.client(server.port, pool=Pool(connections=3))
        await send_all(face, client, 40)
        await face.close(client)

    assert 1 <= len(server.peers) <= 3
    assert contents(server.peers) == 40
    assert all(peer.commands[-1] == "QUIT" for peer in server.peers)


async def test_a_connection_takes_so_many_messages(face: Face) -> None:
    """Then it is left, with QUIT, and another one is made."""
    async with serve(take_many) as server:
        client = face.client(server.port, pool=Pool(connections=1, messages=2))
        for _ in range(5):
            await face.send(client, letter())
        await face.close(client)

    assert [len(peer.contents) for peer in server.peers] == [2, 2, 1]
    assert all(peer.commands[-1] == "QUIT" for peer in server.peers)


@pytest.mark.parametrize("pool", [Pool(age=0), Pool(idle=0)], ids=["age", "idle"])
async def test_an_old_connection_is_not_used_again(face: Face, pool: Pool) -> None:
    """Neither one that lives too long nor one that was idle too long."""
    async with serve(take_many) as server:
        client = face.client(server.port, pool=pool)
        for _ in range(3):
            await face.send(client, letter())
        await face.close(client)

    assert [len(peer.contents) for peer in server.peers] == [1, 1, 1]


async def cut_after_one(peer: Peer) -> None:
    """Takes one message and closes without a word."""
    await peer.greet("PIPELINING")
    await peer.take_message()
    peer.cut()


async def close_with_421(peer: Peer) -> None:
    """Takes one message and says that it closes."""
    await peer.greet("PIPELINING")
    await peer.take_message()
    peer.send("421 4.4.2 idle for too long")
    peer.cut()


async def close_when_used(peer: Peer) -> None:
    """Takes one message and closes in the very moment in which the next one begins."""
    await peer.greet("PIPELINING")
    await peer.take_message()
    await peer.expect("MAIL")
    peer.cut()


async def refuse_when_used(peer: Peer) -> None:
    """The same with 421."""
    await peer.greet("PIPELINING")
    await peer.take_message()
    await peer.expect("MAIL")
    peer.send("421 4.4.2 idle for too long")
    peer.cut()


STALE = [cut_after_one, close_with_421, close_when_used, refuse_when_used]


@pytest.mark.parametrize("stale", STALE, ids=[script.__name__ for script in STALE])
async def test_a_stale_connection_is_replaced(
    face: Face, stale: Callable[[Peer], Awaitable[None]]
) -> None:
    """The next message goes over a new connection, once."""
    async with serve(stale, take_many) as server:
        client = face.client(server.port)
        await face.send(client, letter(Subject="first"))
        result = await face.send(client, letter(Subject="second"))
        await face.close(client)

    assert result.is_complete
    assert [len(peer.contents) for peer in server.peers] == [1, 1]
    assert b"second" in server.peers[1].contents[0]


async def test_a_message_that_may_have_been_taken_is_not_sent_again(face: Face) -> None:
    """A kept connection that ends behind the content is no stale one."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        while not (await peer.line()).startswith("DATA"):
            peer.send("250 ok")
        peer.send("354 go")
        await peer.content()
        peer.cut()

    async with serve(script, take_many) as server:
        client = face.client(server.port)
        await face.send(client, letter())
        with pytest.raises(ConnectionLost) as raised:
            await face.send(client, letter())
        await face.close(client)

    assert raised.value.result is not None
    assert len(raised.value.result.unknown) == 2
    assert len(server.peers) == 1


async def test_a_new_connection_that_ends_at_once_is_no_stale_one(face: Face) -> None:
    """Only a kept one is replaced: a server that always closes is not asked for ever."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        peer.cut()

    async with serve(script) as server:
        with pytest.raises(ConnectionLost):
            await face.send_one(server.port, letter())

    assert len(server.peers) == 1


async def test_who_waits_too_long_is_told(face: Face) -> None:
    """The pool is full, and stays so; the message has not been sent."""
    release = asyncio.Event()
    taken = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        taken.set()
        await release.wait()
        peer.cut()

    async with serve(script) as server:
        client = face.client(server.port, pool=Pool(connections=1, wait=0.1))
        first = asyncio.create_task(face.send(client, letter()))
        await taken.wait()
        with pytest.raises(PoolTimeout) as raised:
            await face.send(client, letter())
        release.set()
        with pytest.raises(ConnectionLost):
            await first
        await face.close(client)

    assert raised.value.is_transient
    assert isinstance(raised.value, TimeoutError)


async def test_no_more_messages_begin_than_the_rate_allows(face: Face) -> None:
    """In any so many seconds, over all connections."""
    begins: list[float] = []
    loop = asyncio.get_running_loop()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        while (command := await peer.line()).startswith("MAIL"):
            begins.append(loop.time())
            while command != "DATA":
                peer.send("250 ok")
                command = await peer.line()
            peer.send("354 go")
            await peer.content()
            peer.send("250 taken")
        peer.send("221 bye")

    async with serve(script) as server:
        client = face.client(server.port, pool=Pool(connections=4, rate=(3, 0.5)))
        started = loop.time()
        await send_all(face, client, 9)
        await face.close(client)

    assert len(begins) == 9
    # The server may see the first of them late, but none before the client lets it go.
    assert begins[8] - started > 0.99


async def test_a_closed_client_sends_nothing(face: Face) -> None:
    """Neither afterwards, nor for who waits while it is closed."""
    release = asyncio.Event()
    taken = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        taken.set()
        await release.wait()
        for _ in range(3):
            peer.send("250 ok")
        await peer.expect("RCPT")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("354 go")
        await peer.content()
        peer.send("250 taken")
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        client = face.client(server.port, pool=Pool(connections=1))
        first = asyncio.create_task(face.send(client, letter()))
        await taken.wait()
        second = asyncio.create_task(face.send(client, letter()))
        await asyncio.sleep(0.05)  # whether it waits already or is refused at once, it is told
        await face.close(client)
        with pytest.raises(ClientClosed):
            await second
        release.set()
        assert (await first).is_complete
        with pytest.raises(ClientClosed):
            await face.send(client, letter())
        await face.close(client)

    assert len(server.peers) == 1


async def test_closing_does_not_wait_for_a_server_that_says_no_good_bye(face: Face) -> None:
    """Some never answer QUIT, and never close_notify (aiosmtplib#345)."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.expect("QUIT")
        await peer.until_closed()
        left.set()

    async with serve(script) as server:
        client = face.client(server.port, timeout=0.5)
        await face.send(client, letter())
        await face.close(client)
        await asyncio.wait_for(left.wait(), 20)


async def test_closing_waits_for_one_such_server_and_not_for_each_connection(face: Face) -> None:
    """A network that is gone does not hold up the end of a program for each of them."""
    together, ended = asyncio.Barrier(3), asyncio.Barrier(4)
    lines: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await together.wait()
        await peer.take_message()
        await peer.expect("QUIT")
        await peer.until_closed()
        await ended.wait()

    async with serve(script) as server, asyncio.timeout(60):
        client = face.client(server.port, timeout=1, transcript=lines)
        await send_all(face, client, 3)
        await face.close(client)
        await ended.wait()

    # What is said without waiting for an answer is in no transcript.
    assert lines.count("C: QUIT") == 1


@pytest.mark.parametrize(
    ("most", "count", "told"),
    [(10, 60, [60, *[10] * 5]), (10_000, 1500, [1000, 500])],
    ids=["learned", "usual"],
)
async def test_a_server_is_not_told_of_many_more_than_it_takes(
    face: Face, most: int, count: int, told: list[int]
) -> None:
    """Each one too many may count as an error there, and some errors end the session: 1,000 are
    what servers usually take, and one that takes less is offered no more than it took."""
    recipients = [f"r{number}@x.test" for number in range(count)]

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        while (await peer.line()).startswith("MAIL"):
            peer.send("250 ok")
            taken = 0
            while (await peer.line()).startswith("RCPT"):
                peer.send("250 ok" if taken < most else "452 4.5.3 too many recipients")
                taken += 1
            peer.send("354 go")
            await peer.content()
            peer.send("250 taken")
        peer.send("221 bye")

    async with serve(script) as server:
        result = await face.send_one(
            server.port, b"X: y\r\n\r\n", sender="a@x.test", recipients=recipients
        )

    assert [one.address for one in result.accepted] == recipients
    verbs = "".join(line[0] for line in server.commands)
    assert [
        len(group) for group in verbs.strip("EQ").strip("M").replace("D", "").split("M")
    ] == told


async def test_a_message_for_more_than_the_server_takes_at_once_goes_in_parts(face: Face) -> None:
    """RFC 9422: RCPTMAX a transaction, MAILMAX a session; a file is read for each part."""
    recipients = [f"r{number}@x.test" for number in range(7)]

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "LIMITS RCPTMAX=2 MAILMAX=3")
        for _ in range(3):
            command = await peer.line()
            if command == "QUIT":
                peer.send("221 bye")
                return
            while command != "DATA":
                peer.send("250 ok")
                command = await peer.line()
            peer.send("354 go")
            await peer.content()
            peer.send("250 taken")
        await peer.until_closed()

    async with serve(script) as server:
        result = await face.send_one(
            server.port, b"X: y\r\n\r\n", sender="a@x.test", recipients=recipients, timeout=5
        )

    assert [one.address for one in result.accepted] == recipients
    assert [len(peer.contents) for peer in server.peers] == [3, 1]
