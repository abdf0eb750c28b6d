"""Keys that sign, and what DNS would say of them."""

from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pillarbox.mail.dkim import Algorithm, SigningKey


@lru_cache
def rsa_key() -> rsa.RSAPrivateKey:
    """A key of 2,048 bits, made once."""
    return rsa.generate_private_key(65537, 2048)


@lru_cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    """A key, made once."""
    return ed25519.Ed25519PrivateKey.generate()


def signing_key(algorithm: Algorithm, domain: str = "example.org") -> SigningKey:
    """The key of that algorithm, with the algorithm's first three letters as selector."""
    sign: Callable[[bytes], bytes]
    if algorithm is Algorithm.RSA:
        sign = lambda octets: rsa_key().sign(octets, padding.PKCS1v15(), SHA256())  # noqa: E731
    else:
        sign = lambda octets: ed25519_key().sign(sha256(octets).digest())  # noqa: E731
    return SigningKey(domain, algorithm[:3], algorithm, sign)


def dns_txt(name: bytes, timeout: int = 5) -> bytes:
    """What dkimpy is given for DNS: the record of a selector of `signing_key`."""
    del timeout
    if name.startswith(b"rsa."):
        octets = (
            rsa_key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )
        return b"v=DKIM1; k=rsa; p=" + b64encode(octets)
    octets = ed25519_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return b"v=DKIM1; k=ed25519; p=" + b64encode(octets)
