"""Certificates of our own, checked with OpenSSL's rules."""

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from pillarbox.net.certificates import (
    CA_DAYS,
    RENEW_DAYS,
    SERVER_DAYS,
    CertificateFiles,
    ensure_certificates,
    make_ca,
    make_server_certificate,
    needs_renewal,
)

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> CertificateFiles:
    """Files that are not there yet, in a folder that is not there yet."""
    return CertificateFiles.in_folder(tmp_path / "tls")


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A handshake in memory; gives the client's end."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    there = server.wrap_bio(to_server, to_client, server_side=True)
    here = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (here, there):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return here


@pytest.mark.parametrize("name", ["mail.t1.test", "localhost", "127.0.0.1", "::1", "192.0.2.7"])
def test_a_client_that_trusts_the_authority_trusts_the_server(
    files: CertificateFiles, name: str
) -> None:
    """For the host name, further names and addresses, and this machine's loopback."""
    assert ensure_certificates(files, ["mail.t1.test", "192.0.2.7"])
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=str(files.ca_certificate))

    assert handshake(server, client, name).version() == "TLSv1.3"


def test_the_chain_stands_up_to_strict_rules(files: CertificateFiles) -> None:
    """RFC 5280 to the letter (openssl verify -x509_strict), for a server."""
    ensure_certificates(files, ["mail.t1.test"])

    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-purpose", "sslserver",
         "-CAfile", str(files.ca_certificate), str(files.certificate)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_keys_are_p_256_and_lifetimes_bounded() -> None:
    """ECDSA P-256; ten years for the authority, less than 366 days for the server."""
    ca = make_ca(now=NOW)
    server = make_server_certificate(ca, ["mail.t1.test"], now=NOW)

    for pair, days, is_ca in ((ca, CA_DAYS, True), (server, SERVER_DAYS, False)):
        found = x509.load_pem_x509_certificate(pair.certificate)
        key = found.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert isinstance(key.curve, ec.SECP256R1)
        assert found.not_valid_after_utc == NOW + timedelta(days=days)
        assert found.not_valid_before_utc < NOW
        lifespan = found.not_valid_after_utc - found.not_valid_before_utc
        assert is_ca or lifespan < timedelta(days=366)
        constraints = found.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.value.ca is is_ca


def test_a_long_or_foreign_host_name_works() -> None:
    """The common name is cut, the names are not; a U-label becomes an A-label."""
    long = "a" * 60 + ".example.test"
    pair = make_server_certificate(make_ca(now=NOW), [long, "bücher.test"], now=NOW)

    found = x509.load_pem_x509_certificate(pair.certificate)
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [long, "xn--bcher-kva.test", "localhost"]


def test_private_keys_are_for_the_owner_alone(files: CertificateFiles) -> None:
    """Mode 0600, also where the umask is generous; never shown by repr."""
    ensure_certificates(files, ["mail.t1.test"])

    for path in (files.ca_key, files.key):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "PRIVATE" not in repr(make_ca(now=NOW))


def test_what_is_there_is_kept(files: CertificateFiles) -> None:
    """A second start changes no file."""
    ensure_certificates(files, ["mail.t1.test"], now=NOW)
    before = {path: path.read_bytes() for path in files.certificate.parent.iterdir()}

    assert not ensure_certificates(files, ["mail.t1.test"], now=NOW + timedelta(days=300))

    assert {path: path.read_bytes() for path in files.certificate.parent.iterdir()} == before


@pytest.mark.parametrize(
    ("days", "names"),
    [(SERVER_DAYS - RENEW_DAYS + 1, ["mail.t1.test"]), (0, ["mail.t1.test", "new.t1.test"])],
)
def test_the_server_certificate_is_renewed_under_the_same_authority(
    files: CertificateFiles, days: int, names: list[str]
) -> None:
    """Near its end, and for a new name; clients go on trusting it."""
    ensure_certificates(files, ["mail.t1.test"], now=NOW)
    ca, old = files.ca_certificate.read_bytes(), files.certificate.read_bytes()

    assert ensure_certificates(files, names, now=NOW + timedelta(days=days))

    assert files.ca_certificate.read_bytes() == ca
    assert files.certificate.read_bytes() != old


@pytest.mark.parametrize("broken", ["certificate", "key"])
def test_a_broken_pair_is_made_anew(files: CertificateFiles, broken: str) -> None:
    """A crash between two files, or a disk that was full."""
    ensure_certificates(files, ["mail.t1.test"])
    other = make_server_certificate(make_ca(), ["mail.t1.test"])
    if broken == "key":
        files.key.write_bytes(other.key)
    else:
        files.certificate.write_bytes(b"-----BEGIN CERTIFICATE-----\nxx")

    assert ensure_certificates(files, ["mail.t1.test"])

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)


def test_a_certificate_of_another_authority_is_renewed() -> None:
    """The authority's files were replaced: clients trust the new one."""
    ours, theirs = make_ca(now=NOW), make_ca(now=NOW)
    pair = make_server_certificate(theirs, ["mail.t1.test"], now=NOW)

    assert needs_renewal(pair.certificate, ours, ["mail.t1.test"], now=NOW)
    assert not needs_renewal(pair.certificate, theirs, ["mail.t1.test"], now=NOW)
