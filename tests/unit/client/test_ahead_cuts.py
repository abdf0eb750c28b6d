"""Messages that left before the answers to those in front, and a server that goes, or is not there:
each has the result that is its own."""

import pytest
from tests.support.ahead_peer import OFFER, group, mails, states, taking
from tests.support.sending import Face
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import ConnectError, ConnectionLost, SendState, Unconfirmed, links


async def test_a_cut_leaves_those_on_their_way_unknown(face: Face) -> None:
    """Never said to be sent, never said not to be; those that did not leave go by the next
    connection, and none goes twice."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        await group(peer)
        await group(peer)
        await peer.expect("RSET")
        peer.cut()

    async with serve(script, taking) as server:
        client = face.client(server.port)
        results = await face.send_all(client, mails(8), ahead=5)
        await face.close(client)

    assert states(results) == [
        *[SendState.ACCEPTED] * 2,
        *[SendState.UNKNOWN] * 3,
        *[SendState.ACCEPTED] * 3,
    ]
    assert all(isinstance(result.error, Unconfirmed) for result in results[2:5])
    assert [len(peer.contents) for peer in server.peers] == [2, 3]


@pytest.mark.parametrize("verb", ["RSET", "MAIL"])
async def test_a_server_with_a_limit_of_messages_gets_the_rest_by_another_connection(
    face: Face, verb: str
) -> None:
    """It says 421 and goes: what was already on its way is sent again, since it was not taken."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        for _ in range(3):
            await group(peer)
        while (await peer.line()).split()[0] != verb:
            peer.send("250 ok")
        peer.send("421 4.7.0 enough for now")
        peer.cut()

    async with serve(script, taking) as server:
        client = face.client(server.port)
        results = await face.send_all(client, mails(6))
        await face.close(client)

    assert [len(peer.contents) for peer in server.peers][:2] == (
        [3, 3] if verb == "RSET" else [3, 2]
    )
    expected = [SendState.ACCEPTED] * 6
    if verb == "MAIL":
        # It was this one that was refused, for now.
        expected[3] = SendState.REFUSED
        assert results[3].recipients[0].is_transient
    assert states(results) == expected


async def test_a_server_that_takes_nothing_is_not_asked_for_ever(face: Face) -> None:
    """421 for the first sender of a new connection: those behind are told so, too."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        await peer.expect("MAIL")
        peer.send("421 4.3.2 not now")
        peer.cut()

    async with serve(script) as server:
        client = face.client(server.port)
        results = await face.send_all(client, mails(4))
        await face.close(client)

    assert states(results) == [SendState.REFUSED] * 4
    assert all(result.recipients[0].is_transient for result in results)
    assert len(server.peers) == 1


async def test_a_kept_session_that_ends_with_421_is_replaced(face: Face) -> None:
    """Though the content was on its way with the sender: the server says that it took nothing."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        await group(peer)
        await peer.expect("MAIL")
        peer.send("421 4.4.2 idle for too long")
        peer.cut()

    async with serve(script, taking) as server:
        client = face.client(server.port)
        for mail in mails(2):
            result = await face.send(
                client, mail.message, sender=mail.sender, recipients=mail.recipients
            )
            assert result.is_complete
        await face.close(client)

    assert [len(peer.contents) for peer in server.peers] == [1, 1]


async def test_a_session_that_was_quiet_gets_no_content_before_its_answer(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been closed meanwhile, without a word: so the message can be sent again."""
    monkeypatch.setattr(links, "IDLE_SECONDS", -1.0)

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        await group(peer)
        await peer.expect("MAIL")
        peer.cut()

    async def waited_for(peer: Peer) -> None:
        await taking(peer)

    async with serve(script, waited_for) as server:
        client = face.client(server.port)
        for mail in mails(2):
            result = await face.send(
                client, mail.message, sender=mail.sender, recipients=mail.recipients
            )
            assert result.is_complete
        await face.close(client)

    assert server.peers[0].commands[-1].startswith("MAIL")
    assert [len(peer.contents) for peer in server.peers] == [1, 1]


async def test_a_kept_session_that_is_cut_behind_the_content_is_in_doubt(face: Face) -> None:
    """The content left with the sender: nobody can tell whether it was taken."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        await group(peer)
        await peer.expect("MAIL")
        peer.cut()

    async with serve(script, taking) as server:
        client = face.client(server.port)
        first, second = mails(2)
        await face.send(client, first.message, sender=first.sender, recipients=first.recipients)
        with pytest.raises(Unconfirmed) as raised:
            await face.send(
                client, second.message, sender=second.sender, recipients=second.recipients
            )
        await face.close(client)

    assert raised.value.result is not None
    assert len(raised.value.result.unknown) == 1
    assert len(server.peers) == 1


async def test_without_a_server_each_message_has_its_error(face: Face) -> None:
    """Nothing is raised for a message."""
    async with serve(taking) as server:
        port = server.port
    client = face.client(port, timeout=5)
    results = await face.send_all(client, mails(3))
    await face.close(client)

    assert [type(result.error) for result in results] == [ConnectError] * 3
    assert states(results) == [SendState.REFUSED] * 3


async def test_more_replies_than_commands_are_not_believed(face: Face) -> None:
    """Row 65: a reply too many in front shifts all behind it; whose 250 the last one is, nobody
    knows."""

    async def script(peer: Peer) -> None:
        await peer.greet(*OFFER)
        for _ in range(2):
            await peer.line()
            await peer.line()
        await peer.octets(1)
        peer.send(*["250 ok"] * 8)
        await peer.until_closed()

    async with serve(script) as server:
        client = face.client(server.port)
        results = await face.send_all(client, mails(2))
        await face.close(client)

    assert states(results) == [SendState.UNKNOWN] * 2
    assert all(isinstance(result.error, ConnectionLost) for result in results)
