"""Certificates of our own: a small authority and a server certificate, so that TLS works from the
first start. Clients trust the authority's certificate; the server's is renewed under it.

RFC 5280; keys are ECDSA P-256. Private keys are written with mode 0600.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pillarbox.files import replace_file
from pillarbox.mail.address import domain_key

CA_DAYS = 3650
SERVER_DAYS = 365
"""Mozilla's recommendation for servers: less than 366 days."""

RENEW_DAYS = 30
"""A server certificate that is valid for less than this is made anew."""

_CLOCK_SKEW = timedelta(hours=1)
"""A client whose clock is slow must not refuse a fresh certificate."""

_COMMON_NAME_CHARACTERS = 64
"""RFC 5280 appendix A: ub-common-name."""


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """A certificate and its private key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def make_ca(*, now: datetime | None = None, name: str = "Pillarbox") -> CertificatePair:
    """A new authority, valid for ten years. It can issue server certificates and nothing else."""
    now = now or datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"{name} CA {now:%Y-%m-%d}")
    certificate = (
        _builder(subject, subject, key.public_key(), now=now, days=CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def make_server_certificate(
    ca: CertificatePair, names: Sequence[str], *, now: datetime | None = None
) -> CertificatePair:
    """A server certificate for `names` (host names and addresses), this machine's loopback names
    included; its file carries the authority's certificate behind it."""
    now = now or datetime.now(UTC)
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    issuer_key = _load_key(ca.key)
    key = ec.generate_private_key(ec.SECP256R1())
    wanted = _with_loopback(names)
    certificate = (
        _builder(_name(wanted[0]), issuer.subject, key.public_key(), now=now, days=SERVER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in wanted]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    pair = _pair(certificate, key)
    return CertificatePair(pair.certificate + ca.certificate, pair.key)


def needs_renewal(
    certificate: bytes, ca: CertificatePair, names: Sequence[str], *, now: datetime | None = None
) -> bool:
    """Whether a server certificate (PEM) is near its end, lacks a name, or is not of this CA."""
    now = now or datetime.now(UTC)
    try:
        found = x509.load_pem_x509_certificate(certificate)
        found.verify_directly_issued_by(x509.load_pem_x509_certificate(ca.certificate))
        extension = found.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return True
    if found.not_valid_after_utc - now < timedelta(days=RENEW_DAYS):
        return True
    present = set(extension.value)
    return any(_general_name(name) not in present for name in _with_loopback(names))


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where authority and server certificate lie."""

    ca_certificate: Path
    ca_key: Path
    certificate: Path
    key: Path

    @classmethod
    def in_folder(cls, folder: Path) -> "CertificateFiles":
        """The usual names."""
        return cls(
            folder / "ca.pem", folder / "ca.key", folder / "server.pem", folder / "server.key"
        )


def ensure_certificates(
    files: CertificateFiles, names: Sequence[str], *, now: datetime | None = None
) -> bool:
    """Make what is missing and renew what is near its end; whether the server's was made.

    An authority that is there stays as it is, because clients trust it. Raises OSError where
    files can not be read or written.
    """
    if files.ca_certificate.exists() and files.ca_key.exists():
        ca = _read(files.ca_certificate, files.ca_key)
    else:
        ca = make_ca(now=now)
        _write(files.ca_certificate, files.ca_key, ca)
    if files.certificate.exists() and files.key.exists():
        server = _read(files.certificate, files.key)
        if _belongs(server) and not needs_renewal(server.certificate, ca, names, now=now):
            return False
    _write(files.certificate, files.key, make_server_certificate(ca, names, now=now))
    return True


def _belongs(pair: CertificatePair) -> bool:
    """Whether the key is that of the certificate: a crash between two renames parts them."""
    try:
        certified = x509.load_pem_x509_certificate(pair.certificate).public_key()
        return certified == _load_key(pair.key).public_key()
    except (ValueError, TypeError):
        return False


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    days: int,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    text = common_name[:_COMMON_NAME_CHARACTERS]
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _with_loopback(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys([*names, "localhost", "127.0.0.1", "::1"]))


def _general_name(name: str) -> x509.GeneralName:
    address: IPv4Address | IPv6Address | None = None
    with contextlib.suppress(ValueError):
        address = ip_address(name)
    if address is not None:
        return x509.IPAddress(address)
    return x509.DNSName(name if name.isascii() else domain_key(name))


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> CertificatePair:
    return CertificatePair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the key is not an elliptic curve key")
    return key


def _read(certificate: Path, key: Path) -> CertificatePair:
    return CertificatePair(certificate.read_bytes(), key.read_bytes())


def _write(certificate: Path, key: Path, pair: CertificatePair) -> None:
    certificate.parent.mkdir(parents=True, exist_ok=True)
    replace_file(key, pair.key, mode=0o600)
    replace_file(certificate, pair.certificate, mode=0o644)
