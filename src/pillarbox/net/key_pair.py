"""The certificate with which an application signs in, and its private key: from PEM or PFX files.

Both are kept as PEM without a passphrase, sealed by the store: the passphrase of the file is used
here and forgotten.
"""

from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from pillarbox.errors import ConfigError, Problem
from pillarbox.mail.envelope import Timestamp

_PEM = b"-----BEGIN"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, both PEM."""

    private_key: str = field(repr=False)
    certificate: str


def read_key_pair(file: Path, passphrase: str) -> KeyPair:
    """Read a PEM file with certificate and key, or a PFX file. Raises ConfigError, OSError."""
    octets = file.read_bytes()
    secret = passphrase.encode() or None
    try:
        if _PEM in octets:
            certificate: x509.Certificate | None = x509.load_pem_x509_certificate(octets)
            key: object = load_pem_private_key(octets, secret)
        else:
            key, certificate, _ = pkcs12.load_key_and_certificates(octets, secret)
    except (ValueError, TypeError) as exc:
        raise _problem(
            file,
            "holds no certificate with a private key that can be read",
            "give a PEM file with both, or a PFX file, and its passphrase if it has one "
            "(--certificate-password-file)",
        ) from exc
    if certificate is None or key is None:
        raise _problem(file, "has no certificate or no private key", "export both into one file")
    if not isinstance(key, RSAPrivateKey):
        raise _problem(file, "has a key that is not RSA", "Entra takes certificates with RSA keys")
    if certificate.public_key() != key.public_key():
        raise _problem(file, "has a key that is not that of its certificate", "export both again")
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(pem.decode(), certificate.public_bytes(Encoding.PEM).decode())


def certificate_end(certificate: str) -> Timestamp:
    """When a certificate in PEM ends. Raises ValueError."""
    end = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    return int(end.timestamp() * 1000)


def _problem(file: Path, text: str, hint: str) -> ConfigError:
    return ConfigError([Problem(str(file), text, hint)])
