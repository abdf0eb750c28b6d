"""Records of a domain in parts: keys, takers of reports. Pure."""

import binascii
from base64 import b64decode
from dataclasses import dataclass

from pillarbox.diagnosis.certificate import key_size
from pillarbox.discovery.hosts import host_name
from pillarbox.publish.dns_records import tags


@dataclass(frozen=True, slots=True)
class DkimKey:
    """The key of a record. `bits` is 0 for Ed25519, -1 for what is no key."""

    kind: str
    bits: int
    is_revoked: bool
    is_test: bool


def dkim_key(text: str) -> DkimKey:
    """The key of a record of DKIM."""
    found = tags(text)
    kind = found.get("k", "rsa").lower()
    value = "".join(found.get("p", "").split())
    is_test = "y" in found.get("t", "").lower().split(":")
    if not value:
        return DkimKey(kind, -1, True, is_test)
    try:
        octets = b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return DkimKey(kind, -1, False, is_test)
    if kind == "ed25519":
        return DkimKey(kind, 0 if len(octets) == 32 else -1, False, is_test)
    return DkimKey(kind, key_size(octets), False, is_test)


def report_domains(policy: str) -> list[str]:
    """The domains that get reports of a DMARC record by mail (rua)."""
    found = []
    for uri in tags(policy).get("rua", "").split(","):
        scheme, _, rest = uri.strip().partition(":")
        domain = host_name(rest.partition("!")[0].rpartition("@")[2])
        if scheme.lower() == "mailto" and domain:
            found.append(domain)
    return list(dict.fromkeys(found))
