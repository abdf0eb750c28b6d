"""Who a message says it is from: the mailboxes of a From, Sender or Resent field (RFC 5322 3.6.2).

Strict on purpose: whatever programs read differently is refused, because what is checked here must
be what the recipient sees. There are no groups, no routes, no blanks inside an address and nothing
behind a closing bracket. Display names, quoted or not, encoded words and comments are opaque.
Every step consumes input and nothing is read twice, so the time is linear.
"""

import re

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, parse_mailbox

MAX_FIELD_OCTETS = 8192
"""Room for a hundred authors; a longer field is no work of a mail program."""

MAX_MAILBOXES = 100

_WORD = rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_ADDRESS = rb"(%b++(?:\.%b++)*+@[A-Za-z0-9.-]++)" % (_WORD, _WORD)

# `a@b`, `<a@b>`, `Some Name <a@b>`, `"Some Name" <a@b>`: nearly all mail.
_USUAL = re.compile(
    rb"[ \t]*+(?:(?:\"[^\"\\\r\n\x00]*+\"|%b++(?:[ .]++%b++)*+)?[ \t]*+<%b>|%b)[ \t]*+"
    % (_WORD, _WORD, _ADDRESS, _ADDRESS)
)

# Folding white space, a quoted string, a domain literal, a run of atoms and dots, one special.
_TOKEN = re.compile(
    r"(?P<blank>(?:[ \t]|\r\n(?=[ \t]))++)"
    r"|(?P<quoted>\"(?:[^\"\\\r\n\x00]|\\[^\r\n\x00]|\r\n(?=[ \t]))*+\")"
    r"|(?P<literal>\[[^\[\]\\\x00-\x20]*+\])"
    r"|(?P<word>[^\x00-\x20\x7f()<>\[\]:;@\\,\"]++)"
    r"|(?P<special>[<>@,(])"
)
_COMMENT_STEP = re.compile(r"[^()\\\r\n\x00]++|\\[^\r\n\x00]|\r\n(?=[ \t])|[()]")

_Tokens = list[tuple[str, str]]


def parse_authors(body: bytes) -> tuple[Mailbox, ...]:
    """The mailboxes of a field whose name and colon are cut off; there is at least one.

    `ann@example.org <bob@example.org>` yields both, since some programs show the first.
    Raises AddressError for what is not strictly a mailbox-list.
    """
    usual = _USUAL.fullmatch(body)
    if usual is not None:
        return (parse_mailbox((usual[1] or usual[2]).decode("ascii")),)
    if len(body) > MAX_FIELD_OCTETS:
        raise AddressError("the field is too long")
    mailboxes: list[Mailbox] = []
    for tokens in _split_list(_tokens(body.decode("utf-8", "surrogateescape"))):
        mailboxes += _mailboxes(tokens)
    return tuple(mailboxes)


def _tokens(text: str) -> _Tokens:
    """All tokens but comments; a comment counts as a blank."""
    tokens: _Tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise AddressError("the field has characters that stand in no address")
        position = match.end()
        kind, value = match.lastgroup or "", match.group()
        if value == "(":
            position = _end_of_comment(text, position)
            kind, value = "blank", " "
        tokens.append((kind, value))
    return tokens


def _end_of_comment(text: str, position: int) -> int:
    """Where the comment ends that was opened before `position` (RFC 5322 3.2.2; they nest)."""
    depth = 1
    while depth:
        match = _COMMENT_STEP.match(text, position)
        if match is None:
            raise AddressError("a comment is not closed")
        position = match.end()
        depth += {"(": 1, ")": -1}.get(match.group(), 0)
    return position


def _split_list(tokens: _Tokens) -> list[_Tokens]:
    parts: list[_Tokens] = [[]]
    for token in tokens:
        if token == ("special", ","):
            parts.append([])
        else:
            parts[-1].append(token)
    if len(parts) > MAX_MAILBOXES:
        raise AddressError("the field has too many addresses")
    return [_strip(part) for part in parts]


def _strip(tokens: _Tokens) -> _Tokens:
    first, end = 0, len(tokens)
    while first < end and tokens[first][0] == "blank":
        first += 1
    while end > first and tokens[end - 1][0] == "blank":
        end -= 1
    return tokens[first:end]


def _mailboxes(tokens: _Tokens) -> list[Mailbox]:
    """One entry of the list: an address, or a name and an address in brackets."""
    opening = ("special", "<")
    if opening not in tokens:
        return [_address(tokens)]
    start = tokens.index(opening)
    if tokens[-1] != ("special", ">"):
        raise AddressError("something stands behind the address in brackets")
    found = [_address(tokens[start + 1 : -1])]
    name = _strip(tokens[:start])
    if any(kind == "special" for kind, _ in name):
        found.insert(0, _address(name))
    if any(kind == "literal" for kind, _ in name):
        raise AddressError("the name before the address has brackets that are not quoted")
    return found


def _address(tokens: _Tokens) -> Mailbox:
    """An addr-spec without blanks or comments in it (RFC 5322 3.4.1)."""
    kinds = [kind for kind, _ in tokens]
    if (
        len(tokens) != 3
        or kinds[0] not in {"word", "quoted"}
        or tokens[1] != ("special", "@")
        or kinds[2] not in {"word", "literal"}
    ):
        raise AddressError("there is no plain address")
    return parse_mailbox("".join(value for _, value in tokens))
