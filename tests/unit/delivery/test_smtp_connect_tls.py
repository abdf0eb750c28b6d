"""Opening a session with encryption, and the many ways in which that may fail."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from tests.support.outgoing import attempt, message, states
from tests.support.smtp_peer import Peer, Script, serve
from tests.unit.delivery.conftest import CourierMaker, failure_at, resolver

from pillarbox.delivery.timeouts import Timeouts
from pillarbox.mail.envelope import RecipientState
from pillarbox.net.certificates import (
    CertificateFiles,
    CertificatePair,
    make_ca,
    make_server_certificate,
)
from pillarbox.net.tls import server_context
from pillarbox.route import TlsMode

PATIENCE_SECONDS = 20.0


def written(folder: Path, pair: CertificatePair) -> ssl.SSLContext:
    """A server's context with this certificate."""
    certificate, key = folder / "peer.pem", folder / "peer.key"
    certificate.write_bytes(pair.certificate)
    key.write_bytes(pair.key)
    return server_context(certificate, key)


async def nothing(peer: Peer) -> None:
    """A connection on which nothing happens."""
    await peer.until_closed()


def starttls_then_nothing(context: ssl.SSLContext) -> Script:
    """A server whose handshake is as far as it goes."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.start_tls(context)
        assert await peer.until_closed() == b""

    return script


async def test_row_14_replies_injected_behind_starttls(courier_to: CourierMaker) -> None:
    """CVE-2021-38371: in one segment with the 220; the connection is dropped (row 14)."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send_raw(b"220 go\r\n250-SMTPUTF8 INJECTED\r\n")
        assert await peer.until_closed() == b""

    async with serve(script) as server:
        text = await failure_at(courier_to, server.port, tls=TlsMode.STARTTLS)

    assert text.startswith("451 4.7.0")
    assert "in the clear" in text


@pytest.mark.parametrize("answer", [None, "454 4.7.0 not now", "502 unknown"])
async def test_row_15_without_tls_no_login_and_no_mail(
    courier_to: CourierMaker, answer: str | None
) -> None:
    """STARTTLS stripped or refused: neither AUTH nor MAIL leaves (row 15)."""

    async def script(peer: Peer) -> None:
        await peer.greet("AUTH PLAIN", *([] if answer is None else ["STARTTLS"]))
        if answer is not None:
            await peer.expect("STARTTLS")
            peer.send(answer)
        while await peer.line():
            pass

    async with serve(script) as server:
        text = await failure_at(
            courier_to, server.port, tls=TlsMode.STARTTLS, username="u", password="p"
        )

    assert text.startswith("451 4.7.4")
    assert not [line for line in server.commands if line.startswith(("AUTH", "MAIL"))]


