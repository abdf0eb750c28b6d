"""Messages that leave before the answers to those in front, over real connections."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from io import BytesIO

import pytest
from tests.support.ahead_peer import CONTENT, OFFER, group, mails, taking
from tests.support.sending import AnyClient, Certified, Face
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import (
    ArgumentError,
    AsyncClient,
    ClientClosed,
    Mail,
    Pool,
    SendResult,
    connect_async,
)


async def test_a_small_message_is_one_piece(face: Face, certified: Certified) -> None:
    """The server says nothing before it has the content, and gets it; also over TLS."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        octets = await peer.octets(len(expected))
        assert octets == expected
        peer.send("250 ok", "250 ok", "250 2.0.0 queued")
        await group(peer)

    expected = (
        b"MAIL FROM:<a@t1.test>\r\nRCPT TO:<r0@x.test>\r\nBDAT %d LAST\r\n" % len(CONTENT)
    ) + CONTENT
    for tls in (None, certified.context):
        scheme = "smtps" if tls else "smtp"
        async with serve(script, tls=tls) as server:
            result = await face.send_one(
                server.port,
                CONTENT,
                sender="a@t1.test",
                recipients="r0@x.test",
                scheme=scheme,
                ca_file=certified.ca_file,
            )
        assert result.recipients[0].text == "queued"


