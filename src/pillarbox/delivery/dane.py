"""DANE: certificates that the DNS vouches for (RFC 6698, 7671, 7672). No I/O, no clock.

Only usages 2 (an authority) and 3 (the certificate itself) count for mail; 0 and 1 can not be used
(RFC 7672 section 3.1.3).
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import NameOID

USAGE_AUTHORITY, USAGE_CERTIFICATE = 2, 3

MAX_CHAIN = 10
"""More certificates of one host are not looked at."""

_DIGESTS: dict[int, Callable[[bytes], bytes]] = {
    0: lambda octets: octets,
    1: lambda octets: hashlib.sha256(octets).digest(),
    2: lambda octets: hashlib.sha512(octets).digest(),
}
_LENGTHS = {1: 32, 2: 64}
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


@dataclass(frozen=True, slots=True)
class Tlsa:
    """A TLSA record: what is compared, of which certificate, and in which form."""

    usage: int
    selector: int
    matching: int
    data: bytes

    @property
    def is_usable(self) -> bool:
        """Whether it says something about mail that we understand."""
        return (
            self.usage in {USAGE_AUTHORITY, USAGE_CERTIFICATE}
            and self.selector in {0, 1}
            and self.matching in _DIGESTS
            and len(self.data) == _LENGTHS.get(self.matching, len(self.data))
            and bool(self.data)
        )

    def matches(self, der: bytes) -> bool:
        """Whether it means this certificate."""
        part = der if self.selector == 0 else public_key_info(der)
        return part is not None and _DIGESTS[self.matching](part) == self.data


def usable(records: Sequence[Tlsa]) -> tuple[Tlsa, ...]:
    """The records that count. RFC 7671 section 9: of digests of the same thing the best one."""
    known = [record for record in records if record.is_usable]
    best: dict[tuple[int, int], int] = {}
    for record in known:
        key = record.usage, record.selector
        best[key] = max(best.get(key, 0), record.matching)
    return tuple(
        record for record in known if record.matching in {0, best[record.usage, record.selector]}
    )


def vouches(
    records: Sequence[Tlsa], chain: Sequence[bytes], *, names: Sequence[str], now: datetime
) -> bool:
    """Whether one of the usable records vouches for a host that sent this chain (DER).

    `names` are those by which the host may be known; they and the validity in time count for
    usage 2 alone (RFC 7672 section 3.1).
    """
    chain = chain[:MAX_CHAIN]
    if not chain:
        return False
    if any(each.usage == USAGE_CERTIFICATE and each.matches(chain[0]) for each in records):
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
    records: Sequence[Tlsa], chain: Sequence[bytes], names: Sequence[str], now: datetime
) -> bool:
    leaf, *rest = [x509.load_der_x509_certificate(der) for der in chain]
    trusted = [
        certificate
        for certificate, der in zip(rest, chain[1:], strict=True)
        if any(record.matches(der) for record in records)
    ]
    # RFC 7672 section 3.1.2: a whole certificate need not be in the chain as well.
    trusted += [
        x509.load_der_x509_certificate(record.data)
        for record in records
        if (record.selector, record.matching) == (0, 0)
    ]
    return _is_named(leaf, names) and _climbs(leaf, rest, trusted, now)


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


def public_key_info(der: bytes) -> bytes | None:
    """The field subjectPublicKeyInfo of a certificate, octet for octet; None where there is none.

    RFC 5280 section 4.1: it is the seventh field behind an optional version.
    """
    try:
        outer, _ = _inside(der, 0)
        start, _ = _inside(der, outer)
        if der[start] == _VERSION_TAG:
            start = _after(der, start)
        for _ in range(_FIELDS_BEFORE_THE_KEY):
            start = _after(der, start)
        end = _after(der, start)
    except IndexError:
        return None
    return der[start:end] if end <= len(der) else None


_VERSION_TAG = 0xA0
_FIELDS_BEFORE_THE_KEY = 5
"""serialNumber, signature, issuer, validity, subject."""

_LONG_LENGTH = 0x80


def _inside(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of an element begins and ends. Raises IndexError."""
    length = der[at + 1]
    begin = at + 2
    if length & _LONG_LENGTH:
        count = length & ~_LONG_LENGTH
        begin += count
        der[begin - 1]
        length = int.from_bytes(der[at + 2 : begin])
    return begin, begin + length


def _after(der: bytes, at: int) -> int:
    return _inside(der, at)[1]
