"""Clients that speak the wrong protocol for the port: what they read, what the record says, and
how those that begin with TLS where STARTTLS is due are served from the second connection on."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from tests.support.reception import MESSAGE, USER, Client, Site
from tests.support.wire import PROXY_HEADERS
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.identifier import format_id
from pillarbox.reception.sessions import Story
from pillarbox.reception.wrong_port import FORGET_AFTER, MAX_SOURCES, WrongPorts, begins_tls

CLIENT_HELLO = bytes.fromhex("16030100c8010000c40303") + b"x" * 192
HTTP_REQUESTS = [
    b"GET /evil HTTP/1.1\r\nHost: evil.test\r\n\r\n",
    b"POST /evil HTTP/1.1\r\nHost: evil.test\r\nContent-Length: 6\r\n\r\nEHLO x",
    b"CONNECT evil.test:25 HTTP/1.1\r\nHost: evil.test\r\n\r\n",
]
ALERT_PROTOCOL_VERSION = bytes.fromhex("15030200020246")
"""As OpenSSL sends it to a client that speaks TLS 1.1 (RFC 8446 6)."""

LONG_WAIT = Limits(wrong_port_wait_seconds=10)
"""So long that a greeting without the wait comes first for sure."""

Raw = Callable[..., Awaitable[Client]]


@pytest.fixture
def limits() -> Limits:
    """As they are by default: how long a client may be silent is what some of these are about."""
    return Limits()


@pytest.fixture
async def raw(site: Site) -> AsyncIterator[Raw]:
    """Connects without TLS and without reading the greeting."""
    async with AsyncExitStack() as stack:

        async def connect(listener: str, local: str = "127.0.0.1") -> Client:
            client = await Client.connect(site.ports[listener], local=local)
            stack.push_async_callback(client.close)
            return client

        yield connect


async def _read_all(client: Client) -> bytes:
    async with asyncio.timeout(20):
        try:
            return await client.reader.read()
        except ConnectionError:
            return b""


async def _speak_tls(site: Site, local: str = "127.0.0.1") -> Client:
    """A client with SSL/TLS chosen, on the port for STARTTLS."""
    return await Client.connect(site.ports["submission"], site.client_context(), local)


async def _fail_once(site: Site, local: str = "127.0.0.1") -> None:
    """The first connection of such a client, until the service has understood."""
    known = len(site.reception._wrong_ports)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await _speak_tls(site, local)
    async with asyncio.timeout(20):
        while len(site.reception._wrong_ports) == known:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


# On the port with TLS from the first octet


async def test_plain_text_on_the_tls_port_is_answered_in_plain_text(site: Site, raw: Raw) -> None:
    """The reply names the setting, and the id under which the session is found."""
    client = await raw("submissions")
    client.send(b"EHLO evil.test\r\n")

    said = (await _read_all(client)).decode()
    record = await site.failed_session()
    assert said.startswith("554 5.7.0 This port speaks TLS from the first octet: choose SSL/TLS")
    assert said.endswith(f" [{format_id(record.session_id)}]\r\n")
    assert "evil" not in said
    assert record.refusals == Refusal.PLAIN_ON_TLS_PORT.name


@pytest.mark.parametrize("request_octets", HTTP_REQUESTS, ids=["GET", "POST", "CONNECT"])
async def test_http_on_the_tls_port_is_answered_in_http(
    site: Site, raw: Raw, request_octets: bytes
) -> None:
    """400 and a text; nothing of the request comes back."""
    client = await raw("submissions")
    client.send(request_octets)

    head, _, body = (await _read_all(client)).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400 ")
    assert f"Content-Length: {len(body)}\r\n" in head
    assert "not a web server" in body
    assert "evil" not in head + body
    assert (await site.failed_session()).refusals == Refusal.WRONG_PROTOCOL.name


@pytest.mark.parametrize("header", PROXY_HEADERS)
@pytest.mark.parametrize("listener", ["submission", "submissions"])
async def test_a_load_balancer_with_the_proxy_protocol_is_named(
    site: Site, raw: Raw, listener: str, header: bytes
) -> None:
    """On both ports, in the reply and in the record: nobody looks for it in the client then."""
    client = await raw(listener)
    client.send(header)

    assert b"554 5.5.0 The PROXY protocol " in await _read_all(client)
    record = await site.failed_session()
    assert record.refusals == Refusal.PROXY_PROTOCOL.name


async def test_client_that_waits_for_a_greeting_is_told_in_plain_text(site: Site, raw: Raw) -> None:
    """A client in plain text says nothing before the greeting, one with TLS speaks at once."""
    client = await raw("submissions")
    await site.open_sessions(1)
    site.time.ahead = 7.5
    site.reception.sweep()
    await site.open_sessions(1)
    site.time.ahead = 8.5
    site.reception.sweep()

    assert (await client.reply()).startswith("554 5.7.0 This port speaks TLS ")
    assert await client.is_closed()
    record = await site.failed_session()
    assert record.refusals == Refusal.PLAIN_ON_TLS_PORT.name
    assert "waits for a greeting" in record.cause


async def test_slow_handshake_is_not_disturbed(site: Site, raw: Raw) -> None:
    """Who has begun with TLS gets no plain text, however slow the rest is."""
    client = await raw("submissions")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = site.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    client.send(outgoing.read())
    incoming.write(await client.reader.read(65536))

    site.time.ahead = 9
    site.reception.sweep()

    secure.do_handshake()
    client.send(outgoing.read())
    incoming.write(await client.reader.read(65536))
    assert secure.read().startswith(b"220 mx.test ")


# TLS that is too old


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("listener", ["submission", "submissions"])
async def test_old_tls_reads_the_alert_and_is_named(site: Site, raw: Raw, listener: str) -> None:
    """The client learns that the version is it; the record names the version."""
    context = site.client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    client = await raw(listener)
    if listener == "submission":
        await client.reply()
        await client.command("EHLO c.t1.test")
        await client.command("STARTTLS")
    client.send(outgoing.read())

    assert await _read_all(client) == ALERT_PROTOCOL_VERSION
    record = await site.failed_session()
    assert record.refusals == Refusal.TLS_TOO_OLD.name
    assert "TLS 1.1: it is too old" in record.cause


async def test_other_failures_send_their_alert_too(site: Site, raw: Raw) -> None:
    """A client without a suite in common reads `handshake failure`, and not just an end."""
    context = site.client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:@SECLEVEL=0")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    client = await raw("submissions")
    client.send(outgoing.read())

    incoming.write(await _read_all(client))
    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        secure.do_handshake()


# On the port for STARTTLS


async def test_tls_on_the_port_for_starttls_is_closed_and_named(site: Site, raw: Raw) -> None:
    """A client with SSL/TLS chosen for port 587."""
    client = await raw("submission")
    client.send(CLIENT_HELLO)
    await client.reply()

    assert (await client.reply()).startswith("554 5.7.0 TLS began without STARTTLS: use port 465 ")
    assert await client.is_closed()
    assert (await site.failed_session()).refusals == Refusal.WRONG_PORT.name


@pytest.mark.parametrize("request_octets", HTTP_REQUESTS, ids=["GET", "POST", "CONNECT"])
async def test_http_on_the_port_for_starttls_ends_the_session(
    site: Site, raw: Raw, request_octets: bytes
) -> None:
    """The first line is enough; nothing of the request comes back."""
    client = await raw("submission")
    await client.reply()
    client.send(request_octets)

    said = (await _read_all(client)).decode()
    assert said.startswith("500 5.5.1 This is an SMTP server and not a web server")
    assert said.count("\r\n") == 1
    assert "evil" not in said
    assert (await site.failed_session()).refusals == Refusal.WRONG_PROTOCOL.name


async def test_second_connection_with_tls_is_served(site: Site) -> None:
    """From EHLO to the message as on the port with TLS from the first octet."""
    await _fail_once(site)

    client = await _speak_tls(site)
    assert (await client.reply()).startswith("220 mx.test ")
    offers = await client.command("EHLO c.t1.test")
    assert "AUTH PLAIN LOGIN" in offers
    assert "STARTTLS" not in offers
    assert (await client.login(USER, site.password)).startswith("235 ")
    assert (await client.message(MESSAGE)).startswith("250 2.0.0 ")
    assert b"with ESMTPSA" in site.accepted[0].prefix
    await client.close()


async def test_healed_sessions_are_told_of_once(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    """Log and record say what to change, at the first fault and at the first healing."""
    await _fail_once(site)
    for _ in range(3):
        client = await _speak_tls(site)
        await client.command("QUIT")
        await client.close()
    await site.open_sessions(0)

    async with asyncio.timeout(20):
        while len(records := await site.failed_sessions()) < 2:
            await site.database.write(lambda _: None)
    assert [record.refusals for record in records] == ["WRONG_PORT_HEALED", "WRONG_PORT"]
    assert records[0].tls.endswith(" (without STARTTLS)")
    logged = capsys.readouterr().err
    assert logged.count("reception.wrong_port ") == 1
    assert logged.count("reception.wrong_port_healed ") == 1
    assert logged.count("advice='set the client to port 465 with SSL/TLS, or to STARTTLS") == 2


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_healed_client_with_old_tls_reads_the_alert(site: Site, raw: Raw) -> None:
    """Healing takes no weaker encryption."""
    await _fail_once(site)
    context = site.client_context()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    outgoing = ssl.MemoryBIO()
    secure = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        secure.do_handshake()
    client = await raw("submission")
    client.send(outgoing.read())

    assert await _read_all(client) == ALERT_PROTOCOL_VERSION


@pytest.mark.parametrize("limits", [LONG_WAIT])
async def test_others_are_greeted_without_the_wait(site: Site, raw: Raw, connect: Connect) -> None:
    """Only the address that was seen waits, and it is served while it does."""
    await _fail_once(site, "127.0.0.2")
    waiting = await raw("submission", "127.0.0.2")
    await site.open_sessions(1)

    await connect("submission", local="127.0.0.1")

    assert not waiting.reader._buffer  # type: ignore[attr-defined]
    await waiting.handshake(site.client_context())
    assert (await waiting.reply()).startswith("220 ")


@pytest.mark.parametrize("limits", [LONG_WAIT])
async def test_plain_text_ends_the_wait(site: Site, raw: Raw) -> None:
    """Who talks before the greeting does not begin with TLS: no need to wait any longer."""
    await _fail_once(site)
    client = await raw("submission")
    client.send(b"EHLO c.t1.test\r\n")

    async with asyncio.timeout(9):
        assert (await client.reply()).startswith("220 ")
    assert "STARTTLS" in await client.reply()


@pytest.mark.parametrize("limits", [Limits(wrong_port_wait_seconds=0.01)])
async def test_right_client_behind_the_same_address_is_served(site: Site, connect: Connect) -> None:
    """The greeting comes after the wait, then all is as ever."""
    await _fail_once(site)
    client = await connect("submission")
    await client.command("EHLO c.t1.test")
    await client.starttls(site.client_context())
    await client.command("EHLO c.t1.test")
    assert (await client.login(USER, site.password)).startswith("235 ")
    assert (await client.message(MESSAGE)).startswith("250 ")


@pytest.mark.parametrize("limits", [Limits(wrong_port_wait_seconds=0.01)])
async def test_address_that_is_right_again_is_forgotten(site: Site, connect: Connect) -> None:
    """Some right connections in a row; one with TLS between them makes them count anew."""
    await _fail_once(site)
    for _ in range(FORGET_AFTER - 1):
        await connect("submission")
    assert len(site.reception._wrong_ports) == 1

    await connect("submission")
    assert len(site.reception._wrong_ports) == 0


@pytest.mark.parametrize("limits", [LONG_WAIT])
async def test_address_is_forgotten_after_an_hour(site: Site, raw: Raw, connect: Connect) -> None:
    """It is greeted before another that was seen just now."""
    await _fail_once(site, "127.0.0.1")
    site.time.ahead = 3601
    await _fail_once(site, "127.0.0.2")
    waiting = await raw("submission", "127.0.0.2")
    await site.open_sessions(1)

    await connect("submission", local="127.0.0.1")
    assert not waiting.reader._buffer  # type: ignore[attr-defined]


@pytest.mark.parametrize("limits", [Limits(wrong_port_wait_seconds=0)])
async def test_healing_can_be_switched_off(site: Site) -> None:
    """Then each connection fails as the first."""
    await _fail_once(site)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await _speak_tls(site)


@pytest.mark.parametrize("limits", [LONG_WAIT])
async def test_the_service_stops_while_a_client_is_waited_for(site: Site, raw: Raw) -> None:
    """The wait keeps nobody."""
    await _fail_once(site)
    client = await raw("submission")
    await site.open_sessions(1)
    await site.reception.stop(5)

    assert await client.is_closed()


async def test_memory_is_bounded(site: Site) -> None:
    """Of too many sources those are forgotten that were not seen for the longest time."""
    memory, door = WrongPorts(), site.reception._doors["submission"]
    story = Story(1, "submission", "", site.services.clock.timestamp(), 0.0)
    for number in range(MAX_SOURCES):
        memory.remember(f"2001:db8:0:{number:x}::/64", door, story)
    memory.remember("2001:db8:0:0::/64", door, story)
    memory.remember("192.0.2.1", door, story)

    assert len(memory) == MAX_SOURCES
    assert memory.expects("192.0.2.1", door)
    assert memory.expects("2001:db8:0:0::/64", door)
    assert not memory.expects("2001:db8:0:1::/64", door)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [(b"\x16", True), (b"\x16\x03", True), (b"\x16\x02", False), (b"EH", False), (b"", False)],
)
def test_first_octets(octets: bytes, expected: bool) -> None:
    """A handshake record, as far as it has come."""
    assert begins_tls(octets) is expected
