"""A message as a receiver sees it, and what the DNS says of those who vouch for it. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.diagnosis.domain_facts import DkimFacts
from pillarbox.publish.dmarc import Discovery


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the header: its name as it was written, and what stands behind the colon."""

    name: str
    body: bytes

    @property
    def text(self) -> str:
        """The body in one line; octets that are no UTF-8 stay visible."""
        joined = self.body.replace(b"\r\n", b"")
        return joined.decode("utf-8", "backslashreplace").strip()


@dataclass(frozen=True, slots=True)
class Message:
    """The octets of a message in parts. `odd_lines` of the header are no fields; `bare_ends`
    counts CR and LF that stand alone; `octets` have CRLF wherever the file had it or LF alone."""

    octets: bytes
    header_octets: int
    fields: tuple[Field, ...]
    odd_lines: tuple[bytes, ...] = ()
    bare_ends: int = 0

    @property
    def body(self) -> bytes:
        """What stands behind the empty line."""
        return self.octets[self.header_octets + 2 :]

    def named(self, name: str) -> list[Field]:
        """All fields of a name, in lower case, from the top."""
        return [field for field in self.fields if field.name.lower() == name]

    def text(self, name: str) -> str:
        """The first field of a name in one line; "" without one."""
        found = self.named(name)
        return found[0].text if found else ""


class DkimResult(StrEnum):
    """What became of the check of a signature."""

    PASS = "pass"  # noqa: S105 - the name of a result
    BODY_CHANGED = "body changed"
    WRONG = "wrong"
    NO_KEY = "no key"
    MALFORMED = "malformed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SignatureFacts:
    """A DKIM signature: its tags and what came of it. `key` is what the DNS has, None where it was
    not asked or did not answer; `why` is more about the result."""

    tags: Mapping[str, str]
    result: DkimResult = DkimResult.UNKNOWN
    key: DkimFacts | None = None
    why: str = ""

    @property
    def domain(self) -> str:
        """Who signed."""
        return self.tags.get("d", "").lower()

    @property
    def selector(self) -> str:
        """The name of the key."""
        return self.tags.get("s", "").lower()

    @property
    def fields(self) -> tuple[str, ...]:
        """The names that were signed, in lower case."""
        return tuple(name.strip().lower() for name in self.tags.get("h", "").split(":"))


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """Those whom DMARC looks at. `author` is the domain of the From field, `envelope` that of the
    sender of the envelope; `spf` is the result for `address`, "" where it is not known; `dmarc` are
    the records at `dmarc_at`, None without an answer."""

    author: str = ""
    envelope: str = ""
    address: str = ""
    spf: str = ""
    dmarc: tuple[str, ...] | None = None
    dmarc_at: str = ""
    discovery: Discovery | None = None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """A message and what was learnt of it. `is_bulk`: it was said to go to many who did not ask
    for this very one."""

    message: Message
    signatures: tuple[SignatureFacts, ...] = ()
    sender: SenderFacts = SenderFacts()
    is_bulk: bool = False
