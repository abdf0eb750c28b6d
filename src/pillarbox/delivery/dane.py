"""DANE: chains of certificates that the DNS vouches for (RFC 7671, 7672). No I/O, no clock."""

import warnings
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from cryptography.x509.oid import NameOID

from pillarbox.diagnosis.certificate import key_of
from pillarbox.discovery.dane import USAGE_AUTHORITY, USAGE_CERTIFICATE, TlsaRecord

MAX_CHAIN = 10
"""More certificates of one host are not looked at."""

_NO_CERTIFICATE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
_KNOWN_EXTENSIONS = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.SubjectAlternativeName.oid,
    }
)


def readable(records: Sequence[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """The usable records without those that have a whole certificate or key which is none: such a
    one says no more than an unusable one (RFC 7671 section 4.1)."""
    return tuple(each for each in records if each.matching != 0 or _is_readable(each))


def _is_readable(record: TlsaRecord) -> bool:
    try:
        if record.selector == 0:
            x509.load_der_x509_certificate(record.octets)
        else:
            load_der_public_key(record.octets)
    except _NO_CERTIFICATE:
        return False
    return True


def vouches(
    records: Sequence[TlsaRecord], chain: Sequence[bytes], *, names: Sequence[str], now: datetime
) -> bool:
    """Whether one of the readable records vouches for a host that sent this chain (DER).

    `names` are those by which the host may be known; they and the validity in time count for
    usage 2 alone (RFC 7672 section 3.1).
    """
    chain = chain[:MAX_CHAIN]
    if not chain:
        return False
    leaf, key = chain[0], key_of(chain[0])
    if any(each.usage == USAGE_CERTIFICATE and each.matches(leaf, key) for each in records):
        return True
    authorities = [each for each in records if each.usage == USAGE_AUTHORITY]
    if not authorities:
        return False
    try:
        with warnings.catch_warnings():
            # Certificates come from strangers: what is odd about one that is taken is theirs.
            warnings.simplefilter("ignore")
            return _leads_to(authorities, chain, names, now)
    except _NO_CERTIFICATE:
        return False


def _leads_to(
    records: Sequence[TlsaRecord], chain: Sequence[bytes], names: Sequence[str], now: datetime
) -> bool:
    leaf, *rest = [x509.load_der_x509_certificate(der) for der in chain]
    trusted = [
        certificate
        for certificate, der in zip(rest, chain[1:], strict=True)
        if any(record.matches(der, key_of(der)) for record in records)
    ]
    # RFC 7672 section 3.1.2: a whole certificate need not be in the chain as well.
    trusted += [
        x509.load_der_x509_certificate(record.octets)
        for record in records
        if (record.selector, record.matching) == (0, 0)
    ]
    trusted += [
        _stand_in(record.octets, name, now)
        for record in records
        if (record.selector, record.matching) == (1, 0)
        for name in {each.issuer for each in (leaf, *rest)}
    ]
    return _is_named(leaf, names) and _climbs(leaf, rest, trusted, now)


def _stand_in(key: bytes, name: x509.Name, now: datetime) -> x509.Certificate:
    """A certificate for an authority of which the DNS has the key alone: then it may have any name
    (RFC 7671 section 5.2.3). Who signed this one does not matter."""
    day = timedelta(days=1)
    builder = x509.CertificateBuilder(
        name,
        name,
        load_der_public_key(key),  # type: ignore[arg-type] # TypeError for one that signs nothing
        1,
        now - day,
        now + day,
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(Ed25519PrivateKey.from_private_bytes(bytes(32)), None)


def _climbs(
    leaf: x509.Certificate,
    rest: Sequence[x509.Certificate],
    trusted: Sequence[x509.Certificate],
    now: datetime,
) -> bool:
    """Whether a trusted authority issued it, or one that such a one issued, and so on. Each
    certificate is looked at once: those of a stranger may well issue one another."""
    level, left = [leaf], list(rest)
    for depth in range(MAX_CHAIN):
        sound = [each for each in level if _is_sound(each, now)]
        for issuer in trusted:
            if _is_sound(issuer, now) and any(_issued(issuer, each, depth) for each in sound):
                return True
        level = [issuer for issuer in left if any(_issued(issuer, each, depth) for each in sound)]
        left = [issuer for issuer in left if issuer not in level]
    return False


def _is_sound(certificate: x509.Certificate, now: datetime) -> bool:
    """Whether it is valid now, and has nothing critical that we do not understand."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    return all(each.oid in _KNOWN_EXTENSIONS for each in certificate.extensions if each.critical)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate, depth: int) -> bool:
    """Whether an authority, that may have `depth` others below it, signed a certificate."""
    try:
        basic = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    if not basic.ca or (basic.path_length is not None and basic.path_length < depth):
        return False
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
        if not usage.key_cert_sign:
            return False
    except x509.ExtensionNotFound:
        pass
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *_NO_CERTIFICATE):
        return False
    return True


def _is_named(certificate: x509.Certificate, names: Sequence[str]) -> bool:
    """Whether it is for one of the names; the common name counts where it has no DNS name."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        patterns = found.value.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        patterns = []
    if not patterns:
        common = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        patterns = [str(each.value) for each in common]
    return any(_fits(pattern.lower(), name) for pattern in patterns for name in names)


def _fits(pattern: str, name: str) -> bool:
    if pattern.startswith("*."):
        first, _, rest = name.partition(".")
        return bool(first) and rest == pattern[2:] and "." in rest
    return pattern == name
