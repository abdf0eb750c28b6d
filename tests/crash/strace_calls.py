"""What strace wrote, as calls with a begin and an end.

A call of one thread may begin before and end after calls of others, so each has two moments: the
lines in which they stand.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_LINE = re.compile(r"(?:(\d+) +)?(.*)")
"""Without its number where strace watches a single thread."""
_CALL = re.compile(r"(\w+)\((.*)")
_RESUMED = re.compile(r"<\.\.\. \w+ resumed>(.*)")
_UNFINISHED = " <unfinished ...>"
_RESULT = re.compile(r"(?s)(.*)\) += (-?\d+|\?)(.*)")
_FILE = re.compile(r"(-?\w+)<(.*?)>(\(deleted\))?(?:, |$)")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')

NEVER = 1 << 62
"""The moment at which a call ended that did not end."""


@dataclass(slots=True)
class Call:
    """One call. `began` and `ended` are lines; `result` is None if it did not end, negative if it
    failed, and `was_made` False if strace answered instead of the system."""

    thread: int
    name: str
    arguments: str
    began: int
    ended: int = NEVER
    result: int | None = None
    was_made: bool = True
    _strings: list[bytes] | None = field(default=None, repr=False)

    @property
    def succeeded(self) -> bool:
        """Whether it did what it says."""
        return self.was_made and self.result is not None and self.result >= 0

    @property
    def path(self) -> str:
        """The file behind the first argument, a descriptor; "" if its name is gone."""
        match = _FILE.match(self.arguments)
        return match[2] if match and not match[3] else ""

    @property
    def numbers(self) -> list[int]:
        """The last arguments, as far as they are numbers."""
        found: list[int] = []
        for word in reversed(self.arguments.rsplit(", ", 3)[1:]):
            if not word.isdecimal():
                break
            found.insert(0, int(word))
        return found

    @property
    def strings(self) -> list[bytes]:
        """The arguments that are text or data."""
        if self._strings is None:
            self._strings = [_unescape(text) for text in _STRING.findall(self.arguments)]
        return self._strings


def _unescape(text: str) -> bytes:
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def parse(lines: Iterable[str]) -> list[Call]:
    """The calls, in the order in which they began."""
    calls: list[Call] = []
    open_calls: dict[int, Call] = {}
    for number, line in enumerate(lines):
        match = _LINE.fullmatch(line)
        assert match is not None
        thread, text = int(match[1] or 0), match[2]
        resumed = _RESUMED.match(text)
        if resumed is not None:
            call = open_calls.pop(thread, None)
            if call is not None:
                call.arguments += resumed[1]
                _end(call, number)
            continue
        made = _CALL.match(text)
        if made is None:
            continue
        call = Call(thread, made[1], made[2], number)
        calls.append(call)
        if call.arguments.endswith(_UNFINISHED):
            call.arguments = call.arguments.removesuffix(_UNFINISHED)
            open_calls[thread] = call
        else:
            _end(call, number)
    return calls


def _end(call: Call, line: int) -> None:
    match = _RESULT.fullmatch(call.arguments)
    if match is None:
        return
    call.arguments = match[1]
    if match[2] != "?":
        call.ended, call.result = line, int(match[2])
    call.was_made = "(INJECTED)" not in match[3]
