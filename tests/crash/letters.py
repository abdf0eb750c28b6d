"""What the clients send: messages of all sizes whose recipients' names say what the sink does."""

import hashlib
import random
import re
import uuid
from base64 import encodebytes
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.e2e.letters import SENDER

from pillarbox.mail.spooled import CHUNK_OCTETS, INLINE_OCTETS

_MARK = b"X-Ledger: "
_DOMAIN = "next.example"

_MARKED = re.compile(rb"(?m)^X-Ledger: ([0-9a-f]{32})\r?$")
_RECEIVED_ID = re.compile(rb"\bid ([0-9A-Z]{13})\b")
_MESSAGE_ID = re.compile(rb"(?mi)^Message-ID: *(<[^>\r\n]+>)")
_FAILED = re.compile(rb"(?mi)^Final-Recipient: *rfc822; *(\S+)\r$")
_ADDRESS = re.compile(r"[a-z]+-\d+-([0-9a-f]{32})@")


class Kind(StrEnum):
    """How the sink answers RCPT."""

    TAKEN = "taken"
    LATE = "late"
    """4yz the first time."""
    REFUSED = "refused"
    """5yz."""
    PUT_OFF = "off"
    """4yz until the sink takes everything."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message, all of it with CRLF line ends."""

    uuid: str
    recipients: list[str]
    octets: bytes

    @property
    def digest(self) -> str:
        """Of all octets."""
        return digest(self.octets)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came to the sink."""

    uuid: str
    digest: str
    whole: str
    added_id: str


@dataclass(frozen=True, slots=True)
class Report:
    """A DSN as it came to the sink: who failed, by address."""

    report_id: str
    failed: list[str]


def digest(octets: bytes) -> str:
    """SHA-256 in hexadecimal digits."""
    return hashlib.sha256(octets).hexdigest()


def compose(
    rng: random.Random,
    *,
    kinds: Mapping[Kind, float],
    most_recipients: int = 3,
    domain: str = _DOMAIN,
    size_octets: int | None = None,
) -> Letter:
    """A message by chance. `kinds` weighs what the sink does with its recipients."""
    unique = uuid.UUID(int=rng.getrandbits(128)).hex
    count = rng.randint(1, most_recipients)
    chosen = rng.choices(list(kinds), list(kinds.values()), k=count)
    recipients = [f"{kind}-{n}-{unique}@{domain}" for n, kind in enumerate(chosen)]
    header = f"X-Ledger: {unique}\r\nFrom: {SENDER}\r\nTo: {recipients[0]}\r\nSubject: {unique}\r\n"
    if rng.random() < 0.5:
        header += f"Message-ID: <{unique}@sender.example>\r\n"
    size = _size(rng) if size_octets is None else size_octets
    body = encodebytes(rng.randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    return Letter(unique, recipients, f"{header}\r\n.\r\n..dots\r\n".encode() + body)


def _size(rng: random.Random) -> int:
    """Octets: most are small, some have a file for their content, written at once or while it comes
    in."""
    kind = rng.random()
    if kind < 0.75:
        return rng.randint(1024, 8 * 1024)
    if kind < 0.9:
        return rng.randint(8 * 1024, 100 * 1024)
    if kind < 0.96:
        return rng.randint(CHUNK_OCTETS, INLINE_OCTETS)
    return rng.randint(INLINE_OCTETS, 3 * 1024 * 1024)


def read_arrival(octets: bytes) -> Arrival | None:
    """What a message at the sink is; None if it is none of ours."""
    header = octets[: octets.find(b"\r\n\r\n") + 2]
    found = _MARKED.search(header)
    added_id = _RECEIVED_ID.search(header)
    if found is None or added_id is None:
        return None
    below = octets[octets.index(_MARK) :]
    return Arrival(found[1].decode(), digest(below), digest(octets), added_id[1].decode())


def read_report(octets: bytes) -> Report | None:
    """What a DSN at the sink says; None if it is none."""
    found = _MESSAGE_ID.search(octets)
    failed = [address.decode() for address in _FAILED.findall(octets)]
    return Report(found[1].decode(), failed) if found and failed else None


def message_of(recipient: str) -> str:
    """The uuid of the message that has this recipient; "" for an address that is none of ours."""
    found = _ADDRESS.match(recipient)
    return found[1] if found else ""