async def test_a_certificate_of_nobody_known(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """4.7.5, the ca-file is named, and nothing is sent."""
    async with serve(starttls_then_nothing(peer_tls)) as server:
        text = await failure_at(courier_to, server.port, tls=TlsMode.STARTTLS, ca_file="")

    assert text.startswith("451 4.7.5")
    assert "is not trusted" in text
    assert "ca-file" in text


async def test_an_unknown_certificate_is_taken_where_the_route_says_so(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """verify = false: encrypted all the same."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    async with serve(script, tls=peer_tls) as server:
        courier = courier_to(server.port, tls=TlsMode.TLS, ca_file="", verify=False)
        result = await attempt(courier, message())

    assert states(result) == {0: RecipientState.DELIVERED}
    assert result.outcomes[0].tls.startswith("TLSv1.3")


@pytest.mark.parametrize(("age_days", "what"), [(400, "has expired"), (-2, "is not valid yet")])
async def test_a_certificate_out_of_its_time(
    courier_to: CourierMaker, tmp_path: Path, age_days: int, what: str
) -> None:
    """Expired, or not valid yet: each has its own words."""
    now = datetime.now(UTC)
    ca = make_ca(now=now - timedelta(days=500))
    pair = make_server_certificate(ca, ["localhost"], now=now - timedelta(days=age_days))
    (tmp_path / "ca.pem").write_bytes(ca.certificate)

    async with serve(nothing, tls=written(tmp_path, pair)) as server:
        text = await failure_at(
            courier_to, server.port, tls=TlsMode.TLS, ca_file=str(tmp_path / "ca.pem")
        )

    assert text.startswith("451 4.7.5")
    assert what in text


async def test_a_certificate_for_another_name(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """The names are those of the certificate, or mail might go to the wrong server."""
    async with serve(nothing, tls=peer_tls) as server:
        text = await failure_at(
            courier_to,
            server.port,
            host="other.test",
            tls=TlsMode.TLS,
            resolve=resolver("127.0.0.1"),
        )

    assert text.startswith("451 4.7.5")
    assert "is for another name" in text
    assert "other.test" in text


async def test_a_ca_file_that_is_not_there(courier_to: CourierMaker) -> None:
    """Told before anything is connected."""
    async with serve(nothing) as server:
        text = await failure_at(courier_to, server.port, tls=TlsMode.TLS, ca_file="/nowhere/ca.pem")

    assert text.startswith("451 4.3.5")
    assert server.peers == []


async def test_tls_on_a_port_that_begins_in_the_clear(courier_to: CourierMaker) -> None:
    """Port 587 with TLS from the start: the encryption of the route is named."""

    async def script(peer: Peer) -> None:
        peer.send("220 peer.test ESMTP")
        await peer.until_closed()

    async with serve(script) as server:
        text = await failure_at(courier_to, server.port, tls=TlsMode.TLS)

    assert "does not speak TLS on that port" in text
    assert "STARTTLS" in text


async def test_starttls_on_a_port_that_begins_with_tls(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """Port 465 with STARTTLS: the server waits for a handshake; the greeting never comes."""
    async with serve(nothing, tls=peer_tls) as server:
        text = await failure_at(
            courier_to, server.port, tls=TlsMode.STARTTLS, timeouts=Timeouts(greeting=0.1)
        )

    assert "did not answer in time while its greeting was awaited" in text


async def test_row_18_a_server_with_old_tls_only_is_refused(
    courier_to: CourierMaker, certificates: CertificateFiles
) -> None:
    """TLS 1.1 and older are not spoken to a next hop either (row 18)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1

    with old_server(context) as port:
        text = await failure_at(courier_to, port, tls=TlsMode.TLS)

    assert text.startswith("451 4.7.5")
    assert "no TLS version in common" in text


@contextmanager
def old_server(context: ssl.SSLContext) -> Iterator[int]:
    """A server in a thread: asyncio's would hang up without the alert that names the reason."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError), listener.accept()[0] as connection:
                context.wrap_socket(connection, server_side=True)

        thread = Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


async def test_a_handshake_that_hangs(courier_to: CourierMaker) -> None:
    """It has its own limit."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.until_closed()

    async with serve(script) as server:
        text = await failure_at(
            courier_to, server.port, tls=TlsMode.STARTTLS, timeouts=Timeouts(handshake=0.1)
        )

    assert "handshake" in text
    assert "it took too long" in text


async def test_a_handshake_that_is_cut(courier_to: CourierMaker) -> None:
    """The server closes in the middle."""

    async def script(peer: Peer) -> None:
        await peer.greet("STARTTLS")
        await peer.expect("STARTTLS")
        peer.send("220 go")
        await peer.octets(1)

    async with serve(script) as server:
        text = await failure_at(courier_to, server.port, tls=TlsMode.STARTTLS)

    assert text.startswith("451 4.7.5")
    assert "the connection was cut" in text


_ANSWERS = {
    b"EHLO": b"250-peer.test\r\n250 AUTH PLAIN\r\n",
    b"AUTH": b"535 5.7.8 no\r\n",
}


def until_hung_up(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Refuse the login of one client, and say nothing from its QUIT to its end: asyncio's server
    would answer the good-bye of TLS."""
    connection, _ = listener.accept()
    connection.settimeout(PATIENCE_SECONDS)
    with (
        context.wrap_socket(connection, server_side=True) as secured,
        secured.makefile("rb") as lines,
    ):
        secured.sendall(b"220 peer.test ESMTP\r\n")
        while (verb := lines.readline()[:4]) != b"QUIT":
            secured.sendall(_ANSWERS[verb])
        while socket.socket.recv(secured, 65_536):
            pass


async def test_the_good_bye_of_a_server_that_keeps_quiet_is_not_waited_for(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """A session that did not open hangs up behind its QUIT, under TLS as in the clear."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = asyncio.create_task(asyncio.to_thread(until_hung_up, listener, peer_tls))
        text = await failure_at(
            courier_to,
            listener.getsockname()[1],
            tls=TlsMode.TLS,
            username="u",
            password="p",
            timeouts=Timeouts(quit=10 * PATIENCE_SECONDS),
        )
        await server

    assert "535 5.7.8 no" in text


async def test_who_is_cancelled_while_a_session_opens_leaves_no_connection(
    courier_to: CourierMaker, peer_tls: ssl.SSLContext
) -> None:
    """At whatever moment: while it connects, speaks, shakes hands or logs in."""
    gone: asyncio.Queue[None] = asyncio.Queue()

    async def script(peer: Peer) -> None:
        try:
            await peer.greet("STARTTLS")
            await peer.expect("STARTTLS")
            peer.send("220 go")
            await peer.start_tls(peer_tls)
            await peer.hello("AUTH PLAIN")
            await peer.expect("AUTH")
            peer.send("235 in")
            await peer.until_closed()
        except AssertionError:
            # The client went where a command was due.
            pass
        finally:
            gone.put_nowait(None)

    async def cancelled_after(steps: int) -> bool:
        """Whether it was, and had not ended before."""
        # Without roots, which take their time to be read.
        hop = {"verify": False, "ca_file": "", "username": "u", "password": "p"}
        courier = courier_to(server.port, tls=TlsMode.STARTTLS, **hop)
        task = asyncio.create_task(attempt(courier, message()))
        for _ in range(steps):
            await asyncio.sleep(0)
        is_late = courier.is_open
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return not is_late

    async with serve(script) as server, asyncio.timeout(PATIENCE_SECONDS):
        steps = 0
        while await cancelled_after(steps):
            steps += 1
        for _ in server.peers:
            await gone.get()
