"""D6: between the last write of a message's data and the write of its 250 the file is synced.

Looks at the write-ahead log frame by frame: the transaction that first brings the recipients of a
message ends in a frame that says so, and after that frame the log must have been synced. If the
content of the message has a file, that must have been synced, and the folder in which it is.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

from tests.crash.content_folder import CONTENT_FOLDER
from tests.crash.strace_calls import NEVER, Call
from tests.crash.strace_recording import Recording

_RECIPIENT = re.compile(rb"r0\.([0-9a-f]{32})@")
_FRAME_HEADER_OCTETS = 24
_SYNCS = {"fsync", "fdatasync"}


@dataclass(frozen=True, slots=True)
class Order:
    """How many messages were looked at, in how many commits, how many had a file, and those that
    break the rule."""

    messages: int
    commits: int
    files: int
    broken: list[str]


def check_order(made: Recording) -> Order:
    """Look at every acknowledged message."""
    log = f"{made.service.database}-wal"
    ends = _commit_ends(made.calls, log)
    syncs = sorted(
        (call.began, call.ended)
        for call in made.calls
        if call.name in _SYNCS and call.path == log and call.succeeded
    )
    files = _Files(made)
    broken = []
    queue_ids = made.queue_ids()
    for marker, answer in made.answered().items():
        durable_at = _durable_at(ends.get(marker, NEVER), syncs)
        if durable_at > answer.began:
            broken.append(f"{marker}: its 250 comes before the sync of the log")
        broken += [
            f"{marker}: {what} is not durable yet"
            for what in files.not_durable(answer.began, queue_ids[marker])
        ]
    return Order(len(made.answered()), len(set(ends.values())), len(files.written), broken)


def _commit_ends(calls: list[Call], log: str) -> dict[str, int]:
    """When the last write of the transaction ended that first brought each recipient."""
    ends: dict[str, int] = {}
    waiting: set[str] = set()
    is_last = False
    for call in calls:
        if call.name != "pwrite64" or call.path != log:
            continue
        data = call.strings[0]
        if len(data) == _FRAME_HEADER_OCTETS:
            # The size of the database stands in the last frame of a transaction only.
            is_last = any(data[4:8])
            continue
        waiting.update(m.decode() for m in _RECIPIENT.findall(data) if m.decode() not in ends)
        if is_last:
            ends.update(dict.fromkeys(waiting, call.ended))
            waiting.clear()
    return ends


def _durable_at(written: int, syncs: list[tuple[int, int]]) -> int:
    """When the first sync ended that began after a moment."""
    index = bisect_right(syncs, (written, NEVER))
    return syncs[index][1] if index < len(syncs) else NEVER


class _Files:
    """Names of the database that were made or changed, and the files of content: when each was not
    durable."""

    def __init__(self, made: Recording) -> None:
        self._content = f"{made.service.folder}/{CONTENT_FOLDER}"
        self._syncs: dict[str, list[tuple[int, int]]] = defaultdict(list)
        self.written: dict[str, tuple[int, int]] = {}
        """For each file of content, by its path, the end of its last write and of its first sync
        behind that."""
        for call in made.calls:
            if call.name in _SYNCS and call.succeeded:
                self._syncs[call.path].append((call.began, call.ended))
        for call in made.calls:
            if call.name == "write" and call.path.startswith(f"{self._content}/"):
                durable_at = _durable_at(call.ended, self._syncs[call.path])
                self.written[call.path] = call.ended, durable_at
        self._named = [
            (name, call.ended, self._named_at(name, call))
            for call in made.calls
            if (name := _new_name(call)).startswith(str(made.service.database))
        ]

    def _named_at(self, name: str, call: Call) -> int:
        return _durable_at(call.ended, self._syncs[name.rpartition("/")[0]])

    def not_durable(self, moment: int, queue_id: str) -> list[str]:
        """What is not durable at a moment and has to be for this message."""
        path = f"{self._content}/{queue_id}"
        needed = {path, self._content} if path in self.written else set()
        found = [
            name
            for name, begun, ended in self._named
            if begun < moment < ended and (name in needed or not name.startswith(self._content))
        ]
        begun, ended = self.written.get(path, (NEVER, NEVER))
        return found + [f"the content of {path}"] * (begun < moment < ended)


def _new_name(call: Call) -> str:
    """The name that a call made or changed; "" if it is another call."""
    is_new = call.name in {"rename", "mkdir"} or "O_EXCL" in call.arguments
    is_name = call.name in {"rename", "mkdir", "openat"} and call.succeeded
    return call.strings[-1].decode() if is_new and is_name else ""
