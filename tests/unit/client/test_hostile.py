"""Servers that lie, stall, flood or break off (attacks rows 14, 15, 65, 74): always a typed error,
in bounded time, and nothing that was meant to be secret."""

import asyncio
import itertools
import resource
import socket
import struct
import threading
import time
from base64 import b64encode
from contextlib import suppress

import pytest
from tests.support.sending import Certified, Face, letter
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import (
    ClientError,
    ConnectError,
    ConnectionLost,
    LoginError,
    MessageRefused,
    ProtocolError,
    ReplyTimeout,
    SessionRefused,
    TlsError,
    TlsMissing,
    WrongTlsMode,
)

PASSWORD = "Pw-of-the-test_7"
LOGIN = ("app@t1.test", PASSWORD)


async def say_and_wait(peer: Peer, *octets: bytes) -> None:
    """Say this, and read to the end."""
    for piece in octets:
        peer.send_raw(piece)
    await peer.until_closed()


@pytest.mark.parametrize(
    "injected", [b"250-SMTPUTF8 INJECTED\r\n", b"250 ok\r\n", b"2", b"\x16\x03\x01"]
)
async def test_row_14_what_comes_with_the_answer_to_starttls_ends_it(
    face: Face, certified: Certified, injected: bytes
) -> None:
    """CVE-2021-38371: it is not believed, not even where a handshake would follow."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        await say_and_wait(peer, b"220 go\r\n" + injected)

    async with serve(script) as server:
        with pytest.raises(TlsError) as raised:
            await face.send_one(
                server.port, letter(), auth=LOGIN, ca_file=certified.ca_file, scheme="submission"
            )

    assert raised.value.code == "tls-injected"
    assert [line.split()[0] for line in server.commands] == ["EHLO", "STARTTLS"]


async def test_row_14_words_in_place_of_a_handshake_end_it(
    face: Face, certified: Certified
) -> None:
    """The same where they come a moment later, as the answer to the handshake."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.octets(5)
        await say_and_wait(peer, b"250-SMTPUTF8 INJECTED\r\n250 ok\r\n")

    async with serve(script) as server:
        with pytest.raises(TlsError) as raised:
            await face.send_one(
                server.port, letter(), auth=LOGIN, ca_file=certified.ca_file, scheme="submission"
            )

    assert raised.value.code == "tls-injected"


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 what?", "501 no"])
@pytest.mark.parametrize("tls", ["required", "opportunistic"])
async def test_row_15_a_refused_starttls_is_no_reason_for_the_clear(
    face: Face, answer: str, tls: str
) -> None:
    """Nothing falls back silently: neither login nor mail follows, also where TLS is optional."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS", "AUTH PLAIN")
        await peer.expect("STARTTLS")
        peer.send(answer)
        while await peer.line():
            pass

    async with serve(script) as server:
        with pytest.raises(TlsMissing):
            await face.send_one(server.port, letter(), auth=LOGIN, tls=tls)

    assert [line.split()[0] for line in server.commands][:2] == ["EHLO", "STARTTLS"]
    assert not [line for line in server.commands if line.startswith(("AUTH", "MAIL"))]


async def test_tls_on_a_port_that_begins_in_the_clear_names_the_fix(
    face: Face, certified: Certified
) -> None:
    """Not WRONG_VERSION_NUMBER: the URL to write stands in the error."""

    async def script(peer: Peer) -> None:
        await say_and_wait(peer, b"220 mx.test ESMTP\r\n")

    async with serve(script) as server:
        with pytest.raises(WrongTlsMode) as raised:
            await face.send_one(server.port, letter(), scheme="smtps", ca_file=certified.ca_file)

    assert f"submission://127.0.0.1:{server.port}" in raised.value.fix
    assert raised.value.code == "not-tls"


async def test_a_busy_server_that_says_so_instead_of_tls_is_no_wrong_port(face: Face) -> None:
    """As Exim does above its limit of connections: the same may work later."""

    async def script(peer: Peer) -> None:
        await say_and_wait(peer, b"421 Too many connections; try again in 20 seconds\r\n")

    async with serve(script) as server:
        with pytest.raises(SessionRefused) as raised:
            await face.send_one(server.port, letter(), scheme="smtps")

    assert raised.value.code == "greeting-refused"
    assert raised.value.is_transient
    assert raised.value.retry_after == 20


async def test_the_clear_on_a_port_that_begins_with_tls_names_the_fix(
    face: Face, certified: Certified
) -> None:
    """Both sides would wait for each other; a look by TLS shows what the server waits for."""

    async def script(peer: Peer) -> None:
        await peer.line()

    async with serve(script, tls=certified.context) as server:
        with pytest.raises(WrongTlsMode) as raised:
            await face.send_one(server.port, letter(), timeout=4, ca_file=certified.ca_file)

    assert f"smtps://127.0.0.1:{server.port}" in raised.value.fix
    assert raised.value.code == "tls-first"


async def test_a_slow_greeting_is_waited_for(face: Face) -> None:
    """Servers delay it on purpose; the look by TLS does not spoil the session."""
    looked = asyncio.Event()

    async def slow(peer: Peer) -> None:
        await looked.wait()
        await peer.greet()
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async def look(peer: Peer) -> None:
        await peer.octets(5)
        looked.set()

    async with serve(slow, look) as server:
        result = await face.send_one(server.port, letter(), timeout=3)

    assert result.is_complete


ENDLESS = b"".join([b"250-more\r\n"] * 100_000)
HOSTILE = {
    "endless reply": ENDLESS,
    "10 MB line": b"250 " + b"x" * 10_000_000 + b"\r\n",
    "no line end": b"250 " + b"x" * 10_000_000,
    "code 999": b"999 no such code\r\n",
    "code 099": b"099 no such code\r\n",
    "no code": b"\xff\xfe\x00 what?\r\n",
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "two replies": b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
}


@pytest.mark.parametrize("octets", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL"])
async def test_row_65_hostile_replies_end_in_a_protocol_error(
    face: Face, octets: bytes, step: str
) -> None:
    """Endless, too long, no code: the session is over, at once, and little is kept of it."""

    async def script(peer: Peer) -> None:
        if step != "greeting":
            peer.send("220 peer.test")
            await peer.expect("EHLO")
        if step == "MAIL":
            peer.send("250 peer.test")
            await peer.expect("MAIL")
        await say_and_wait(peer, octets)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with serve(script) as server:
        with pytest.raises(ProtocolError) as raised:
            await face.send_one(server.port, letter())

    assert len(str(raised.value)) < 2000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert raised.value.result is not None
    assert not raised.value.result.unknown


async def test_row_65_split_utf8_and_controls_are_cleaned(face: Face) -> None:
    """What is shown to people has no half characters and no control characters."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.expect("MAIL")
        peer.send_raw(b"550 5.7.1 caf\xc3 \x1b[31m\xe2\x80\xaered\x00\r\n")
        await peer.line()

    async with serve(script) as server:
        with pytest.raises(MessageRefused) as raised:
            await face.send_one(server.port, letter())

    assert str(raised.value).isprintable()
    assert "caf" in str(raised.value)


