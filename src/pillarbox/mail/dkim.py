"""DKIM signatures (RFC 6376, RFC 8301, RFC 8463): relaxed/relaxed, of the whole body. Pure.

A signature covers every instance of the fields that it names, and says of the most important ones
that there is not one more of them (RFC 6376 8.15), so nobody can add a second From or Subject. The
secret key stays outside: `SigningKey.sign` is called with the octets to sign.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

_CLOSED = (
    *("From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version"),
    *("Content-Type", "Content-Transfer-Encoding", "Content-Disposition"),
)
"""Signed, and closed against one more of the same name, whether there is one or not."""

_OPEN = (
    *("Sender", "In-Reply-To", "References", "Auto-Submitted"),
    *("Resent-Date", "Resent-From", "Resent-Sender", "Resent-To", "Resent-Cc"),
    *("Resent-Message-ID", "List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post"),
    *("List-Subscribe", "List-Post", "List-Owner", "List-Archive"),
)
"""Signed where they are (RFC 6376 5.4.1); a list or a forwarder may add its own."""

_NAMES = {name.lower().encode(): name for name in _CLOSED + _OPEN}
_FIELDS = re.compile(
    rb"^(%b)[ \t]*:([^\r\n]*(?:\r\n[ \t][^\r\n]*)*)" % b"|".join(sorted(_NAMES, reverse=True)),
    re.IGNORECASE | re.MULTILINE,
)
_BLANKS = re.compile(rb"[ \t\r\n]+")
_LINE_OCTETS = 72
"""Where lines of a signature are folded (RFC 5322 2.1.1: "SHOULD be no more than 78")."""


class Algorithm(StrEnum):
    """RFC 8301 section 3.1 and RFC 8463 section 3."""

    RSA = "rsa-sha256"
    ED25519 = "ed25519-sha256"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key whose public half stands in DNS at `selector`._domainkey.`domain` (A-labels).

    `sign` makes the signature: for RSA of the SHA-256 of what it gets (PKCS #1 v1.5), for Ed25519
    of the 32 octets of that SHA-256 (RFC 8463 section 3).
    """

    domain: str
    selector: str
    algorithm: Algorithm
    sign: Callable[[bytes], bytes] = field(repr=False, compare=False)


def signature_fields(
    keys: Sequence[SigningKey], header: bytes, body_hash: bytes, seconds: int
) -> bytes:
    """One DKIM-Signature field for each key, to be put before `header`.

    `header` is all fields of the message, without the empty line; `body_hash` is from BodyHash;
    `seconds` the time since 1970.
    """
    names, signed = _choose(header)
    body = b64encode(body_hash)
    return b"".join(_signature(key, names, signed, body, seconds) for key in keys)


def _choose(header: bytes) -> tuple[tuple[str, ...], bytes]:
    """The names for the tag h=, and the signed fields in canonical form."""
    found: dict[bytes, list[bytes]] = {}
    for name, body in _FIELDS.findall(header):
        found.setdefault(name.lower(), []).append(body)
    names: list[str] = []
    signed: list[bytes] = []
    for key, name in _NAMES.items():
        if name in _CLOSED:
            names.append(name)
        bodies = found.get(key)
        if bodies is None:
            continue
        names += [name] * len(bodies)
        # RFC 6376 5.4.2: "Signers wishing to sign an existing multiple-instance header field MUST
        # sign the physically last instance of that field".
        signed += [_relaxed_field(key, body) for body in reversed(bodies)]
    return tuple(names), b"".join(signed)


def _relaxed_field(name: bytes, body: bytes) -> bytes:
    """RFC 6376 3.4.2, with its CRLF."""
    return b"%b:%b\r\n" % (name, _BLANKS.sub(b" ", body).strip(b" "))


def _signature(
    key: SigningKey, names: tuple[str, ...], signed: bytes, body: bytes, seconds: int
) -> bytes:
    tags, relaxed_tags = _lasting_tags(key.algorithm, key.domain, key.selector, names)
    # RFC 6376 3.7: the field itself comes last, "with the value of the "b=" tag ... deleted", and
    # "without a trailing CRLF".
    signature = key.sign(b"%b%b t=%d; bh=%b; b=" % (signed, relaxed_tags, seconds, body))
    text = b64encode(signature)
    lines = [text[at : at + _LINE_OCTETS] for at in range(0, len(text), _LINE_OCTETS)]
    value = b"\r\n\t".join(lines)
    return b"DKIM-Signature:%b\r\n\tt=%d; bh=%b;\r\n\tb=%b\r\n" % (tags, seconds, body, value)


@lru_cache(maxsize=64)
def _lasting_tags(
    algorithm: Algorithm, domain: str, selector: str, names: tuple[str, ...]
) -> tuple[bytes, bytes]:
    """The tags that are the same in each message with these fields; again as the signature covers
    them, with the name of the field."""
    tags = (
        f" v=1; a={algorithm}; c=relaxed/relaxed;\r\n\td={domain};\r\n"
        f"\ts={selector};\r\n\th={_fold(names)};"
    ).encode()
    return tags, _relaxed_field(b"dkim-signature", tags)[:-2]


def _fold(names: Sequence[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) > _LINE_OCTETS:
            lines.append("")
        lines[-1] += f"{name}:"
    return "\r\n\t".join(lines).removesuffix(":")
