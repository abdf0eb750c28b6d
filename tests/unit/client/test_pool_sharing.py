"""One client for many threads, and for tasks that are cancelled."""

import asyncio
import os
import signal
import threading
from contextlib import suppress

import pytest
from tests.support.sending import Certified, Face, letter
from tests.support.smtp_peer import Peer, serve
from tests.support.taking_peer import take_many

from pillarbox.client import AsyncClient, Client, Pool, connect, connect_async


class Interrupt(BaseException):
    """As KeyboardInterrupt, which no test can raise in a thread."""


async def test_a_task_that_is_cancelled_gives_its_turn_back() -> None:
    """While it sends and while it waits; the half message is never ended."""
    taken = asyncio.Event()

    async def stuck(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        taken.set()
        await peer.until_closed()

    async with serve(stuck, take_many) as server:
        client = connect_async(
            f"smtp://127.0.0.1:{server.port}", tls="opportunistic", pool=Pool(connections=1)
        )
        sending = asyncio.create_task(client.send(letter()))
        await taken.wait()
        waiting = [asyncio.create_task(client.send(letter())) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        sending.cancel()
        done = await asyncio.gather(sending, *waiting, return_exceptions=True)
        await client.close()

    assert [isinstance(one, asyncio.CancelledError) for one in done] == [True, False, True, False]
    assert sum(len(peer.contents) for peer in server.peers) == 2


async def test_a_turn_that_came_in_the_moment_of_cancelling_is_not_lost() -> None:
    """The waiter was handed its turn, and is cancelled before it runs."""
    client = connect_async("smtps://mx.test", pool=Pool(connections=1))
    await client._take_turn()
    waiting = asyncio.create_task(client._take_turn())
    await asyncio.sleep(0)

    client._book.give(None, 0.0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(20):
        assert (await client._take_turn()).connection is None


async def test_closing_that_ends_early_leaves_no_connection_open(face: Face) -> None:
    """By a cancellation, as that of a time limit around it, or by an interrupt."""
    together, quitting, closed = asyncio.Barrier(3), asyncio.Event(), asyncio.Barrier(4)

    async def mute(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await together.wait()
        await peer.take_message()
        if await peer.line():
            quitting.set()
        await peer.until_closed()
        await closed.wait()

    def note(line: str) -> None:
        if line == "C: QUIT" and not face.is_async:
            raise Interrupt

    async with serve(mute) as server, asyncio.timeout(20):
        client = face.client(server.port, transcript=note)
        await asyncio.gather(*(face.send(client, letter()) for _ in range(3)))
        closing = asyncio.create_task(face.close(client))
        if face.is_async:
            await quitting.wait()
            closing.cancel()
        with pytest.raises((asyncio.CancelledError, Interrupt)):
            await closing
        await closed.wait()


async def test_a_turn_that_came_in_the_moment_of_closing_leaves_no_connection_open() -> None:
    """The waiter was handed a connection, the client is closed, and the waiter is cancelled."""
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await take_many(peer)
        await peer.until_closed()
        closed.set()

    async with serve(script) as server, asyncio.timeout(20):
        client = connect_async(
            f"smtp://127.0.0.1:{server.port}", tls="opportunistic", pool=Pool(connections=1)
        )
        await client.send(letter())
        turn = await client._take_turn()
        waiting = asyncio.create_task(client.send(letter()))
        await asyncio.sleep(0)
        client._book.give(turn.connection, 0.0)
        await client.close()
        waiting.cancel()

        with pytest.raises(asyncio.CancelledError):
            await waiting
        await closed.wait()


async def test_fifty_threads_share_a_client() -> None:
    """Each thread gets its own result; no message is lost or doubled."""
    async with serve(take_many) as server:
        client = connect(
            f"smtp://127.0.0.1:{server.port}",
            tls="opportunistic",
            pool=Pool(connections=4, messages=7),
        )
        results: list[bool] = []

        def work(number: int) -> None:
            for turn in range(4):
                sent = client.send(letter(To=f"t{number}-{turn}@x.test"))
                results.append(sent[f"t{number}-{turn}@x.test"].is_accepted)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
        await asyncio.to_thread(client.close)

    assert results == [True] * 200
    recipients = [line for line in server.commands if line.startswith("RCPT")]
    assert len(recipients) == len(set(recipients)) == 200


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_process_that_is_forked_off_connects_by_itself() -> None:
    """Also where a thread of the other one held a lock of the client just then. Its good-bye ends
    its own session alone."""

    def work(client: Client) -> int:
        client.send(letter(To="first@x.test"))
        with client._lock:
            child = os.fork()
        if child == 0:
            code = 1
            signal.alarm(60)
            with suppress(BaseException):
                client.send(letter(To="child@x.test"))
                client.close()
                code = 0
            os._exit(code)
        _, status = os.waitpid(child, 0)
        client.send(letter(To="parent@x.test"))
        client.close()
        return os.waitstatus_to_exitcode(status)

    async with serve(take_many) as server:
        client = connect(f"smtp://127.0.0.1:{server.port}", tls="opportunistic", timeout=20)
        assert await asyncio.to_thread(work, client) == 0

    told = [
        [line.partition("TO:")[2] or line for line in peer.commands if line[:4] in ("RCPT", "QUIT")]
        for peer in server.peers
    ]
    assert told == [
        ["<first@x.test>", "<parent@x.test>", "QUIT"],
        ["<child@x.test>", "QUIT"],
    ]


def test_a_client_is_one_of_two_kinds(certified: Certified) -> None:
    """Made without a connection, closed by with."""
    with connect("smtps://mx.test", ca_file=certified.ca_file) as client:
        assert isinstance(client, Client)
    assert isinstance(connect_async("smtps://mx.test"), AsyncClient)
