"""Sessions that end while the content of a message is read from the store."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.outgoing import DEFERRED, PREFIX, Chunks, states, stored
from tests.support.smtp_peer import Peer, serve
from tests.unit.delivery.conftest import CourierMaker

from pillarbox.mail.envelope import Body


@pytest.mark.parametrize("body", [Body.SEVEN_BIT, Body.BINARY])
async def test_a_session_that_ends_while_the_store_is_read(
    courier_to: CourierMaker, body: Body
) -> None:
    """Nothing is written to it any more: the connection was lost, and the mail is tried again."""

    class SlowChunks(Chunks):
        async def chunk(self, number: int) -> bytes:
            connection = courier._connection
            while number and connection and not connection.core.is_closed:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0)
            return await super().chunk(number)

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "BINARYMIME", "CHUNKING")
        while (await peer.line()).split(" ")[0] not in ("DATA", "BDAT"):
            peer.send("250 ok")
        if body is Body.SEVEN_BIT:
            peer.send("354 go")
        await peer.octets(len(PREFIX + chunks[0]))
        if body is Body.BINARY:
            peer.send("250 ok")

    chunks = [b"a" * 998 + b"\r\n", b"b\r\n"]
    made, _ = stored(*chunks)
    made.envelope = replace(made.envelope, body=body)
    async with serve(script) as server:
        courier = courier_to(server.port)
        result = await courier.attempt(made, made.recipients, SlowChunks(chunks))

    assert states(result) == {0: DEFERRED}
    assert str(result.outcomes[0].reply).startswith("451 4.4.2 ")
