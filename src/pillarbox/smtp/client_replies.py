"""Replies of a server, from octets (RFC 5321 4.2). Pure.

A next hop is not to be trusted with memory or with what is shown to people: lines and replies
have bounds, text is cleaned, and the secrets of a login are masked where a server repeats them.
Lenient where real servers are careless (no text, bare LF, codes that differ within one reply),
strict where a meaning would have to be guessed.
"""

from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Self

from pillarbox.errors import RemoteProtocolError
from pillarbox.mail.reply import Reply, split_enhanced
from pillarbox.values import quick

MAX_LINE_OCTETS = 8192
"""RFC 5321 4.5.3.1.5 allows 512; a longer line is no reason yet to lose a session."""

MAX_REPLY_LINES = 256
"""The answers to EHLO of servers that offer all there is have about 30."""

MAX_REPLY_OCTETS = 65536
"""The memory that one reply may take."""

KEPT_LINES = 20
"""So much of a reply is kept for people to read."""

KEPT_CHARACTERS = 500
"""So much of a line is kept."""

_CODES = {b"%d" % code: code for code in range(200, 600)}
_BEHIND_CODE = (b" ", b"-", b"", b"\t")
_DIGITS = frozenset(b"0123456789")
_MASK = b"********"
_TRUNCATED_OCTETS = 8


@quick(frozen=True, slots=True)
class RawReply:
    """A reply as it came: its code and the text of its lines, undecoded."""

    code: int
    lines: list[bytes]


class ReplyParser:
    """Cuts a stream of octets into replies; how the octets are split does not matter. `is_empty`:
    nothing has come that was not handed out as a reply."""

    def __init__(self) -> None:
        self.is_empty = True
        self._buffer = b""
        self._start = 0
        self._lines: list[bytes] = []
        self._octets = 0

    def feed(self, octets: bytes) -> None:
        """Take octets; then call next_reply() until it gives None."""
        if self._start == len(self._buffer):
            self._buffer = octets
        else:
            self._buffer = self._buffer[self._start :] + octets
        self._start = 0
        self.is_empty = self.is_empty and not octets

    def next_reply(self) -> RawReply | None:
        """The next whole reply, None if it has not come yet.

        Raises RemoteProtocolError for what is no reply; the stream is of no use after that.
        """
        buffer = self._buffer
        if self._start == len(buffer):
            return None
        while True:
            start = self._start
            end = buffer.find(b"\n", start)
            if (end if end >= 0 else len(buffer)) - start > MAX_LINE_OCTETS:
                raise RemoteProtocolError("a reply line without end")
            if end < 0:
                return None
            self._start = end + 1
            line = buffer[start:end].rstrip(b"\r")
            code = _CODES.get(line[:3])
            if code is None or line[3:4] not in _BEHIND_CODE:
                code = _code_of(line)
            self._lines.append(line[4:])
            if line[3:4] != b"-":
                lines, self._lines, self._octets = self._lines, [], 0
                self.is_empty = self._start == len(buffer)
                return RawReply(code, lines)
            self._octets += end - start
            if len(self._lines) >= MAX_REPLY_LINES or self._octets > MAX_REPLY_OCTETS:
                raise RemoteProtocolError("a reply without end")


GROUP_OCTETS = 1024
"""The replies to a usual group are not longer; so many octets, or what is made of them, are
remembered 256 times."""


@lru_cache(256)
def read_usual_group(octets: bytes) -> tuple[RawReply, ...] | None:
    """The replies of a server that takes MAIL, RCPT and DATA: each is 250, the last one 354. None
    for all else. Servers say the same for each message, so it is remembered."""
    parser = ReplyParser()
    parser.feed(octets)
    raws: list[RawReply] = []
    try:
        while (raw := parser.next_reply()) is not None:
            raws.append(raw)
    except RemoteProtocolError:
        return None
    codes = [raw.code for raw in raws]
    is_usual = codes[-1:] == [354] and set(codes[:-1]) == {250} and parser.is_empty
    return tuple(raws) if is_usual else None


