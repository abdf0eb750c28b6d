"""TLS contexts: versions, ciphers, sessions, certificates that change, and names for failures."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from pillarbox.errors import ConfigError
from pillarbox.explain.failures import FailureKind
from pillarbox.net.certificates import (
    CertificateFiles,
    ensure_certificates,
    make_ca,
    make_server_certificate,
)
from pillarbox.net.tls import (
    CIPHERS,
    ClientContexts,
    ClientTrouble,
    ServerCertificate,
    client_context,
    client_trouble,
    describe,
    hop_failure,
    server_context,
)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    """An authority and a certificate for mail.t1.test."""
    files = CertificateFiles.in_folder(tmp_path)
    ensure_certificates(files, ["mail.t1.test"])
    return files


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, *, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """A handshake in memory, and one octet each way; gives client's and server's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname="mail.t1.test", session=session)
    for _ in range(4):
        for end in (here, there):
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    for writer, reader in ((there, here), (here, there)):
        writer.write(b"x")
        assert reader.read(1) == b"x"
    return here, there


def trusting(files: CertificateFiles) -> ssl.SSLContext:
    """A client that trusts the authority."""
    return client_context(verify=True, ca_file=str(files.ca_certificate))


@contextmanager
def listening(context: ssl.SSLContext) -> Iterator[int]:
    """A server on a real socket that shakes hands and reads."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError), listener.accept()[0] as connection:
                connection.settimeout(10)
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    wrapped.recv(10)

        thread = Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join()


def s_client(port: int, *options: str, says: str = "Q\n") -> str:
    """What openssl s_client reports."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *options],
        input=says, capture_output=True, text=True, check=False, timeout=20,
    )  # fmt: skip
    return done.stdout + done.stderr


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_row_18_nothing_below_tls_1_2(files: CertificateFiles, version: str) -> None:
    """`openssl s_client -tls1_1` gets no handshake (row 18)."""
    with listening(server_context(files.certificate, files.key)) as port:
        report = s_client(port, version, "-cipher", "ALL:@SECLEVEL=0")

    assert "alert protocol version" in report
    assert "Cipher is (NONE)" in report


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_row_18_tls_1_2_and_1_3(files: CertificateFiles, version: str) -> None:
    """Both work; nothing is compressed (row 18)."""
    with listening(server_context(files.certificate, files.key)) as port:
        report = s_client(port, version, "-CAfile", str(files.ca_certificate))

    assert "Verification: OK" in report
    assert "Compression: NONE" in report


def test_row_18_only_ciphers_of_mozillas_intermediate_list(files: CertificateFiles) -> None:
    """Ephemeral keys and authenticated encryption, and nothing else (row 18)."""
    for context in (server_context(files.certificate, files.key), client_context(verify=True)):
        offered = {str(cipher["name"]) for cipher in context.get_ciphers()}
        old = {name for name in offered if not name.startswith("TLS_")}

        assert old == set(CIPHERS.split(":"))
        assert all(re.search("GCM|POLY1305", name) for name in offered)
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    "cipher", ["AES128-SHA", "ECDHE-ECDSA-AES128-SHA256", "ECDHE-ECDSA-AES128-SHA"]
)
def test_row_18_weak_ciphers_are_refused(files: CertificateFiles, cipher: str) -> None:
    """No CBC, no RSA key exchange (row 18)."""
    with listening(server_context(files.certificate, files.key)) as port:
        report = s_client(port, "-tls1_2", "-cipher", cipher)

    assert "Cipher is (NONE)" in report


def test_row_19_clients_can_not_renegotiate(files: CertificateFiles) -> None:
    """`R` in s_client gets an alert (row 19)."""
    with listening(server_context(files.certificate, files.key)) as port:
        report = s_client(port, "-tls1_2", says="R\n")

    assert "no renegotiation" in report


def test_row_20_a_session_of_one_listener_is_not_resumed_on_another(
    files: CertificateFiles,
) -> None:
    """Two listeners with the same certificate; a ticket opens only where it was given (row 20)."""
    submission = ServerCertificate(files.certificate, files.key).context
    submissions = ServerCertificate(files.certificate, files.key).context
    client = trusting(files)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    first, _ = shake(submission, client)

    again, _ = shake(submission, client, session=first.session)
    elsewhere, _ = shake(submissions, client, session=first.session)

    assert again.session_reused
    assert not elsewhere.session_reused


