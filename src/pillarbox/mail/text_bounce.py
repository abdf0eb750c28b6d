"""Bounces of servers that write for people alone: qmail, Exim before 4.92, old Exchange and Domino,
and many others. Pure.

Told by who writes and by the subject; the reply of the server that refused the mail stands
somewhere in the text, mostly at the begin of a line or behind "said:". explain says what it means.
"""

import re
from functools import lru_cache

from pillarbox.mail.leaves import Header
from pillarbox.mail.reply import Reply

MAX_TEXT = 16_000
MAX_REPLY = 600
_LINES = 6
_REMEMBERED = 4
"""Texts; a report asks the same for each of its recipients."""

_WRITERS = frozenset(
    {"mailer-daemon", "mailerdaemon", "postmaster", "mail-daemon", "mailer_daemon", "mdaemon"}
)
_SUBJECT = re.compile(
    r"undeliver|delivery (?:status|failure|has failed|failed|problem|report|notification|delay)"
    r"|(?:mail|message|e-?mail) (?:delivery )?(?:failed|failure|delayed|not delivered|could not)"
    r"|failure notice|returned (?:mail|to sender)|non-?delivery|non remis|unzustellbar"
    r"|mail system error|warning: (?:could not send|message .{1,80} delayed)|delayed mail"
    r"|undelivered mail|nicht zugestellt|no se puede entregar",
    re.I,
)
_DELAY = re.compile(
    r"delay(?:ed)?\b|could not send message for past|will (?:keep trying|be retried|continue)"
    r"|still (?:being|trying)|no action is required|not yet been delivered|this is a warning",
    re.I,
)
_PERMANENT = re.compile(
    r"permanent|given up|giving up|could not be delivered to one or more|can not be delivered", re.I
)
_COPY = re.compile(
    r"^(?:-{2,} ?(?:below this line is a copy|this is a copy|the body of the message|original mess"
    r"|forwarded message|this message was|returned message)|original message (?:headers|follows))",
    re.I | re.M,
)
"""What follows is the message that comes back."""

_WITH_CODE = re.compile(
    r"(?:^|[\s:;(>\"'])([45]\d\d)[ -]#?([45]\.\d{1,3}\.\d{1,3})?(?![\d.])[ \t:-]{0,3}"
    r"([^\n]{0,600})"
)
_WITH_ENHANCED = re.compile(
    r"(?:^|[\s(#:])([45]\.\d{1,3}\.\d{1,3})(?![\d.])[ \t:)-]{0,3}([^\n]{0,600})"
)


def looks_like_bounce(header: Header, author: str, *, by_name: bool = True) -> bool:
    """Whether it says that it is one: by its subject, or by who writes."""
    if "x-failed-recipients" in header.fields:
        return True
    if _SUBJECT.search(header.get("subject")[:300]) is not None:
        return True
    return by_name and author.partition("@")[0] in _WRITERS


def is_delay(subject: str, text: str) -> bool:
    """Whether the server goes on trying."""
    beginning = f"{subject[:300]}\n{_own_words(text)[:3000]}"
    return _DELAY.search(beginning) is not None and _PERMANENT.search(beginning) is None


@lru_cache(_REMEMBERED)
def find_reply(text: str) -> Reply | None:
    """The first reply that a text quotes; None if it quotes none."""
    own = _own_words(text)
    with_code = [match for match in _WITH_CODE.finditer(own) if match[2] or _at_line(own, match)]
    if with_code:
        # One with both codes is surely a reply; other numbers of three digits may be anything.
        match = next((one for one in with_code if one[2]), with_code[0])
        return Reply(int(match[1]), match[2] or "", words_of(match[3]))
    found = _WITH_ENHANCED.search(own)
    if found is None:
        return None
    line = own[own.rfind("\n", 0, found.start(1)) + 1 : found.end()]
    return Reply(int(f"{found[1][0]}50"), found[1], words_of(line.replace(f"#{found[1]}", "")))


def words_about(text: str, address: str) -> str:
    """What stands below the line with an address, until the next empty line; "" if there is none.
    Exim and others say there what happened, and nowhere else."""
    lines, places = _lines(text)
    at = places.get(address) if address else None
    found: list[str] = []
    for line in lines[at + 1 : at + 1 + _LINES] if at is not None else ():
        if not line.strip():
            break
        found.append(line.strip())
    return "\n".join(found)


@lru_cache(_REMEMBERED)
def _lines(text: str) -> tuple[list[str], dict[str, int]]:
    """All lines, and where each stands first that may be an address."""
    lines = _own_words(text).split("\n")
    places: dict[str, int] = {}
    for at, line in enumerate(lines):
        places.setdefault(line.strip(" \t<>:").lower(), at)
    return lines, places


def _at_line(text: str, match: re.Match[str]) -> bool:
    """Whether it stands where replies do: first in its line, or behind a colon or bracket."""
    before = text[text.rfind("\n", 0, match.start(1)) + 1 : match.start(1)].rstrip(" \t")
    return not before or before[-1] in ":;>(\"'"


def _own_words(text: str) -> str:
    text = text[:MAX_TEXT]
    copy = _COPY.search(text)
    return text if copy is None else text[: copy.start()]


def words_of(text: str) -> tuple[str, ...]:
    """As the text of a reply."""
    kept = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    kept = kept.strip(" ()")[:MAX_REPLY]
    return (kept,) if kept else ()
