"""The way of a delivered message: Received fields (RFC 5321 section 4.4), and what its receiver
found (RFC 8601). Pure."""

import re
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

from pillarbox.diagnosis.message_facts import Message

MAX_HOPS = 200
_MAX_FIELD = 20_000
_WORDS = ("from", "by", "via", "with", "id", "for")
_RESULT = re.compile(r"\s*([a-z][a-z0-9-]*)\s*=\s*([a-z]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hop:
    """One server that took the message. `at` is in seconds since 1970, None where it can not be
    read; `protocol` is from RFC 3848, in capitals."""

    sender: str
    server: str
    protocol: str
    at: float | None


@dataclass(frozen=True, slots=True)
class MethodResult:
    """What a receiver found by one method; `text` is it with its comments and properties."""

    server: str
    method: str
    result: str
    text: str


def hops(message: Message) -> tuple[Hop, ...]:
    """The servers in the order of the way."""
    found = message.named("received")[:MAX_HOPS]
    return tuple(_hop(field.text[:_MAX_FIELD]) for field in reversed(found))


def _hop(text: str) -> Hop:
    said, _, date = without_comments(text).rpartition(";")
    parts: dict[str, str] = {}
    word = ""
    for token in said.split():
        if token.lower() in _WORDS and token.lower() not in parts:
            word = token.lower()
            parts[word] = ""
        elif word and not parts[word]:
            parts[word] = token
    server = parts.get("by", "").rstrip(".").lower()
    return Hop(parts.get("from", ""), server, parts.get("with", "").upper(), read_date(date))


def read_date(text: str) -> float | None:
    """A date of RFC 5322 in seconds since 1970; None for what is none."""
    try:
        parsed = parsedate_tz(text.strip())
        return None if parsed is None else float(mktime_tz(parsed))
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def without_comments(text: str) -> str:
    """The text without what stands in brackets, which may nest (RFC 5322 section 3.2.2)."""
    kept: list[str] = []
    depth, is_quoted = 0, False
    for char in text:
        if char == '"' and not depth:
            is_quoted = not is_quoted
        if char == "(" and not is_quoted:
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            kept.append(" ")
        elif not depth:
            kept.append(char)
    return "".join(kept)


def results(message: Message) -> tuple[MethodResult, ...]:
    """What the last receiver found: the topmost field and others of the same server. What stands
    further below anybody may have written."""
    found: list[MethodResult] = []
    first = ""
    for field in message.named("authentication-results")[:20]:
        server, *parts = _parts(field.text[:_MAX_FIELD])
        name = server.split()[0].lower() if server.split() else ""
        if "=" in name:
            # Microsoft 365 names no server.
            name, parts = "", [server, *parts]
        first = first or name
        if name != first:
            continue
        for part in parts:
            if match := _RESULT.match(without_comments(part)):
                text = " ".join(part.split())[:300]
                found.append(MethodResult(name, match[1].lower(), match[2].lower(), text))
    return tuple(found)


def _parts(text: str) -> list[str]:
    """What stands between the semicolons that are in no comment."""
    parts, depth, start = [], 0, 0
    for at, char in enumerate(text):
        if char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
        elif char == ";" and not depth:
            parts.append(text[start:at])
            start = at + 1
    return [*parts, text[start:]]
