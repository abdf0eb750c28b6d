"""TLS over memory (pillarbox.net.streams)."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
from tests.support.smtp_peer import Peer, Script, serve

from pillarbox.net.streams import PlainStream, TlsStream

AUTHORITY = trustme.CA()


def server_context() -> ssl.SSLContext:
    """For localhost."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    """Trusts that server."""
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


@asynccontextmanager
async def connected(script: Script, tls: ssl.SSLContext | None) -> AsyncIterator[PlainStream]:
    """A connection in the clear to a server that does what the script says."""
    async with serve(script, tls=tls) as server:
        stream = PlainStream(*await asyncio.open_connection("127.0.0.1", server.port))
        try:
            yield stream
        finally:
            stream.close()


async def test_octets_go_both_ways_and_end() -> None:
    """More than a record has room for, then the end of the connection."""
    sent = bytes(range(256)) * 400

    async def echo(peer: Peer) -> None:
        peer.send_raw(await peer.octets(len(sent)))

    async with connected(echo, server_context()) as below:
        stream = TlsStream(below, client_context(), "localhost")
        await stream.shake_hands()
        await stream.write(sent)
        got = b""
        while octets := await stream.read():
            got += octets

    assert got == sent


async def test_octets_in_the_clear_before_the_handshake_make_it_fail() -> None:
    """They are not taken for what was said under TLS."""

    async def inject(peer: Peer) -> None:
        peer.send("250 AUTH PLAIN")
        await peer.until_closed()

    async with connected(inject, None) as below:
        with pytest.raises(ssl.SSLError):
            await TlsStream(below, client_context(), "localhost").shake_hands()


async def test_server_is_told_why_the_handshake_failed() -> None:
    """Its log then names the certificate, and not a cut connection."""
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    context = server_context()

    async def record(peer: Peer) -> None:
        try:
            await peer.start_tls(context)
            await peer.until_closed()
        except (ssl.SSLError, ConnectionError) as error:
            seen.set_result(str(error))

    async with connected(record, None) as below:
        with pytest.raises(ssl.SSLCertVerificationError):
            await TlsStream(below, client_context(), "other.example").shake_hands()
        async with asyncio.timeout(20):
            assert "ALERT" in (await seen).upper()


async def test_name_that_is_not_in_the_certificate_is_refused() -> None:
    """The name is that which was asked for."""

    async def wait(peer: Peer) -> None:
        await peer.until_closed()

    async with connected(wait, server_context()) as below:
        with pytest.raises(ssl.SSLCertVerificationError):
            await TlsStream(below, client_context(), "127.0.0.1").shake_hands()
