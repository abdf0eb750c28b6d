"""Certificates as another library reads them (pillarbox.diagnosis.certificate)."""

import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.gallery.certificates import Cert, issued

from pillarbox.diagnosis.certificate import Certificate, read_certificate


def der(certificate: x509.Certificate) -> bytes:
    """Its octets."""
    return certificate.public_bytes(serialization.Encoding.DER)


def read(cert: Cert) -> Certificate:
    """A certificate of the gallery as it is read here."""
    found = read_certificate(der(issued(cert)[0][0]))
    assert found is not None
    return found


def test_fields_are_those_that_another_library_reads() -> None:
    """Names, addresses, dates, issuer and key."""
    cert = Cert(names=("a.b.com", "*.c.com", "192.0.2.1", "2001:db8::1"), key="rsa2048")
    [leaf, between], _ = issued(cert)
    found, above = read_certificate(der(leaf)), read_certificate(der(between))

    assert found is not None
    assert above is not None
    assert found.names == cert.names
    assert found.begins_at == leaf.not_valid_before_utc.timestamp()
    assert found.ends_at == leaf.not_valid_after_utc.timestamp()
    assert (found.subject, found.issuer) == ("a.b.com", "Gallery CA")
    assert (found.is_rsa, found.key_bits) == (True, 2048)
    assert found.is_for_servers
    assert not found.is_authority
    assert above.is_authority
    assert found.issuer_der == above.subject_der


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_all_roots_of_this_machine_are_read() -> None:
    """A hundred certificates of many makers, with old kinds of text and time."""
    context = ssl.create_default_context()
    octets = context.get_ca_certs(binary_form=True)
    found = [read_certificate(one) for one in octets]

    assert len(found) > 50
    for one, whole in zip(found, octets, strict=True):
        known = x509.load_der_x509_certificate(whole)
        assert one is not None
        assert one.ends_at == known.not_valid_after_utc.timestamp()
        assert one.is_authority
        assert one.is_self_issued


@pytest.mark.parametrize(
    ("cert", "seen"),
    [
        (Cert(chain="sha1"), "SHA-1"),
        (Cert(), ""),
    ],
)
def test_broken_signature_is_named(cert: Cert, seen: str) -> None:
    """By the hash."""
    assert read(cert).broken_signature == seen


def test_every_cut_is_no_certificate() -> None:
    """Nothing is raised for octets that are missing."""
    octets = der(issued(Cert())[0][0])

    assert all(read_certificate(octets[:length]) is None for length in range(len(octets) - 80))
