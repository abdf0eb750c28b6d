"""What a service did to its disk while mail went through it, and what its clients were told."""

import asyncio
import random
import re
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.content_folder import CONTENT_FOLDER
from tests.crash.strace_attach import SHOWN_OCTETS, Tracer, attached
from tests.crash.strace_calls import Call, parse
from tests.crash.strace_clone import Found, open_clone
from tests.crash.strace_disk import TRACED, Disk
from tests.crash.strace_service import (
    LARGE_OCTETS,
    MIDDLE_OCTETS,
    SMALL_OCTETS,
    Sent,
    WatchedPillarbox,
)
from tests.e2e.next_hop import NextHop
from tests.e2e.waiting import wait_until

_QUEUED = re.compile(rb"250 2\.0\.0 Queued as (\w+)")


@dataclass(slots=True)
class Recording:
    """The trace of a service whose folder held `files` before it (see strace_disk.Disk).

    `read_at`: the line by which the client of a message, by its marker, had read its last reply.
    """

    service: WatchedPillarbox
    tracer: Tracer
    files: dict[str, bytes | None]
    sent: dict[str, Sent] = field(default_factory=dict)
    read_at: dict[str, int] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    lines: int = 0

    @property
    def hop(self) -> NextHop:
        """Where the mail went."""
        return self.service.hop

    def submit(self, size_octets: int = SMALL_OCTETS) -> Sent:
        """Send a message, and note what its client was told."""
        sent = self.service.submit(size_octets)
        self.sent[sent.marker] = sent
        # strace writes a line before the call that it tells of is made.
        self.read_at[sent.marker] = self.tracer.count()
        return sent

    def submit_many(self, sizes: Iterable[int], *, sessions: int) -> None:
        """Send messages of these sizes, `sessions` at a time."""
        with ThreadPoolExecutor(sessions) as clients:
            for sent in clients.map(self.service.submit, sizes):
                self.sent[sent.marker] = sent

    def answered(self) -> dict[str, Call]:
        """For each acknowledged message, by its marker, the write of its 250."""
        by_id = {}
        for call in self.calls:
            if call.name == "write" and (match := _QUEUED.match(b"".join(call.strings))):
                by_id[match[1].decode()] = call
        return {marker: by_id[queue_id] for marker, queue_id in self.queue_ids().items()}

    def queue_ids(self) -> dict[str, str]:
        """Those of the acknowledged messages, by their markers."""
        acknowledged = [sent for sent in self.sent.values() if sent.is_acknowledged]
        return {sent.marker: sent.text.split()[-1] for sent in acknowledged}


@contextmanager
def recording(service: WatchedPillarbox, trace: Path, inject: str = "") -> Iterator[Recording]:
    """Record supervisor and worker from now on; afterwards the calls are there."""
    pids = service.supervisor, service.worker
    with attached(trace, *pids, trace=TRACED, inject=inject, shown_octets=SHOWN_OCTETS) as tracer:
        made = Recording(service, tracer, _snapshot(service.folder, tracer))
        yield made
    lines = tracer.lines()
    made.lines = len(lines)
    made.calls = parse(lines)


def _snapshot(folder: Path, tracer: Tracer) -> dict[str, bytes | None]:
    """The files of a moment in which nothing was written."""
    found: list[dict[str, bytes | None]] = []

    def look() -> bool:
        before = tracer.count()
        try:
            found.append(_files(folder))
        except FileNotFoundError:
            return False
        return tracer.count() == before

    wait_until(look, 30, "a moment in which nothing is written")
    return {name: octets for name, octets in found[-1].items() if not name.endswith("-shm")}


def _files(folder: Path) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {
        file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()
    }
    content = folder / CONTENT_FOLDER
    if content.exists():
        found[content.name] = None
        found |= {f"{content.name}/{file.name}": file.read_bytes() for file in content.iterdir()}
    return found


def mixed_load(made: Recording, messages: int, *, sessions: int, large: int) -> None:
    """Messages that are delivered, then as many for which the next hop is slow; each time also
    some `large` ones, half of which come in chunks."""
    sizes = [SMALL_OCTETS] * messages + [MIDDLE_OCTETS, LARGE_OCTETS] * (large // 2)
    made.submit_many(sizes, sessions=sessions)
    for sent in list(made.sent.values()):
        if sent.is_acknowledged:
            made.hop.wait_for(sent.marker.encode(), 60)
    made.hop.hold("MAIL")
    made.submit_many(sizes, sessions=sessions)
    made.hop.go_on()


@dataclass(frozen=True, slots=True)
class Judge:
    """Says of a clone whether the promises were kept: D1 to D3 and D5."""

    made: Recording
    answered_at: dict[str, int]
    delivered: frozenset[str]

    @classmethod
    def of(cls, made: Recording) -> "Judge":
        """From all that is known after the end."""
        answered_at = {marker: call.began for marker, call in made.answered().items()}
        delivered = frozenset(marker for marker in made.sent if made.hop.copies(marker.encode()))
        return cls(made, answered_at, delivered)

    def check(self, found: dict[str, Found], cut: int) -> None:
        """Compare what is there after a cut with what was said before it."""
        lost = [m for m, at in self.answered_at.items() if at < cut and m not in found]
        assert not lost, f"{len(lost)} messages were acknowledged and are lost: {lost[:3]}"
        for marker, message in found.items():
            sent = self.made.sent.get(marker)
            if sent is None:
                # It came before the recording.
                continue
            assert message.recipients == sent.recipients, f"{marker} lost recipients"
            if message.is_final:
                assert marker in self.delivered, f"{marker} counts as delivered, and was not"
            else:
                assert message.octets == sent.octets, f"the content of {marker} is not whole"
            refused_at = self.made.read_at.get(marker) if sent.is_refused else None
            is_phantom = refused_at is not None and refused_at < cut
            assert not is_phantom, f"{marker} was refused ({sent.code}), and is there"


def check_cuts(made: Recording, cuts: Iterable[int], seed: int) -> int:
    """Open what a power cut leaves at each of these lines; the number of the clones."""
    rand = random.Random(seed)
    judge = Judge.of(made)
    disk = Disk(made.service.folder, made.files)
    count = 0
    # A file system in memory, where there is one: each clone is read once.
    memory = Path("/dev/shm")
    for cut, state in disk.run(made.calls, cuts):
        with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
            clone = Path(name)
            state.cut(rand, clone)
            where = f"power cut in line {cut} of {made.tracer.output}, seed {seed}"
            try:
                found = asyncio.run(open_clone(clone / made.service.database.name))
                judge.check(found, cut)
            except Exception as error:
                raise AssertionError(f"{where}: {error}") from error
        count += 1
    return count


def random_cuts(made: Recording, count: int, seed: int) -> list[int]:
    """Lines anywhere in the trace."""
    rand = random.Random(seed)
    return [rand.randint(0, made.lines) for _ in range(count)]
