"""TLS: what works, what is refused, and that the cause of a failure is found in the record."""

import asyncio
import shutil
import socket
import ssl
import struct
from pathlib import Path
from typing import cast

import pytest
from tests.support.reception import MESSAGE, PATIENCE_SECONDS, USER, Client, Site
from tests.unit.reception.conftest import Connect

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.net.certificates import CertificateFiles, ensure_certificates
from pillarbox.observe import metrics
from pillarbox.reception.connection import Connection


def _context(
    site: Site, version: ssl.TLSVersion | None = None, ciphers: str = ""
) -> ssl.SSLContext:
    """A client's context for one version of TLS and certain suites."""
    context = site.client_context()
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


async def _fail(site: Site, context: ssl.SSLContext) -> None:
    """A handshake that must fail, made in a thread: asyncio's client hangs up without an alert."""

    def connect() -> None:
        address = "127.0.0.1", site.ports["submissions"]
        with (
            socket.create_connection(address, timeout=20) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            secure.recv(1)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        await asyncio.get_running_loop().run_in_executor(None, connect)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_safe_versions_are_taken(site: Site, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3."""
    client = await Client.connect(site.ports["submissions"], _context(site, version))
    assert (await client.reply()).startswith("220 ")
    await client.close()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_version_is_refused_and_named(site: Site) -> None:
    """TLS 1.1 gets no session, and the record says that the client is too old."""
    await _fail(site, _context(site, ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"))

    record = await site.failed_session()
    assert record.refusals == Refusal.TLS_TOO_OLD.name
    assert "TLS 1.1: it is too old" in record.cause


async def test_weak_cipher_is_refused_and_named(site: Site) -> None:
    """A client without any suite that counts as safe."""
    await _fail(site, _context(site, ssl.TLSVersion.TLSv1_2, "AES128-SHA:@SECLEVEL=0"))

    assert "cipher" in (await site.failed_session()).cause


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_certificate_that_is_not_trusted_is_named(
    site: Site, version: ssl.TLSVersion
) -> None:
    """A client that does not know our CA tells why it goes, and so do we."""
    context = ssl.create_default_context()
    context.minimum_version = context.maximum_version = version
    await _fail(site, context)

    assert "does not trust the certificate" in (await site.failed_session()).cause


@pytest.mark.parametrize("limits", [Limits(handshake_timeout_seconds=0.3)])
@pytest.mark.parametrize("octets", [b"", b"\x16"])
async def test_handshake_that_does_not_end_is_cut_off(site: Site, octets: bytes) -> None:
    """Who waits for a greeting on the TLS port, or sends one octet, is not waited for long."""
    client = await Client.connect(site.ports["submissions"])
    client.send(octets)

    assert await client.is_closed()
    assert "did not finish the handshake in time" in (await site.failed_session()).cause
    await client.close()


async def test_client_that_hangs_up_in_the_handshake_is_named(site: Site) -> None:
    """An end without a reason has one too."""
    client = await Client.connect(site.ports["submissions"])
    await client.close()

    assert "hung up" in (await site.failed_session()).cause


async def test_client_that_hangs_up_after_starttls_is_named(site: Site, connect: Connect) -> None:
    """The same where the session began in plain text."""
    client = await connect("submission")
    await client.command("EHLO c")
    await client.command("STARTTLS")
    await client.close()

    record = await site.failed_session()
    assert "hung up" in record.cause
    assert record.refusals == Refusal.HANDSHAKE_FAILED.name
    await site.open_sessions(0)


@pytest.mark.parametrize("behind", [b"EHLO x\r\n", b"NOO", b"\x00" * 65536])
async def test_octets_behind_starttls_end_the_session(connect: Connect, behind: bytes) -> None:
    """Nothing that came in plain text is answered inside TLS (CVE-2011-0411)."""
    client = await connect("submission")
    await client.command("EHLO c.t1.test")
    client.send(b"STARTTLS\r\n" + behind)

    assert (await client.reply()).startswith("554 5.5.0 ")
    assert await client.is_closed()


async def test_octets_between_starttls_and_handshake_break_it(site: Site, connect: Connect) -> None:
    """What comes after the 220 belongs to the handshake and is never replayed."""
    client = await connect("submission")
    await client.command("EHLO c.t1.test")
    assert (await client.command("STARTTLS")).startswith("220 ")
    client.send(b"EHLO injected\r\n")

    while await client.reader.read(100):
        pass
    assert (await site.failed_session()).refusals == Refusal.PLAIN_ON_TLS_PORT.name


async def test_nothing_survives_starttls(site: Site, connect: Connect) -> None:
    """RFC 3207 4.2: EHLO, and what was learnt by it, counts no more."""
    client = await connect("submission")
    await client.command("EHLO before")
    await client.starttls(site.client_context())

    assert (await client.login(USER, site.password)).startswith("503 ")
    await client.command("EHLO after")
    await client.login(USER, site.password)
    await client.message(MESSAGE)
    assert b"from after (" in site.accepted[0].prefix


async def test_a_client_that_reads_late_goes_on_behind_starttls(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    """The handshake begins when the replies have gone; inside TLS nothing waits for them."""
    with socket.socket() as plain:
        # Small buffers, so that some replies have no room.
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        plain.setblocking(False)
        await asyncio.get_running_loop().sock_connect(
            plain, ("127.0.0.1", site.ports["submission"])
        )
        client = Client(*await asyncio.open_connection(sock=plain))
        assert (await client.reply()).startswith("220 ")
        (session,) = site.reception._registry._members
        assert isinstance(session, Connection)
        assert session._transport is not None
        session._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDBUF, 1
        )
        session._transport.set_write_buffer_limits(high=0)
        reading = cast(asyncio.ReadTransport, client.writer.transport)
        reading.pause_reading()
        client.send(b"HELP\r\n" * 99 + b"STARTTLS\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not session._write_paused:  # noqa: ASYNC110
                await asyncio.sleep(0)

        reading.resume_reading()
        while not (await client.reply()).startswith("220 "):
            pass
        await client.handshake(site.client_context())

        assert (await client.command("EHLO c")).startswith("250-")
        await client.close()
    assert caplog.messages == []


async def test_starttls_twice_is_refused(site: Site, connect: Connect) -> None:
    """Inside TLS there is no STARTTLS."""
    client = await connect("submission")
    await client.command("EHLO c")
    await client.starttls(site.client_context())

    assert "STARTTLS" not in await client.command("EHLO c")
    assert (await client.command("STARTTLS")).startswith("503 ")


async def test_login_before_tls_is_refused(site: Site, connect: Connect) -> None:
    """538, and no hash was made of a password that went in the clear."""
    client = await connect("submission")
    assert "AUTH" not in await client.command("EHLO c")

    assert (await client.login(USER, site.password)).startswith("538 5.7.11 ")
    assert (await client.command("MAIL FROM:<u1@t1.test>")).startswith("530 5.7.0 ")
    assert site.hashes == []


async def test_ticket_of_one_listener_is_worth_nothing_on_another(site: Site) -> None:
    """A session is resumed where it was made and nowhere else."""
    context = _context(site, ssl.TLSVersion.TLSv1_2)

    async def resumed(listener: str, session: ssl.SSLSession | None) -> ssl.SSLObject:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        secure = context.wrap_bio(incoming, outgoing, server_hostname="localhost", session=session)
        client = await Client.connect(site.ports[listener])
        if listener == "submission":
            await client.reply()
            await client.command("EHLO c")
            await client.command("STARTTLS")
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(outgoing.read())
                incoming.write(await client.reader.read(65536))
        await client.close()
        return secure

    first = await resumed("submissions", None)
    assert (await resumed("submissions", first.session)).session_reused
    assert not (await resumed("submission", first.session)).session_reused


async def test_new_certificate_is_taken_up_without_losing_a_session(
    site: Site, logged_in: Client, tmp_path: Path
) -> None:
    """The next handshake shows the new certificate; who is connected stays connected."""
    old = await _certificate(site)
    other = CertificateFiles.in_folder(tmp_path)
    ensure_certificates(other, ["mx.test"])
    kept = {path: path.read_bytes() for path in (site.files.certificate, site.files.key)}
    try:
        shutil.copyfile(other.certificate, site.files.certificate)
        shutil.copyfile(other.key, site.files.key)
        site.reception.refresh_certificates()

        assert await _certificate(site) != old
        assert (await logged_in.message(MESSAGE)).startswith("250 2.0.0 ")
    finally:
        for path, octets in kept.items():
            path.write_bytes(octets)


async def test_useless_certificate_changes_nothing(site: Site) -> None:
    """A file that is being written, or is broken, does not stop the service."""
    old = await _certificate(site)
    kept = site.files.certificate.read_bytes()
    try:
        site.files.certificate.write_bytes(b"half a certif")
        site.reception.refresh_certificates()
        assert await _certificate(site) == old
    finally:
        site.files.certificate.write_bytes(kept)


async def _certificate(site: Site) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    client = await Client.connect(site.ports["submissions"], context)
    shown: bytes = client.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    await client.close()
    return shown


async def test_many_handshakes_at_once(site: Site) -> None:
    """Sessions do not get in each other's way."""
    context = site.client_context()

    async def greet() -> str:
        client = await Client.connect(site.ports["submissions"], context)
        greeting = await client.reply()
        await client.close()
        return greeting

    greetings = await asyncio.gather(*(greet() for _ in range(50)))
    assert all(greeting.startswith("220 ") for greeting in greetings)


def _say_much_and_vanish(site: Site) -> None:
    """Finish the handshake and send a lot with it; the connection is reset at once."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    secure = site.client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", site.ports["submissions"]), timeout=20) as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        while True:
            try:
                secure.do_handshake()
                break
            except ssl.SSLWantReadError:
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
        secure.write(b"NOOP\r\n" * 30_000)
        plain.sendall(outgoing.read())


async def test_a_client_that_is_gone_behind_its_handshake_is_no_fault_of_ours(site: Site) -> None:
    """What it left behind is still in the TLS layer, which has no socket any more."""
    before = metrics.TASK_FAILURES._value.get()
    for _ in range(10):
        await asyncio.to_thread(_say_much_and_vanish, site)
    client = await Client.connect(site.ports["submissions"], site.client_context())
    assert (await client.reply()).startswith("220 ")
    await client.close()

    assert metrics.TASK_FAILURES._value.get() == before