def test_row_20_tls_1_3_gives_no_tickets(files: CertificateFiles) -> None:
    """Nothing to resume with at all (row 20)."""
    client = trusting(files)
    first, _ = shake(server_context(files.certificate, files.key), client)

    assert first.version() == "TLSv1.3"
    assert first.session is None or not first.session.has_ticket


def test_a_handshake_is_described(files: CertificateFiles) -> None:
    """The same words on both ends."""
    here, there = shake(server_context(files.certificate, files.key), trusting(files))

    assert describe(here) == describe(there)
    assert re.fullmatch(r"TLSv1\.3 TLS_[A-Z0-9_]+", describe(here))


def test_a_client_verifies_by_default(files: CertificateFiles) -> None:
    """System roots do not know our authority; with its file they do."""
    server = server_context(files.certificate, files.key)

    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, client_context(verify=True))
    shake(server, client_context(verify=False))
    shake(server, trusting(files))


def test_a_client_knows_the_roots_of_the_system() -> None:
    """Without a file of its own it trusts what the system trusts, where that has roots at all."""
    context = client_context(verify=True)

    paths = ssl.get_default_verify_paths()
    roots_in_folder = paths.capath is not None and any(Path(paths.capath).iterdir())
    assert context.cert_store_stats()["x509_ca"] > 0 or roots_in_folder


def test_client_contexts_are_made_once(files: CertificateFiles) -> None:
    """Reading the roots takes milliseconds; a connection must not."""
    contexts = ClientContexts()
    ca_file = str(files.ca_certificate)

    assert contexts.get(verify=True, ca_file=ca_file) is contexts.get(verify=True, ca_file=ca_file)
    assert contexts.get(verify=True) is not contexts.get(verify=False)


