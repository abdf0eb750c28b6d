"""The header fields of a message as Microsoft reads them: who it is from, whom it is for.

By the parser of Python's library, on purpose: the relay has one of its own.
"""

import re
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses

_END_OF_HEADER = re.compile(rb"\r?\n(?=\r?\n)")
_FIELD_BEGINS = re.compile(rb"(?<=\n)(?![ \t])")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of a message's header fields, in lower case."""

    authors: tuple[str, ...]
    sender: tuple[str, ...]
    recipients: tuple[str, ...]
    """Of To, Cc and Bcc, each once."""


def read_addresses(raw: bytes) -> Addresses:
    """Read them from a whole message."""
    header = BytesHeaderParser().parsebytes(_header_of(raw))
    recipients = _addresses(header, "to", "cc", "bcc")
    return Addresses(
        _addresses(header, "from"),
        _addresses(header, "sender"),
        tuple(dict.fromkeys(recipients)),
    )


def without_field(raw: bytes, name: bytes) -> bytes:
    """The message without the fields of this name (in lower case)."""
    header = _header_of(raw)
    fields = _FIELD_BEGINS.split(header)
    kept = [field for field in fields if field.partition(b":")[0].strip().lower() != name]
    if len(kept) == len(fields):
        return raw
    return b"".join(kept) + raw[len(header) :]


def _header_of(raw: bytes) -> bytes:
    """The header block with the end of its last line."""
    end = _END_OF_HEADER.search(raw)
    return raw[: end.end()] if end else raw


def _addresses(header: "Message[str, str]", *names: str) -> tuple[str, ...]:
    values = [str(value) for name in names for value in header.get_all(name, [])]
    return tuple(address.lower() for _, address in getaddresses(values) if "@" in address)