async def test_messages_do_not_wait_for_one_another(face: Face) -> None:
    """Ten of them are there before the first one is answered; the results come in their order."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        replies: list[str] = []
        for _ in range(10):
            for verb in ("RSET", "MAIL", "RCPT", "BDAT"):
                if verb == "RSET" and not replies:
                    continue
                command = await peer.expect(verb)
                is_refused = command == "RCPT TO:<r3@x.test>"
                replies.append("550 5.1.1 nobody" if is_refused else "250 ok")
            await peer.octets(len(CONTENT))
        peer.send(*replies)
        await group(peer)

    async with serve(script) as server:
        client = face.client(server.port)
        results = await face.send_all(client, mails(10))
        await face.close(client)

    assert [one.address for result in results for one in result] == [
        f"r{number}@x.test" for number in range(10)
    ]
    assert [result.is_complete for result in results] == [n != 3 for n in range(10)]
    assert results[3].error is not None
    assert results[3].error.result is results[3]
    assert results[3].recipients[0].code == 550


async def test_a_refusal_spoils_no_other_message(face: Face) -> None:
    """Senders, recipients and content are refused in turn; each message has its own fate."""
    refused = {"MAIL FROM:<bad@t1.test>": "550 5.7.1 no", "RCPT TO:<bad@x.test>": "550 5.1.1 no"}

    def answer(command: str) -> str:
        is_large = command.startswith("BDAT") and command.split()[1] == "50"
        return "554 5.6.0 no" if is_large else refused.get(command, "")

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        while await group(peer, answer):
            pass

    messages = [
        Mail(CONTENT, "a@t1.test", "r@x.test"),
        Mail(CONTENT, "bad@t1.test", "r@x.test"),
        Mail(CONTENT, "a@t1.test", ["bad@x.test", "r@x.test"]),
        Mail(b"X: y\r\n\r\n" + b"z" * 40 + b"\r\n", "a@t1.test", "r@x.test"),
        Mail(CONTENT, "a@t1.test", "no address"),
        Mail(CONTENT, "a@t1.test", "bad@x.test"),
        Mail(CONTENT, "a@t1.test", "r@x.test"),
    ]
    async with serve(script) as server:
        client = face.client(server.port)
        results = await face.send_all(client, messages)
        await face.close(client)

    codes = [[one.code for one in result] for result in results]
    assert codes == [[250], [550], [550, 250], [554], [], [550], [250]]
    assert isinstance(results[4].error, ArgumentError)
    assert [result.error is None for result in results] == [
        *(True, False, True, False, False, False, True)
    ]
    assert len(server.peers) == 1


async def test_all_kinds_of_messages_go_in_their_order(face: Face) -> None:
    """Those that are too large or have too many recipients to leave at once stand between others;
    a server that has neither extension gets them one by one."""
    large = b"X: y\r\n\r\n" + b"0123456789\r\n" * 10_000
    messages = [*mails(2), *mails(1, large), Mail(CONTENT, "a@t1.test", many(60)), *mails(2)]

    async def bare(peer: Peer) -> None:
        await peer.greet()
        for _ in messages:
            await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        while (command := await peer.line()) not in ("", "QUIT"):
            words = command.split()
            if words[0] == "DATA":
                peer.send("354 go")
                await peer.content()
            elif words[0] == "BDAT":
                peer.contents.append(await peer.octets(int(words[1])))
            peer.send("250 ok")
        peer.send("221 bye")

    for each in (script, bare):
        async with serve(each) as server:
            client = face.client(server.port)
            results = await face.send_all(client, messages)
            await face.close(client)

        assert all(result.is_complete for result in results)
        sizes = [len(content.removesuffix(b".\r\n")) > 1000 for content in server.peers[0].contents]
        assert sizes == [False, False, True, False, False, False]


def many(count: int) -> list[str]:
    """So many recipients."""
    return [f"m{number}@x.test" for number in range(count)]


async def test_a_file_that_can_not_be_read_keeps_none_in_front_back(face: Face) -> None:
    """As where each message is sent alone: they are gone before it is looked at."""
    closed = BytesIO()
    closed.close()

    async with serve(taking) as server:
        client = face.client(server.port)
        with pytest.raises(ValueError, match="closed file"):
            await face.send_all(client, [*mails(2), Mail(closed, "a@t1.test", "r@x.test")])
        await face.close(client)

    assert [len(peer.contents) for peer in server.peers] == [2]


async def test_a_closed_client_takes_no_more_messages(face: Face) -> None:
    """It says so, and has no result for any of them: whoever takes them out of a queue keeps them.
    Those that it has already get theirs."""
    results: list[SendResult] = []

    async def closing(client: AnyClient) -> AsyncIterator[Mail]:
        for mail in mails(2):
            yield mail
        await face.close(client)
        yield mails(1)[0]

    async def send_all(client: AnyClient) -> None:
        if isinstance(client, AsyncClient):
            async for result in client.send_all(closing(client), ahead=5):
                results.append(result)
            return

        def closing_now() -> Iterator[Mail]:
            yield from mails(2)
            client.close()
            yield mails(1)[0]

        for result in client.send_all(closing_now(), ahead=5):
            results.append(result)

    client = face.client(1)
    with pytest.raises(ClientClosed):
        await send_all(client)
    with pytest.raises(ClientClosed):
        await face.send_all(client, mails(3))

    assert [type(each.error) for each in results] == [ClientClosed, ClientClosed]


async def test_a_connection_takes_no_more_than_its_messages(face: Face) -> None:
    """Pool(messages=…) and MAILMAX count for those that are sent ahead, too."""

    async def limited(peer: Peer) -> None:
        await peer.greet(*OFFER, "LIMITS MAILMAX=4")
        while await group(peer):
            pass

    for script, pool in ((taking, Pool(messages=4)), (limited, Pool())):
        async with serve(script) as server:
            client = face.client(server.port, pool=pool)
            results = await face.send_all(client, mails(10))
            await face.close(client)

        assert [len(peer.contents) for peer in server.peers] == [4, 4, 2]
        assert all(result.is_complete for result in results)


async def test_messages_may_come_one_by_one(certified: Certified) -> None:
    """Out of an asynchronous generator; what comes late is not waited for at the end alone."""

    async def source() -> AsyncIterator[Mail]:
        for mail in mails(5):
            await asyncio.sleep(0)
            yield mail

    async with serve(taking, tls=certified.context) as server:
        async with connect_async(
            f"smtps://127.0.0.1:{server.port}", ca_file=certified.ca_file
        ) as client:
            results = [result async for result in client.send_all(source(), ahead=2)]

        assert len(results) == 5
        assert len(server.peers[0].contents) == 5


async def test_each_message_has_its_own_demands(face: Face, certified: Certified) -> None:
    """REQUIRETLS stands with the one that wants it."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER, "REQUIRETLS")
        while await group(peer):
            pass

    one, other = mails(2)
    async with serve(script, tls=certified.context) as server:
        client = face.client(server.port, scheme="smtps", ca_file=certified.ca_file)
        results = await face.send_all(client, [one, replace(other, require_tls=True)])
        await face.close(client)

    assert all(result.is_complete for result in results)
    senders = [command for command in server.commands if command.startswith("MAIL")]
    assert ["REQUIRETLS" in command for command in senders] == [False, True]


async def test_no_more_messages_leave_than_the_rate_allows(face: Face) -> None:
    """Those that may go are not kept back by one that has to wait."""
    loop = asyncio.get_running_loop()
    begins: list[float] = []

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        while await group(peer):
            begins.append(loop.time())

    async with serve(script) as server:
        client = face.client(server.port, pool=Pool(rate=(3, 0.5)))
        started = loop.time()
        results = await face.send_all(client, mails(7))
        await face.close(client)

    assert all(result.is_complete for result in results)
    assert len(begins) == 7
    # The server may see the first of them late, but none before the client lets it go.
    assert begins[6] - started > 0.99
