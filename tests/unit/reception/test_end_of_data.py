"""The table of ends of data over real connections: by TCP segments and by TLS records.

`tests/unit/smtp/test_server_content.py` and `test_server_bdat.py` feed the core in all splittings;
here the sockets, the TLS engine and the shell are in between.
"""

import asyncio
import itertools
import socket
from collections.abc import Iterator

import pytest
from tests.support.reception import MESSAGE, PATIENCE_SECONDS, USER, Client, Site
from tests.support.wire import BARE_ENDS, HARMLESS_ENDS
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.policy.clock import timestamp
from pillarbox.store.admin.credentials import add_network

END = b"\r\n.\r\n"
LISTENERS = ["devices", "submissions"]
"""One where each piece is a TCP segment, one where it is a TLS record."""


@pytest.fixture
def limits() -> Limits:
    """No limit is in the way of many errors in one session."""
    return Limits(errors_per_session=1000, tls_silence_seconds=PATIENCE_SECONDS)


@pytest.fixture
async def network(site: Site) -> None:
    """Who comes from loopback may send without a login where the listener allows it."""
    await site.change(
        lambda c: add_network(c, USER, "loopback", network="127.0.0.0/8", now=timestamp())
    )


async def _ready(site: Site, connect: Connect, listener: str) -> Client:
    """A client that may send, and whose writes leave as they are made."""
    client = await connect(listener)
    client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    await client.command("EHLO c.t1.test")
    if listener == "submissions":
        assert (await client.login(USER, site.password)).startswith("235 ")
    return client


async def _begin(client: Client) -> None:
    for command in (f"MAIL FROM:<{USER}>", "RCPT TO:<bob@example.net>"):
        assert (await client.command(command)).startswith("250 ")


async def _send_pieces(client: Client, pieces: list[bytes]) -> None:
    """Each piece in a write of its own, which the server reads before the next one leaves."""
    for piece in pieces:
        client.send(piece)
        for _ in range(3):
            await asyncio.sleep(0)


def _cuts(octets: bytes, first: int, last: int) -> Iterator[list[bytes]]:
    """Singly, and in two pieces at every place from `first` to `last`."""
    yield [octets[index : index + 1] for index in range(len(octets))]
    for cut in range(first, last + 1):
        yield [octets[:cut], octets[cut:]]


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("listener", LISTENERS)
async def test_row_1_no_odd_sequence_ends_data(site: Site, connect: Connect, listener: str) -> None:
    """One 550 5.5.2 after the real end, then the end of the session; nothing is kept, and nothing
    of what follows is a command."""

    async def refused(pieces: list[bytes]) -> None:
        client = await _ready(site, connect, listener)
        await _begin(client)
        await client.command("DATA")
        await _send_pieces(client, pieces)
        assert (await client.reply()).startswith("550 5.5.2 "), pieces
        assert await client.is_closed()

    splittings: list[list[bytes]] = []
    for sequence in (*BARE_ENDS, b".\n", b".\r"):
        lead = b"" if sequence.startswith(b".") else MESSAGE[:-2]
        wire = lead + sequence + f"MAIL FROM:<{USER}>\r\nrest".encode() + END
        splittings += _cuts(wire, max(1, len(lead)), len(lead) + len(sequence) + 1)
    await asyncio.gather(*map(refused, splittings))

    assert site.accepted == []


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("listener", LISTENERS)
async def test_row_1_harmless_sequences_are_content(
    site: Site, connect: Connect, listener: str
) -> None:
    """They are kept octet for octet, with nothing but the stuffed dot gone."""
    client = await _ready(site, connect, listener)
    kept = []
    for sequence in HARMLESS_ENDS:
        content = MESSAGE[:-2] + sequence + b"rest\r\n"
        start = len(MESSAGE) - 2
        for pieces in _cuts(content + b".\r\n", start, start + len(sequence) + 1):
            await _begin(client)
            await client.command("DATA")

            await _send_pieces(client, pieces)

            assert (await client.reply()).startswith("250 2.0.0 ")
            kept.append(content.replace(b"\r\n.", b"\r\n"))
    assert [await site.content(message) for message in site.accepted] == kept


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("listener", LISTENERS)
async def test_row_1_sequences_inside_a_chunk(site: Site, connect: Connect, listener: str) -> None:
    """BDAT: kept as they are or refused 550 5.5.2; what follows the chunk is a command."""
    client = await _ready(site, connect, listener)
    kept = []
    for sequence in (*BARE_ENDS, *HARMLESS_ENDS, END):
        content = MESSAGE[:-2] + sequence + b"rest\r\n"
        wire = b"BDAT %d LAST\r\n%bNOOP\r\n" % (len(content), content)
        start = wire.index(b"\r\n") + len(MESSAGE)
        for pieces in itertools.islice(_cuts(wire, start, start + len(sequence)), 4):
            await _begin(client)

            await _send_pieces(client, pieces)

            answer = "550 5.5.2 " if sequence in BARE_ENDS else "250 2.0.0 "
            assert (await client.reply()).startswith(answer)
            assert (await client.reply()).startswith("250 2.0.0 OK")
            kept += [] if sequence in BARE_ENDS else [content]
    assert [await site.content(message) for message in site.accepted] == kept
