"""A smart host with several addresses, of which some are those of broken servers."""

import asyncio
import ssl
from contextlib import AsyncExitStack

import pytest
from tests.support.outgoing import attempt, message, states
from tests.support.smtp_peer import Peer, Script, serve
from tests.unit.delivery.conftest import CourierMaker, failure_at, resolver

from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.envelope import RecipientState
from pillarbox.route import TlsMode


async def says_nothing(peer: Peer) -> None:
    """A server that hangs."""
    assert await peer.until_closed() == b""


async def refuses_ehlo(peer: Peer) -> None:
    """A server that is being repaired."""
    peer.send("220 peer.test ESMTP")
    await peer.expect("EHLO")
    peer.send("421 4.3.2 under repair")


async def refuses_tls(peer: Peer) -> None:
    """A server whose TLS is broken."""
    await peer.greet("STARTTLS")
    await peer.expect("STARTTLS")
    peer.send("454 4.7.0 TLS not available")


async def goes_at_once(peer: Peer) -> None:
    """A server that is shut down."""
    peer.send("220 peer.test ESMTP", "421 4.3.2 going")
    await peer.until_closed()


BROKEN = [says_nothing, refuses_ehlo, refuses_tls, goes_at_once]


@pytest.mark.parametrize("broken", BROKEN)
async def test_the_next_address_is_tried_where_a_server_is_broken(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext, broken: Script
) -> None:
    """RFC 5321 5.1: the servers behind a name are not all broken at the same time."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.start_tls(peer_tls)
        await peer.hello("PIPELINING")
        await peer.take_message()

    async with serve(script) as server, serve(broken, address="127.0.0.2", port=server.port):
        courier = courier_to(
            server.port,
            tls=TlsMode.STARTTLS,
            resolve=resolver("127.0.0.2", "127.0.0.1"),
            timeouts=Timeouts(greeting=1, quit=2),
        )
        result = await attempt(courier, message())

    assert states(result) == {0: RecipientState.DELIVERED}


async def test_what_a_server_said_counts_more_than_an_address_without_one(
    courier_to: CourierMaker,
) -> None:
    """Its words tell what to mend, the other address only that it is not the one."""

    async def refuses(peer: Peer) -> None:
        peer.send("554 5.7.1 blocked")
        await peer.expect("QUIT")

    async with serve(refuses) as server:
        resolve = resolver("127.0.0.1", "127.0.0.2")
        text = await failure_at(courier_to, server.port, resolve=resolve)

    assert "554 5.7.1 blocked" in text


async def test_servers_that_all_hang_are_not_each_waited_for(courier_to: CourierMaker) -> None:
    """The first has its time; of the others it is only seen whether they are well. Six times five
    minutes would hold the connection of the lane for half an hour."""
    addresses = [f"127.0.0.{number}" for number in range(2, 8)]
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(serve(says_nothing, address=addresses[0]))]
        for address in addresses[1:]:
            server = serve(says_nothing, address=address, port=servers[0].port)
            servers.append(await stack.enter_async_context(server))
        courier = courier_to(
            servers[0].port,
            resolve=resolver(*addresses),
            timeouts=Timeouts(greeting=2, late=0.05, quit=2),
        )
        async with asyncio.timeout(8):
            result = await attempt(courier, message())

    assert states(result) == {0: RecipientState.DEFERRED}
    assert "its greeting was awaited" in str(result.hop_failure)
    assert [len(server.peers) for server in servers] == [1] * 6
