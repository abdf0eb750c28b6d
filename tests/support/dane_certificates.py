"""Certificates for DANE: made to measure, and the TLSA records for them."""

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256, sha512
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from pillarbox.diagnosis.certificate import key_of
from pillarbox.discovery.dane import TlsaRecord

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Made:
    """A certificate with its key, and those above it."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    above: tuple["Made", ...] = ()

    @property
    def der(self) -> bytes:
        """The certificate in DER."""
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def chain(self) -> list[bytes]:
        """It and those above it, in DER."""
        return [self.der, *(each.der for each in self.above)]

    def tlsa(self, usage: int, selector: int = 1, matching: int = 1) -> TlsaRecord:
        """The record that means it."""
        part = self.der if selector == 0 else key_of(self.der)
        assert part is not None
        forms = {0: part, 1: sha256(part).digest(), 2: sha512(part).digest()}
        return TlsaRecord(usage, selector, matching, forms[matching])

    def context(self) -> ssl.SSLContext:
        """A server that sends the whole chain."""
        pem = b"".join(each.certificate.public_bytes(Encoding.PEM) for each in (self, *self.above))
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "chain.pem"
            file.write_bytes(key + pem)
            context.load_cert_chain(file)
        return context


def make(
    name: str,
    issuer: Made | None = None,
    *,
    is_authority: bool = False,
    path_length: int | None = None,
    names: tuple[str, ...] = (),
    until: datetime = NOW + DAY,
    critical: x509.ExtensionType | None = None,
) -> Made:
    """A certificate; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 10 * DAY)
        .not_valid_after(until)
    )
    if is_authority:
        basic = x509.BasicConstraints(ca=True, path_length=path_length)
        builder = builder.add_extension(basic, critical=True)
    if names:
        found = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(found, critical=False)
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    above = (issuer, *issuer.above) if issuer else ()
    return Made(builder.sign(signer, SHA256()), key, above)
