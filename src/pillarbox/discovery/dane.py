"""TLSA records (RFC 6698): what the DNS says of the certificate of a server. Pure.

Only usages 2 (an authority) and 3 (the certificate itself) count for mail; 0 and 1 can not be used
(RFC 7672 section 3.1.3).
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

USAGE_AUTHORITY, USAGE_CERTIFICATE = 2, 3

_DIGESTS: dict[int, Callable[[bytes], bytes]] = {
    0: lambda octets: octets,
    1: lambda octets: hashlib.sha256(octets).digest(),
    2: lambda octets: hashlib.sha512(octets).digest(),
}
_LENGTHS = {1: 32, 2: 64}


class TlsaRecord(NamedTuple):
    """One record. `selector` 0 is the whole certificate, 1 its key; `matching` 0 is all of it,
    1 SHA-256, 2 SHA-512."""

    usage: int
    selector: int
    matching: int
    octets: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.octets.hex()}"

    @property
    def is_usable(self) -> bool:
        """Whether it says something about mail that we understand."""
        return (
            self.usage in {USAGE_AUTHORITY, USAGE_CERTIFICATE}
            and self.selector in {0, 1}
            and self.matching in _DIGESTS
            and len(self.octets) == _LENGTHS.get(self.matching, len(self.octets))
            and bool(self.octets)
        )

    def matches(self, certificate: bytes, key: bytes | None) -> bool:
        """Whether a record that is usable means a certificate; both in DER, None for no key."""
        part = key if self.selector == 1 else certificate
        return part is not None and _DIGESTS[self.matching](part) == self.octets


def usable(records: Sequence[TlsaRecord]) -> tuple[TlsaRecord, ...]:
    """The records that count. RFC 7671 section 9: of digests of the same thing the best one."""
    known = [record for record in records if record.is_usable]
    best: dict[tuple[int, int], int] = {}
    for record in known:
        key = record.usage, record.selector
        best[key] = max(best.get(key, 0), record.matching)
    return tuple(
        record for record in known if record.matching in {0, best[record.usage, record.selector]}
    )


def own_record(key: bytes) -> TlsaRecord:
    """The record that is best for a server: its key, by SHA-256."""
    return TlsaRecord(3, 1, 1, hashlib.sha256(key).digest())
