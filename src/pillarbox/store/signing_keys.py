"""Private keys for DKIM: made, read from a file, published, used (RFC 6376 3.6.1, RFC 8463)."""

from base64 import b64encode
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
)

from pillarbox.errors import DirectoryError
from pillarbox.mail.dkim import Algorithm, SigningKey
from pillarbox.mail.identifier import format_id

RSA_BITS = 2048
"""RFC 8301 section 3.2: "Signers SHOULD use RSA keys of at least 2048 bits"; more do not fit into
one string of a TXT record, and take four times as long."""

_LEAST_RSA_BITS = 1024
_MOST_RSA_BITS = 4096

_Private = RSAPrivateKey | Ed25519PrivateKey


def new_private_key(algorithm: Algorithm) -> bytes:
    """A new key, as PKCS #8 in DER."""
    if algorithm is Algorithm.ED25519:
        return _encode(Ed25519PrivateKey.generate())
    return _encode(generate_private_key(65_537, RSA_BITS))


def read_private_key(pem: bytes) -> bytes:
    """The key in a PEM file, as PKCS #8 in DER. Raises DirectoryError."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DirectoryError(
            "this is no private key in PEM without a passphrase (make one: openssl genrsa 2048)"
        ) from error
    if isinstance(key, RSAPrivateKey):
        # RFC 8301 section 3.2: "Signers MUST use RSA keys of at least 1024 bits"; verifiers need
        # not take more than 4096.
        if not _LEAST_RSA_BITS <= key.key_size <= _MOST_RSA_BITS:
            raise DirectoryError(
                f"an RSA key of {key.key_size} bits is not verified everywhere: use {RSA_BITS}"
            )
        return _encode(key)
    if isinstance(key, Ed25519PrivateKey):
        return _encode(key)
    raise DirectoryError("DKIM has keys of RSA and Ed25519 only (RFC 8463)")


def algorithm_of(private: bytes) -> Algorithm:
    """What the key signs with."""
    is_rsa = isinstance(_decode(private), RSAPrivateKey)
    return Algorithm.RSA if is_rsa else Algorithm.ED25519


def public_record(private: bytes) -> str:
    """What the TXT record of the selector says."""
    key = _decode(private)
    if isinstance(key, RSAPrivateKey):
        octets = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return f"v=DKIM1; k=rsa; p={b64encode(octets).decode()}"
    octets = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k=ed25519; p={b64encode(octets).decode()}"


def signing_key(domain: str, selector: str, private: bytes) -> SigningKey:
    """The key as mail.dkim uses it."""
    key = _decode(private)
    if isinstance(key, RSAPrivateKey):
        padding, digest = PKCS1v15(), SHA256()
        return SigningKey(
            domain, selector, Algorithm.RSA, lambda octets: key.sign(octets, padding, digest)
        )
    return SigningKey(
        domain, selector, Algorithm.ED25519, lambda octets: key.sign(sha256(octets).digest())
    )


def secret_context(key_id: int) -> str:
    """The place for which a private key is sealed."""
    return f"DKIM key {format_id(key_id)}"


def _encode(key: _Private) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _decode(private: bytes) -> _Private:
    # It was checked when it was made or read, and is sealed since.
    key = load_der_private_key(private, None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise TypeError("only keys that read_private_key took are kept")
    return key
