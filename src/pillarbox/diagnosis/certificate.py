"""What stands in a certificate (RFC 5280), read without a library so that the doctor needs none.

Nothing is verified here: TLS does that. Pure.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_address

from pillarbox.diagnosis.der import (
    BOOLEAN,
    GENERALIZED_TIME,
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    SET,
    Element,
    dotted,
    elements,
    first,
    inside,
)

_COMMON_NAME, _ORGANISATION = "2.5.4.3", "2.5.4.10"
_ALTERNATIVE_NAMES, _BASIC_CONSTRAINTS, _PURPOSES = "2.5.29.17", "2.5.29.19", "2.5.29.37"
_SERVER, _ANY_PURPOSE = "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
_RSA = "1.2.840.113549.1.1.1"
_CURVES = {"1.2.840.10045.3.1.1": 192, "1.3.132.0.33": 224, "1.3.132.0.10": 256}
_BROKEN_SIGNATURES = {
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1",
    "1.3.14.3.2.29": "SHA-1",
}
_EXTENSIONS, _VERSION = 0xA3, 0xA0
_DNS_NAME, _ADDRESS = 0x82, 0x87
_MAX_NAMES = 100


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate. `begins_at` and `ends_at` are in seconds since 1970; `names` are those of
    servers; `key_bits` is 0 for kinds of keys that have no weak sizes; `broken_signature` names a
    hash that is broken. `subject_der`, `issuer_der` and `key_der` are for comparing."""

    subject: str
    issuer: str
    begins_at: float
    ends_at: float
    names: tuple[str, ...]
    is_rsa: bool
    key_bits: int
    broken_signature: str
    is_authority: bool
    is_for_servers: bool
    subject_der: bytes
    issuer_der: bytes
    key_der: bytes

    @property
    def is_self_issued(self) -> bool:
        """Whether it names itself as its issuer."""
        return self.subject_der == self.issuer_der


def read_certificate(octets: bytes) -> Certificate | None:
    """What stands in a certificate in DER; None for what is none."""
    try:
        return _read(octets)
    except (ValueError, IndexError, OverflowError):
        return None


def key_size(octets: bytes) -> int:
    """The bits of a public key in DER, with its kind before it or an RSA key alone; -1 for what is
    none, 0 for kinds that have one size alone."""
    with suppress(ValueError, IndexError):
        parts = inside(octets, SEQUENCE)
        if parts[0].tag == INTEGER:
            return int.from_bytes(parts[0].content, "big").bit_length()
        return _key(first(octets))[1]
    return -1


def key_of(octets: bytes) -> bytes | None:
    """The field subjectPublicKeyInfo of a certificate in DER, octet for octet; None where there is
    none. It is had of certificates too of which all else can not be read."""
    try:
        _serial, _signature, _issuer, _validity, _subject, key, *_ = _fields(octets)
    except ValueError:
        return None
    return key.whole


def _fields(octets: bytes) -> list[Element]:
    """RFC 5280 section 4.1: what stands behind an optional version."""
    body, *_ = inside(octets, SEQUENCE)
    fields = list(elements(body.content))
    return fields[1:] if fields and fields[0].tag == _VERSION else fields


def _read(octets: bytes) -> Certificate:
    _, algorithm, *_ = inside(octets, SEQUENCE)
    _serial, _signature, issuer, validity, subject, key, *rest = _fields(octets)
    begin, end = (_time(one) for one in elements(validity.content))
    extensions = _extensions(rest)
    is_rsa, bits = _key(key)
    purposes = _purposes(extensions.get(_PURPOSES))
    signature = dotted(first(algorithm.content).content)
    return Certificate(
        subject=_name(subject),
        issuer=_name(issuer),
        begins_at=begin,
        ends_at=end,
        names=_names(extensions.get(_ALTERNATIVE_NAMES)),
        is_rsa=is_rsa,
        key_bits=bits,
        broken_signature=_BROKEN_SIGNATURES.get(signature, ""),
        is_authority=_is_authority(extensions.get(_BASIC_CONSTRAINTS)),
        is_for_servers=not purposes or bool({_SERVER, _ANY_PURPOSE} & purposes),
        subject_der=subject.whole,
        issuer_der=issuer.whole,
        key_der=key.whole,
    )


def _time(one: Element) -> float:
    """RFC 5280 section 4.1.2.5: two digits of the year mean 1950 to 2049."""
    text = one.content.decode("ascii")
    if one.tag != GENERALIZED_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _name(name: Element) -> str:
    """The common name and the organisation, as far as they are there."""
    found: dict[str, str] = {}
    for group in elements(name.content):
        for pair in elements(group.content) if group.tag == SET else ():
            kind, value = elements(pair.content)
            text = value.content[:100].decode("utf-8", "replace")
            found[dotted(kind.content)] = "".join(c if c.isprintable() else "?" for c in text)
    parts = (found.get(_COMMON_NAME, ""), found.get(_ORGANISATION, ""))
    return ", ".join(part for part in parts if part) or "nobody"


def _extensions(rest: list[Element]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for field in rest:
        if field.tag == _EXTENSIONS:
            for extension in inside(field.content, SEQUENCE):
                parts = list(elements(extension.content))
                if parts[-1].tag == OCTET_STRING:
                    found[dotted(parts[0].content)] = parts[-1].content
    return found


def _names(octets: bytes | None) -> tuple[str, ...]:
    if octets is None:
        return ()
    found = []
    for one in inside(octets, SEQUENCE)[:_MAX_NAMES]:
        if one.tag == _DNS_NAME:
            found.append(one.content[:255].decode("ascii", "replace"))
        elif one.tag == _ADDRESS:
            found.append(str(ip_address(one.content)))
    return tuple(found)


def _is_authority(octets: bytes | None) -> bool:
    if octets is None:
        return False
    parts = inside(octets, SEQUENCE)
    return bool(parts) and parts[0].tag == BOOLEAN and parts[0].content != b"\0"


def _purposes(octets: bytes | None) -> set[str]:
    return {dotted(one.content) for one in inside(octets, SEQUENCE)} if octets else set()


def _key(key: Element) -> tuple[bool, int]:
    """Whether it is RSA, and the size in bits; 0 for kinds that have one size alone."""
    algorithm, bits = elements(key.content)
    kind, *parameters = elements(algorithm.content)
    if dotted(kind.content) == _RSA:
        modulus = inside(bits.content[1:], SEQUENCE)[0]
        if modulus.tag != INTEGER:
            raise ValueError("an RSA key without a modulus")
        return True, int.from_bytes(modulus.content, "big").bit_length()
    curve = dotted(parameters[0].content) if parameters else ""
    return False, _CURVES.get(curve, 0)
