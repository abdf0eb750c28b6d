"""PACC: a JSON document of the domain, with its digest in the DNS. Pure.

draft-ietf-mailmaint-pacc-02: the document names hosts only, because each protocol has its one
port, with TLS from the first octet; the TXT record of `_ua-auto-config` vouches for its octets.
"""

import hashlib
import hmac
import json
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable

from pillarbox.discovery.autoconfig import DocumentError
from pillarbox.discovery.findings import Login, Offer
from pillarbox.discovery.hosts import host_name
from pillarbox.publish.client_settings import Door, Encryption
from pillarbox.publish.dns_records import tags

SUBMISSIONS_PORT = 465


def is_vouched_for(document: bytes, records: Iterable[str]) -> bool:
    """Whether a record `v=UAAC1; a=sha256; d=…` has the digest of these octets."""
    digest = hashlib.sha256(document).digest()
    return any(hmac.compare_digest(digest, _digest(record)) for record in records)


def _digest(record: str) -> bytes:
    found = tags(record)
    if found.get("v") != "UAAC1" or found.get("a", "").lower() != "sha256":
        return b""
    try:
        return b64decode("".join(found.get("d", "").split()), validate=True)
    except (Base64Error, ValueError):
        return b""


def read_pacc(document: bytes) -> tuple[Offer, ...]:
    """The server for sending that a document names; none where it names none. Raises
    DocumentError."""
    try:
        content = json.loads(document)
    except (ValueError, RecursionError) as exc:
        raise DocumentError("it is no JSON") from exc
    host = host_name(_text(_member(_member(content, "protocols"), "smtp"), "host"))
    if host is None:
        return ()
    ways = _member(content, "authentication")
    logins = []
    if isinstance(ways, dict) and ways.get("oauth-public"):
        logins.append(Login.OAUTH2)
    if not logins or (isinstance(ways, dict) and ways.get("password")):
        logins.insert(0, Login.PASSWORD)
    return (Offer(host, Door(SUBMISSIONS_PORT, Encryption.TLS), logins=tuple(logins)),)


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: object, name: str) -> str:
    text = _member(value, name)
    return text if isinstance(text, str) else ""
