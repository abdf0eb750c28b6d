"""D6: between the last write of a message's data and the write of its 250 the file is synced.

Looks at the write-ahead log frame by frame: the transaction that first brings the recipients of a
message ends in a frame that says so, and after that frame the log must have been synced.
"""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from tests.crash.strace_calls import NEVER, Call
from tests.crash.strace_recording import Recording

_RECIPIENT = re.compile(rb"r0\.([0-9a-f]{32})@")
_FRAME_HEADER_OCTETS = 24
_SYNCS = {"fsync", "fdatasync"}


@dataclass(frozen=True, slots=True)
class Order:
    """How many messages were looked at, in how many commits, and those that break the rule."""

    messages: int
    commits: int
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
    unsynced_names = _unsynced_names(made)
    broken = []
    for marker, answer in made.answered().items():
        durable_at = _durable_at(ends.get(marker, NEVER), syncs)
        if durable_at > answer.began:
            broken.append(f"{marker}: its 250 comes before the sync of the log")
        broken += [
            f"{marker}: {name} is not durable yet"
            for name, begun, ended in unsynced_names
            if begun < answer.began < ended
        ]
    return Order(len(made.answered()), len(set(ends.values())), broken)


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


def _unsynced_names(made: Recording) -> list[tuple[str, int, int]]:
    """Names that were made or changed: from when until when they were not durable."""
    folder = str(made.service.folder)
    syncs = [c for c in made.calls if c.name in _SYNCS and c.path == folder and c.succeeded]
    begins = [call.began for call in syncs]
    found = []
    for call in made.calls:
        is_new = call.name == "rename" or (call.name == "openat" and "O_EXCL" in call.arguments)
        if not is_new or not call.succeeded:
            continue
        name = call.strings[-1].decode()
        if name.startswith(f"{folder}/"):
            index = bisect_left(begins, call.ended)
            ended = syncs[index].ended if index < len(syncs) else NEVER
            found.append((name, call.ended, ended))
    return found
