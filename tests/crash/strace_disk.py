"""A disk as a power cut leaves it, from the trace of those who wrote to it.

What a completed fsync covers is there. Of all else each sector of 512 octets may be there or not,
in any order; so may each name that was made, changed or removed since its folder was synced. What
a failed fsync covered is never made durable by a later one: the system may hold those pages for
clean (the lesson of PostgreSQL's fsync).

-shm files need not survive, and do not.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tests.crash.content_folder import CONTENT_FOLDER
from tests.crash.strace_calls import Call

TRACED = (
    "pwrite64,pwritev,pwritev2,write,writev,ftruncate,truncate,fallocate,copy_file_range,sendfile,"
    "fsync,fdatasync,sync_file_range,msync,open,openat,creat,link,linkat,symlink,symlinkat,"
    "rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir"
)
"""All that changes a file or a folder, but for memory maps, which only -shm files have."""

SECTOR_OCTETS = 512
_FORGOTTEN = ("-shm",)
_NOT_OURS = {"service.log", "pillarbox.lock"}
_FOLDERS = ("", CONTENT_FOLDER)
"""In which we look at files: the data folder itself, and this one in it."""

_NAMING = {"openat", "unlink", "unlinkat", "rename", "mkdir"}

_Take: TypeAlias = Callable[[], bool]


@dataclass(slots=True, eq=False)
class _Change:
    """A write, or with `data` None a truncation, that no completed fsync covers."""

    offset: int
    data: bytes | None
    call: Call
    is_lost: bool = False

    def apply(self, octets: bytearray, take: _Take | None = None) -> None:
        """Make the change; with `take` only the sectors for which it says so."""
        if self.data is None:
            del octets[self.offset :]
            octets.extend(bytes(self.offset - len(octets)))
            return
        start, end = self.offset, self.offset + len(self.data)
        while start < end:
            stop = min(end, (start // SECTOR_OCTETS + 1) * SECTOR_OCTETS) if take else end
            if take is None or take():
                if len(octets) < start:
                    octets.extend(bytes(start - len(octets)))
                octets[start:stop] = self.data[start - self.offset : stop - self.offset]
            start = stop


@dataclass(slots=True, eq=False)
class _File:
    durable: bytearray
    size: int
    changes: list[_Change] = field(default_factory=list)
    is_folder: bool = False

    @classmethod
    def of(cls, octets: bytes | None) -> "_File":
        """With these octets, durably; a folder if None."""
        return cls(bytearray(octets or b""), len(octets or b""), is_folder=octets is None)

    def sync(self, covered: list[_Change]) -> None:
        for change in covered:
            if not change.is_lost:
                change.apply(self.durable)
        done = {id(change) for change in covered if not change.is_lost}
        self.changes = [change for change in self.changes if id(change) not in done]


_Names: TypeAlias = dict[str, _File]


@dataclass(slots=True, eq=False)
class _NameChange:
    """What one call does to names of a folder, all or nothing."""

    folder: str
    names: list[tuple[str, _File | None]]


def _rename(names: _Names, change: _NameChange) -> None:
    for name, file in change.names:
        if file is None:
            names.pop(name, None)
        else:
            names[name] = file


class Disk:
    """The files in `folder` and its folder of content. When the trace began it held `files`,
    durably; None is a folder."""

    def __init__(self, folder: Path, files: Mapping[str, bytes | None]) -> None:
        self._prefix = f"{folder}/"
        self._paths = {str(folder / name): name for name in _FOLDERS}
        self._names = {name: _File.of(octets) for name, octets in files.items()}
        self._durable_names = dict(self._names)
        self._name_changes: list[_NameChange] = []
        self._covered: dict[int, tuple[_File, list[_Change]] | list[_NameChange]] = {}

    def run(self, calls: Iterable[Call], cuts: Iterable[int]) -> Iterator[tuple[int, "Disk"]]:
        """Let the calls happen; at each cut, a line, the disk as it is just then."""
        moments: list[tuple[int, int, Call]] = []
        for call in calls:
            moments.append((call.began, 0, call))
            moments.append((call.ended, 1, call))
        moments.sort(key=lambda moment: moment[:2])
        waiting = iter(moments)
        moment = next(waiting, None)
        for cut in sorted(cuts):
            while moment is not None and moment[0] < cut:
                (self._end if moment[1] else self._begin)(moment[2])
                moment = next(waiting, None)
            yield cut, self

    def _name(self, path: str) -> str | None:
        """The name below our folder, None for all that does not count."""
        name = path.removeprefix(self._prefix)
        is_ours = name != path and _folder_of(name) in _FOLDERS
        return name if is_ours and name not in _NOT_OURS and not name.endswith(_FORGOTTEN) else None

    def _file(self, call: Call) -> _File | None:
        name = self._name(call.path)
        return None if name is None else self._names.get(name)

    def _begin(self, call: Call) -> None:
        failed = not call.was_made or (call.result is not None and call.result < 0)
        match call.name:
            case "fsync" | "fdatasync":
                self._begin_sync(call)
            case _ if failed:
                pass
            case "pwrite64" | "write":
                self._write(call)
            case "ftruncate":
                self._truncate(call)
            case name if name in _NAMING:
                pass
            case _:
                names = [path.decode() for path in call.strings]
                touches = self._name(call.path) or any(self._name(name) for name in names)
                assert not touches, f"{call} is not known here"

    def _begin_sync(self, call: Call) -> None:
        folder = self._paths.get(call.path)
        if folder is not None:
            self._covered[id(call)] = [c for c in self._name_changes if c.folder == folder]
            return
        file = self._file(call)
        if file is not None:
            self._covered[id(call)] = file, [c for c in file.changes if c.call.ended < call.began]

    def _write(self, call: Call) -> None:
        file = self._file(call)
        if file is None:
            return
        data = call.strings[0]
        if call.result is not None:
            assert len(data) >= call.result, "strace has cut off what was written"
            data = data[: call.result]
        offset = call.numbers[-1] if call.name == "pwrite64" else file.size
        file.changes.append(_Change(offset, data, call))
        file.size = max(file.size, offset + len(data))

    def _truncate(self, call: Call) -> None:
        file = self._file(call)
        if file is not None:
            file.size = call.numbers[-1]
            file.changes.append(_Change(file.size, None, call))

    def _end(self, call: Call) -> None:
        if call.name in {"fsync", "fdatasync"}:
            self._end_sync(call)
        elif call.succeeded and call.name in _NAMING:
            names = self._new_names(call)
            if names:
                change = _NameChange(_folder_of(names[0][0]), names)
                _rename(self._names, change)
                self._name_changes.append(change)

    def _end_sync(self, call: Call) -> None:
        covered = self._covered.pop(id(call), None)
        if covered is None or (not call.was_made and call.result == 0):
            return
        if isinstance(covered, list):
            if call.succeeded:
                for names in covered:
                    _rename(self._durable_names, names)
                self._name_changes = [c for c in self._name_changes if c not in covered]
            return
        file, changes = covered
        if call.succeeded:
            file.sync(changes)
        else:
            for change in changes:
                change.is_lost = True

    def _new_names(self, call: Call) -> list[tuple[str, _File | None]]:
        """What a call that succeeded does to the names of one of our folders."""
        names = [self._name(path.decode()) for path in call.strings]
        name = names[0] if names else None
        if call.name == "rename":
            old = None if name is None else self._names.get(name)
            new = names[1]
            if old is None or new is None or name is None:
                return []
            assert _folder_of(name) == _folder_of(new), f"{call} is not known here"
            return [(name, None), (new, old)]
        if name is None:
            return []
        if call.name == "mkdir":
            return [(name, _File.of(None))]
        if call.name == "openat":
            is_new = "O_CREAT" in call.arguments and name not in self._names
            return [(name, _File.of(b""))] if is_new else []
        return [(name, None)] if name in self._names else []

    def cut(self, rand: random.Random, folder: Path) -> None:
        """Write what a power cut at this moment may leave into an empty folder."""
        names = dict(self._durable_names)
        whole = _choice(rand, len(self._name_changes))
        for made, is_there in zip(self._name_changes, whole, strict=True):
            if is_there:
                _rename(names, made)
        for name, file in sorted(names.items()):
            # What is in a folder whose own name is gone is gone with it.
            if file.is_folder:
                (folder / name).mkdir()
            elif _folder_of(name) in {"", *names}:
                (folder / name).write_bytes(_remains(rand, file))


def _remains(rand: random.Random, file: _File) -> bytes:
    """What a power cut may leave of a file."""
    octets = bytearray(file.durable)
    chance = rand.choice((0.0, 0.1, 0.5, 0.9, 1.0))
    is_torn = rand.random() < 0.5
    chosen = _choice(rand, len(file.changes))
    for change, is_there in zip(file.changes, chosen, strict=True):
        if is_torn:
            change.apply(octets, lambda: rand.random() < chance)
        elif is_there:
            change.apply(octets)
    return bytes(octets)


def _folder_of(name: str) -> str:
    return name.rpartition("/")[0]


def _choice(rand: random.Random, count: int) -> list[bool]:
    """Which of some changes are there: none, all, the first ones, or any."""
    match rand.randrange(4):
        case 0:
            return [False] * count
        case 1:
            return [True] * count
        case 2:
            kept = rand.randint(0, count)
            return [number < kept for number in range(count)]
        case _:
            chance = rand.random()
            return [rand.random() < chance for _ in range(count)]
