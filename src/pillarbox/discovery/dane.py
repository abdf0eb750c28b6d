"""TLSA records (RFC 6698): what the DNS says of the certificate of a server. Pure."""

import hashlib
from typing import NamedTuple


class TlsaRecord(NamedTuple):
    """One record. `usage` 2 and 3 count for mail (RFC 7672 section 3.1); `selector` 0 is the whole
    certificate, 1 its key; `matching` 0 is all of it, 1 SHA-256, 2 SHA-512."""

    usage: int
    selector: int
    matching: int
    octets: bytes

    def __str__(self) -> str:
        return f"{self.usage} {self.selector} {self.matching} {self.octets.hex()}"

    def matches(self, certificate: bytes, key: bytes) -> bool:
        """Whether it is the record of a certificate or of its key, both in DER."""
        chosen = key if self.selector == 1 else certificate
        match self.matching:
            case 0:
                return self.octets == chosen
            case 1:
                return self.octets == hashlib.sha256(chosen).digest()
            case 2:
                return self.octets == hashlib.sha512(chosen).digest()
            case _:
                return False


def own_record(key: bytes) -> TlsaRecord:
    """The record that is best for a server: its key, by SHA-256."""
    return TlsaRecord(3, 1, 1, hashlib.sha256(key).digest())