@pytest.mark.parametrize("step", ["greeting", "EHLO", "MAIL", "content"])
async def test_octets_that_trickle_in_buy_no_time(face: Face, step: str) -> None:
    """One octet after the other, never a line end: the time for the reply ends all the same."""

    async def trickle(peer: Peer) -> None:
        while True:
            peer.send_raw(b"2")
            await asyncio.sleep(0.02)

    async def script(peer: Peer) -> None:
        if step != "greeting":
            peer.send("220 peer.test")
            await peer.expect("EHLO")
            if step != "EHLO":
                peer.send("250 peer.test")
                await peer.expect("MAIL")
        if step == "content":
            peer.send("250 ok")
            for verb in ("RCPT", "RCPT"):
                await peer.expect(verb)
                peer.send("250 ok")
            await peer.expect("DATA")
            peer.send("354 go")
            await peer.content()
        await trickle(peer)

    async with serve(script) as server:
        begun = asyncio.get_running_loop().time()
        # 0.4 s for a reply, 2 s for the confirmation; a line of 8192 octets would take minutes.
        with pytest.raises(ClientError) as raised:
            await face.send_one(server.port, letter(), timeout=0.4)

    assert isinstance(raised.value, ConnectionLost)
    assert asyncio.get_running_loop().time() - begun < 30
    assert isinstance(raised.value, ReplyTimeout) is (step != "content")