def test_a_ca_file_that_was_replaced_counts_at_once(files: CertificateFiles) -> None:
    """Who mends it does not wait until roots are read again. While it is away, or half written, the
    one before goes on."""
    contexts = ClientContexts()
    server, ca_file = server_context(files.certificate, files.key), files.ca_certificate
    right = ca_file.read_bytes()

    def trusted() -> ssl.SSLContext:
        return contexts.get(verify=True, ca_file=str(ca_file))

    ca_file.write_bytes(make_ca(name="another").certificate)
    wrong = trusted()
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, wrong)
    ca_file.unlink()
    assert trusted() is wrong
    ca_file.write_bytes(right[: len(right) // 2])
    assert trusted() is wrong

    ca_file.write_bytes(right)

    assert shake(server, trusted())


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_ca_file_that_can_not_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    """The problem says which file, and what it should hold."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        client_context(verify=True, ca_file=str(path))

    assert caught.value.problems[0].path == str(path)
    assert "PEM" in caught.value.problems[0].hint


def test_files_that_can_not_be_used_are_named(files: CertificateFiles, tmp_path: Path) -> None:
    """Missing, not PEM, not a pair, or locked by a passphrase: never a question on a terminal."""
    missing = tmp_path / "missing.pem"
    garbage = tmp_path / "garbage.pem"
    garbage.write_bytes(b"garbage")
    locked = tmp_path / "locked.key"
    lock = ["openssl", "pkey", "-in", str(files.key), "-aes128", "-passout", "pass:x"]
    subprocess.run([*lock, "-out", str(locked)], check=True)

    def problem(certificate: Path, key: Path) -> str:
        with pytest.raises(ConfigError) as caught:
            server_context(certificate, key)
        return str(caught.value.problems[0])

    assert problem(missing, files.key).startswith(f"{missing}: can not be read")
    assert problem(files.certificate, missing).startswith(f"{missing}: can not be read")
    assert "can not be used" in problem(garbage, files.key)
    assert "is not the key of the certificate" in problem(files.certificate, files.ca_key)
    assert "passphrase" in problem(files.certificate, locked)


def replace_pair(files: CertificateFiles, name: str) -> None:
    """Another certificate under the same authority, put in place as renewal tools do."""
    ca = make_ca()
    pair = make_server_certificate(ca, [name])
    files.ca_certificate.write_bytes(ca.certificate)
    for path, octets in ((files.certificate, pair.certificate), (files.key, pair.key)):
        beside = path.with_suffix(".tmp")
        beside.write_bytes(octets)
        beside.replace(path)


def test_a_changed_certificate_is_taken_up(files: CertificateFiles) -> None:
    """Without a restart; a session that stands keeps the context it began with."""
    certificate = ServerCertificate(files.certificate, files.key)
    old = certificate.context
    here, there = shake(old, trusting(files))
    assert not certificate.refresh()
    assert certificate.context is old

    replace_pair(files, "mail.t1.test")

    assert certificate.refresh()
    assert certificate.context is not old
    shake(certificate.context, trusting(files))
    there.write(b"y")
    assert here.read(1) == b"y"
    assert not certificate.refresh()


def test_a_broken_pair_leaves_the_old_certificate_in_use(files: CertificateFiles) -> None:
    """It is told once, and mended by the next change."""
    certificate = ServerCertificate(files.certificate, files.key)
    old = certificate.context
    shutil.copy(files.ca_key, files.key)

    with pytest.raises(ConfigError):
        certificate.refresh()
    assert certificate.context is old
    assert not certificate.refresh()

    replace_pair(files, "mail.t1.test")
    assert certificate.refresh()
    shake(certificate.context, trusting(files))


def test_a_file_written_in_place_is_seen(files: CertificateFiles) -> None:
    """The same inode and size, another moment."""
    certificate = ServerCertificate(files.certificate, files.key)
    before = files.certificate.stat()
    os.utime(files.certificate, ns=(before.st_atime_ns, before.st_mtime_ns + 1))

    assert certificate.refresh()


def tls_error(reason: str) -> ssl.SSLError:
    """An error as OpenSSL reports it."""
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "at_client", "at_hop"),
    [
        (tls_error("WRONG_VERSION_NUMBER"), ClientTrouble.PLAIN_TEXT, FailureKind.NOT_TLS),
        (tls_error("HTTP_REQUEST"), ClientTrouble.PLAIN_TEXT, FailureKind.NOT_TLS),
        (tls_error("UNSUPPORTED_PROTOCOL"), ClientTrouble.TOO_OLD, FailureKind.TLS_TOO_OLD),
        (tls_error("NO_SHARED_CIPHER"), ClientTrouble.NO_CIPHER, FailureKind.HANDSHAKE_FAILED),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), ClientTrouble.DISTRUST, FailureKind.HANDSHAKE_FAILED),
        (tls_error("SOMETHING_NEW"), ClientTrouble.OTHER, FailureKind.HANDSHAKE_FAILED),
        (ssl.SSLEOFError(8, "EOF"), ClientTrouble.CUT, FailureKind.HANDSHAKE_FAILED),
        (ConnectionResetError(), ClientTrouble.CUT, FailureKind.HANDSHAKE_FAILED),
        (ConnectionAbortedError(), ClientTrouble.TOO_SLOW, FailureKind.HANDSHAKE_FAILED),
        (TimeoutError(), ClientTrouble.TOO_SLOW, FailureKind.HANDSHAKE_FAILED),
        (ValueError("x"), ClientTrouble.OTHER, FailureKind.HANDSHAKE_FAILED),
    ],
)
def test_failed_handshakes_have_names(
    error: Exception, at_client: ClientTrouble, at_hop: FailureKind
) -> None:
    """For the log of a listener, and for the explanation of a delivery."""
    assert client_trouble(error) is at_client
    assert hop_failure(error).kind is at_hop


def test_plain_text_on_a_tls_port_is_recognised(files: CertificateFiles) -> None:
    """What OpenSSL of this machine really reports for it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context(files.certificate, files.key)
    there = server.wrap_bio(to_server, to_client, server_side=True)
    to_server.write(b"EHLO client.test\r\nMAIL FROM:<>\r\n")

    with pytest.raises(ssl.SSLError) as caught:
        there.do_handshake()

    assert client_trouble(caught.value) is ClientTrouble.PLAIN_TEXT


def test_a_client_that_distrusts_is_recognised(files: CertificateFiles) -> None:
    """Its alert arrives at the listener: the settings of the client lack our authority."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server_context(files.certificate, files.key).wrap_bio(
        to_server, to_client, server_side=True
    )
    here = client_context(verify=True).wrap_bio(
        to_client, to_server, server_hostname="mail.t1.test"
    )
    with suppress(ssl.SSLWantReadError):
        here.do_handshake()
    with suppress(ssl.SSLWantReadError):
        there.do_handshake()
    with pytest.raises(ssl.SSLCertVerificationError):
        here.do_handshake()

    with pytest.raises(ssl.SSLError) as caught:
        there.do_handshake()

    assert client_trouble(caught.value) is ClientTrouble.DISTRUST