def _code_of(line: bytes) -> int:
    """The code of a reply line. RFC 5321 4.2: "The first digit is 2, 3, 4 or 5"."""
    code = _CODES.get(line[:3])
    if code is None:
        if len(line) < 3 or not _DIGITS.issuperset(line[:3]):
            raise RemoteProtocolError("a line that does not begin with a reply code")
        raise RemoteProtocolError(f"the reply code {int(line[:3])}")
    if line[3:4] not in _BEHIND_CODE:
        raise RemoteProtocolError("a reply code without a space behind it")
    return code


class Secrets:
    """The secrets of one login in all forms in which a server could repeat them."""

    def __init__(self, plain: bytes, encoded: Sequence[bytes]) -> None:
        """`encoded` are known by their beginning, since a line that was repeated is often cut."""
        self._plain = plain
        self._encoded = encoded

    @classmethod
    def of_password(cls, username: str, password: str) -> Self:
        """Those of PLAIN and LOGIN. The plain password is known only whole, or a reply would tell
        how it begins."""
        user, secret = username.encode(), password.encode()
        responses = (b"\0%b\0%b" % (user, secret), b"%b\0%b\0%b" % (user, user, secret), secret)
        return cls(secret, [b64encode(octets).rstrip(b"=") for octets in responses])

    @classmethod
    def of_token(cls, token: str, responses: Sequence[bytes]) -> Self:
        """Those of an access token, which stands inside of `responses`. How it begins is no secret:
        all tokens of an issuer begin alike."""
        secret = token.encode()
        encoded = [b64encode(octets).rstrip(b"=") for octets in responses]
        # Inside a longer base64 text the octets stand at one of three offsets.
        encoded += [b64encode(b"\0" * n + secret).rstrip(b"=")[4 * (n > 0) :] for n in range(3)]
        return cls(secret, [*encoded, secret])

    def mask(self, text: bytes) -> bytes:
        """The text without the secrets."""
        if self._plain:
            text = text.replace(self._plain, _MASK)
        for encoded in self._encoded:
            text = _mask_beginning(text, encoded)
        return text


def _mask_beginning(text: bytes, secret: bytes) -> bytes:
    """Mask each place where at least the first octets of `secret` stand, as far as they match."""
    lead = secret[:_TRUNCATED_OCTETS]
    start = text.find(lead) if lead else -1
    while start >= 0:
        length = len(lead)
        while (
            length < len(secret)
            and text[start + length : start + length + 1] == (secret[length : length + 1])
        ):
            length += 1
        text = text[:start] + _MASK + text[start + length :]
        start = text.find(lead, start + len(_MASK))
    return text


def to_reply(raw: RawReply, secrets: Secrets | None = None) -> Reply:
    """The reply as it is kept: decoded, cleaned, cut, without `secrets`.

    The enhanced code is that of the first line, where its class fits the code (RFC 2034 section
    4: "the <class> ... MUST agree").
    """
    code, lines = raw.code, raw.lines[:KEPT_LINES]
    if secrets is not None:
        lines = _without(secrets, lines)
    text = _clean(lines[0])
    enhanced, first = split_enhanced(text)
    if not enhanced or enhanced[0] != str(code)[0]:
        enhanced, first = "", text
    if len(lines) == 1:
        return Reply(code, enhanced, (first,))
    lead = f"{enhanced} " if enhanced else ""
    rest = (_clean(line).removeprefix(lead) for line in lines[1:])
    return Reply(code, enhanced, (first, *rest))


def to_replies(
    raws: Sequence[RawReply | None], secrets: Secrets | None = None
) -> list[Reply | None]:
    """The replies as they are kept; one that stands there many times is made once."""
    if len(raws) == 1:
        return [None if raws[0] is None else to_reply(raws[0], secrets)]
    made: dict[int, Reply | None] = {
        id(raw): None if raw is None else to_reply(raw, secrets)
        for raw in {id(raw): raw for raw in raws}.values()
    }
    return [made[id(raw)] for raw in raws]


def _without(secrets: Secrets, lines: list[bytes]) -> list[bytes]:
    masked = [secrets.mask(line) for line in lines]
    # A secret that was folded over several lines stands whole in none of them.
    whole = secrets.mask(b"".join(lines))
    return masked if whole == b"".join(masked) else [whole]


def _clean(line: bytes) -> str:
    """Text for people: UTF-8, no control characters, no characters that turn the direction."""
    text = line[: KEPT_CHARACTERS * 4].decode("utf-8", "replace")[:KEPT_CHARACTERS]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text.strip(" ")