async def test_a_server_that_takes_no_content_is_given_up(face: Face) -> None:
    """It reads nothing more behind 354: the time for a block of content ends, and nobody has it."""
    release = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.expect("MAIL")
        peer.send("250 ok")
        await peer.expect("RCPT")
        peer.send("250 ok")
        await peer.expect("DATA")
        peer.pause()
        peer.send("354 go")
        await release.wait()

    async with serve(script) as server:
        with pytest.raises(ReplyTimeout) as raised:
            await face.send_one(
                server.port,
                b"Subject: x\r\n\r\n" + b"y" * 30_000_000,
                sender="a@t1.test",
                recipients="b@x.test",
                timeout=1,
            )
        release.set()

    assert raised.value.result is not None
    assert raised.value.result.recipients[0].is_transient
    assert not raised.value.result.unknown


async def test_a_refusal_in_the_middle_of_the_content_is_read(face: Face) -> None:
    """A server that has enough says so and reads no more: the reply is told, not a broken pipe."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        for verb in ("MAIL", "RCPT"):
            await peer.expect(verb)
            peer.send("250 ok")
        await peer.expect("DATA")
        peer.send("354 go")
        await peer.octets(100)
        peer.pause()
        peer.send("552 5.3.4 enough")
        await asyncio.get_running_loop().create_future()

    begun = asyncio.get_running_loop().time()
    async with serve(script) as server:
        with pytest.raises(MessageRefused, match=r"552 5\.3\.4 enough"):
            await face.send_one(
                server.port,
                b"Subject: x\r\n\r\n" + b"y" * 30_000_000,
                sender="a@t1.test",
                recipients="b@x.test",
                timeout=60,
            )

    assert asyncio.get_running_loop().time() - begun < 50


ECHOES = {
    "plain": PASSWORD.encode(),
    "response": b64encode(b"\0app@t1.test\0" + PASSWORD.encode()),
    "base64": b64encode(PASSWORD.encode()),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_row_74_an_echoed_secret_is_masked(face: Face, echo: bytes) -> None:
    """In the error, in the result and in the transcript."""
    lines: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN LOGIN")
        await peer.expect("AUTH")
        peer.send_raw(b"535 5.7.8 your line was " + echo + b"\r\n")
        await peer.until_closed()

    async with serve(script) as server:
        with pytest.raises(LoginError) as raised:
            await face.send_one(server.port, letter(), auth=LOGIN, transcript=lines)

    told = [str(raised.value), repr(raised.value.result), str(raised.value.reply), *lines]
    assert "********" in told[2]
    assert "C: AUTH PLAIN ********" in lines
    assert not [text for text in told if echo.decode() in text or PASSWORD in text]


async def test_a_login_in_the_clear_stays_on_this_machine(face: Face) -> None:
    """Opportunistic TLS: to 127.0.0.1 it may go; tests/unit/client/test_setup.py has the rest."""

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN")
        await peer.expect("AUTH PLAIN")
        peer.send("235 in")
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        assert (await face.send_one(server.port, letter(), auth=LOGIN)).is_complete


async def test_a_connection_that_is_reset_at_once_is_an_error_of_ours(face: Face) -> None:
    """Some microseconds later each time: the socket may know its peer no more before anybody has
    asked."""

    def reset_all() -> None:
        with suppress(OSError):
            for number in itertools.count():
                connection, _ = listener.accept()
                time.sleep(number % 50 * 10e-6)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=reset_all, daemon=True)
        thread.start()
        client = face.client(listener.getsockname()[1])
        for _ in range(150):
            with pytest.raises(ClientError) as raised:
                await face.check(client)
            assert isinstance(raised.value, ConnectError | ConnectionLost)
        await face.close(client)
        listener.shutdown(socket.SHUT_RDWR)
        await asyncio.to_thread(thread.join)
