"""Certificates for the gallery: good ones, and each thing that can be wrong with one."""

import datetime
import ssl
import tempfile
import warnings
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

HOST = "mail.corp.com"
LOCAL_NAMES = ("localhost", "127.0.0.1")
"""So that programs on this machine can be sent to the gallery as well."""

Key: TypeAlias = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Cert:
    """What a server shows. `days` are from now to its begin and end. `chain`: "whole", "leaf" (the
    intermediate is missing), "self" (signed by itself), "unknown" (of another authority), "root"
    (of an own authority whose root is sent along)."""

    names: tuple[str, ...] = (HOST, *LOCAL_NAMES)
    days: tuple[float, float] = (-10, 90)
    key: str = "p256"
    chain: str = "whole"
    purpose: str = "server"
    has_san: bool = True


@dataclass(frozen=True)
class Issuer:
    """An authority: its certificate and key."""

    certificate: x509.Certificate
    key: Key


@cache
def key_of(kind: str) -> Key:
    """One key of each kind for all; "p256-2" is a second one."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:].partition("-")[0]))
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@cache
def authority(name: str, above: str = "") -> Issuer:
    """A root, or an intermediate under the root `above`."""
    key = key_of("rsa2048-ca" if name == "RSA CA" else f"p256-{name}")
    issuer = authority(above) if above else None
    signer = issuer.key if issuer else key
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(above or name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - datetime.timedelta(days=400))
        .not_valid_after(_now() + datetime.timedelta(days=400))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    return Issuer(made.sign(signer, hashes.SHA256()), key)


ROOT = "Gallery Root"

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}


@cache
def trust() -> ssl.SSLContext:
    """What clients of the gallery trust: its root."""
    return trust_anew()


def nobody() -> ssl.SSLContext:
    """What clients trust that know another root alone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=pem(authority("Other Root").certificate).decode())
    return context


def nameless(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same, for whatever name."""
    context.check_hostname = False
    return context


def trust_anew() -> ssl.SSLContext:
    """A context of its own with the root of the gallery."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=pem(authority(ROOT).certificate).decode())
    return context


def pem(certificate: x509.Certificate) -> bytes:
    """A certificate as it stands in files."""
    return certificate.public_bytes(serialization.Encoding.PEM)


def issued(wanted: Cert) -> tuple[list[x509.Certificate], Key]:
    """The chain as it is sent, and the key."""
    key = key_of(wanted.key)
    issuer = {
        "self": None,
        "unknown": authority("Other CA", "Other Root"),
        "root": authority("Own Root"),
        "sha1": authority("RSA CA", ROOT),
    }.get(wanted.chain, authority("Gallery CA", ROOT))
    leaf = _leaf(wanted, key, issuer)
    if issuer is None or wanted.chain == "leaf":
        return [leaf], key
    if wanted.chain == "disorder":
        return [leaf, authority("Other CA", "Other Root").certificate], key
    return [leaf, issuer.certificate], key


def _leaf(wanted: Cert, key: Key, issuer: Issuer | None) -> x509.Certificate:
    subject = _name(wanted.names[0])
    begin, end = (_now() + datetime.timedelta(days=days) for days in wanted.days)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH
    if wanted.purpose == "client":
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    )
    signer = issuer.key if issuer else key
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
    )
    if wanted.has_san:
        names = [_general(name) for name in wanted.names]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    made = builder.sign(signer, hashes.SHA256())
    return _signed_with_sha1(made, signer) if wanted.chain == "sha1" else made


def _signed_with_sha1(made: x509.Certificate, signer: Key) -> x509.Certificate:
    """The same, with a hash that the library refuses to sign certificates with. The identifiers of
    both algorithms differ in their last octet."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    lead = bytes.fromhex("06092a864886f70d0101")
    whole, body = (
        octets.replace(lead + b"\x0b", lead + b"\x05")
        for octets in (made.public_bytes(serialization.Encoding.DER), made.tbs_certificate_bytes)
    )
    signature = signer.sign(body, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - it is shown
    return x509.load_der_x509_certificate(whole.replace(made.signature, signature))


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


@dataclass(frozen=True)
class Made:
    """How a server's context is made. `versions` are the oldest and the newest TLS that it does;
    with `weak_group` its finite-field exchange is one of 1024 bits."""

    cert: Cert
    versions: tuple[str, str] = ("1.2", "1.3")
    ciphers: str = ""
    weak_group: bool = False


_GROUP_OF_1024_BITS = """-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
"""RFC 2409 section 6.2."""


@cache
def context(made: Made) -> ssl.SSLContext:
    """A server's context, shared by all that show the same."""
    return _new_context(made)


def _new_context(made: Made) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    chain, key = issued(made.cert)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    # Weak keys and old versions are what is shown here.
    context.set_ciphers(f"{made.ciphers or 'DEFAULT'}:@SECLEVEL=0")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(secret + b"".join(map(pem, chain)))
        context.load_cert_chain(file)
        if made.weak_group:
            file.write_text(_GROUP_OF_1024_BITS, encoding="ascii")
            context.load_dh_params(str(file))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        low, high = (_VERSIONS[version] for version in made.versions)
        context.minimum_version = low
        context.maximum_version = high
    return context


def context_by_name(named: Made, unnamed: Made) -> ssl.SSLContext:
    """`unnamed` for clients that do not say a name, `named` for all others."""
    mine, other = _new_context(named), context(unnamed)

    def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = other if name is None else mine

    mine.sni_callback = choose
    return mine
