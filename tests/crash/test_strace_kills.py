"""T3: the worker is killed at the n-th call of one kind, for every n of one message.

The service starts again without strace. What was acknowledged is delivered once, or twice where
the worker died between the end of the content and the record of the delivery; what was refused is
never delivered; what was neither is delivered to all recipients or to none.
"""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.campaign import report
from tests.crash.content_folder import content_damage
from tests.crash.strace_attach import Tracer, attached
from tests.crash.strace_calls import parse
from tests.crash.strace_clone import open_clone
from tests.crash.strace_service import (
    LARGE_OCTETS,
    MIDDLE_OCTETS,
    SMALL_OCTETS,
    Sent,
    WatchedPillarbox,
    check_delivered,
    watched,
)
from tests.crash.strace_threads import is_gone, threads_of
from tests.e2e.waiting import wait_until

CALLS = ("pwrite64", "fsync", "ftruncate", "write")
"""Those that a message causes here. SQLite neither renames nor removes a file meanwhile, and uvloop
writes to its sockets with write(2)."""
FILE_CALLS = ("fdatasync", "unlink")
"""What large content causes besides."""
NEVER_MADE = "rename,renameat,renameat2,unlinkat,sendto,sendmsg,writev,pwritev"
QUIET_SECONDS = 60.0
CONTENT = '"Received'
"""So the content begins that goes to the next hop; its final dot is in the same write."""
STRIDE = int(os.environ.get("CRASH_STRIDE", "1"))
"""Greater than 1: a short form, with each second, third … of these calls."""

pytestmark = [pytest.mark.crash, pytest.mark.timeout(7200)]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WatchedPillarbox]:
    """One service for all kills."""
    with watched(tmp_path_factory.mktemp("service")) as service:
        yield service
        if not service.is_running:
            service.start()
        wait_until(lambda: not service.queue(), QUIET_SECONDS, "an empty queue")
        service.stop()
        assert asyncio.run(content_damage(service.database)) == []


class Kills:
    """Messages for each of which the worker is killed."""

    def __init__(self, service: WatchedPillarbox, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.sent: list[tuple[Sent, int]] = []
        """With the copies that are allowed."""

    def send(
        self, size_octets: int, call: str, number: int, *, of_content: bool | None = None
    ) -> bool:
        """Send one message, until the log has been copied into the database or the worker has
        been killed: then the whole service, and it starts again. Whether it was killed.

        `of_content`: the calls of the threads that write files of content count, or those of all
        others; None: any. Each thread counts for itself.
        """
        service = self.service
        inject = f"{call}:signal=KILL:when={number}"
        trace = self.folder / "trace"
        traced = f"fsync,write,{call}"
        pids = (service.worker,) if of_content is None else self._threads(of_content=of_content)
        with attached(
            *(trace, *pids),
            trace=traced,
            inject=inject,
            shown_octets=8,
            follows=of_content is None,
        ) as tracer:
            sent = service.submit(size_octets)
            wait_until(
                lambda: tracer.is_over or self.is_quiet(tracer, sent, of_content=bool(of_content)),
                QUIET_SECONDS,
                "an end",
            )
        # A call behind the end may have been the one that counted.
        was_killed = any(line.endswith("= ?") for line in tracer.lines())
        if was_killed:
            service.kill()
            is_open = self._check_files(sent)
            is_sent = bool(tracer.count("<socket:", CONTENT))
            self.sent.append((sent, 1 + (is_open and is_sent)))
            service.start()
            service.wait_until_settled()
        else:
            self.sent.append((sent, 1))
        return was_killed

    def is_quiet(self, tracer: Tracer, sent: Sent, *, of_content: bool = False) -> bool:
        """Whether it was delivered, recorded and copied into the database."""
        if not self.service.hop.copies(sent.marker.encode()):
            return False
        if sent.is_acknowledged and not is_gone(self.service, sent):
            return False
        database = self.service.database
        return of_content or self.service.synced(parse(tracer.lines())) == database

    def _check_files(self, sent: Sent) -> bool:
        """What the kill left behind is in order; whether the message is there and not final."""
        clone = self.folder / "clone"
        clone.mkdir()
        for file in self.service.folder.glob(f"{self.service.database.name}*"):
            if file.is_dir():
                shutil.copytree(file, clone / file.name)
            else:
                shutil.copy(file, clone)
        found = asyncio.run(open_clone(clone / self.service.database.name))
        shutil.rmtree(clone)
        message = found.get(sent.marker)
        assert message is None or message.recipients == sent.recipients
        assert not sent.is_acknowledged or message is not None, f"{sent.marker} is lost"
        assert not sent.is_refused or message is None, f"{sent.marker} was refused, and is there"
        return message is not None and not message.is_final

    def _threads(self, *, of_content: bool) -> frozenset[int]:
        threads = threads_of(self.service, self.folder / "threads")
        self.sent.append((threads.sent, 1))
        return threads.of_content if of_content else threads.others

    def check(self) -> None:
        """D1 to D5 for all that was sent."""
        for sent, copies in self.sent:
            check_delivered(self.service.hop, sent, most_copies=copies)


@pytest.fixture
def kills(service: WatchedPillarbox, tmp_path: Path) -> Kills:
    """For one test."""
    return Kills(service, tmp_path)


@pytest.mark.parametrize(
    ("call", "size"),
    [
        *((call, SMALL_OCTETS) for call in CALLS),
        *((call, LARGE_OCTETS) for call in (*CALLS, *FILE_CALLS)),
    ],
)
def test_killed_at_each_call(kills: Kills, call: str, size: int) -> None:
    """From the first to the last, until a message goes through without a kill."""
    number = 1
    while kills.send(size, call, number):
        number += STRIDE

    report(f"T3, {call}, {size} octets: {(number - 1) // STRIDE} kills")
    assert number > 1
    kills.check()


@pytest.mark.parametrize(
    ("call", "of_content"),
    [
        *((call, False) for call in CALLS),
        *((call, True) for call in ("write", "fsync", *FILE_CALLS)),
    ],
)
def test_killed_at_each_call_of_some_threads(kills: Kills, call: str, of_content: bool) -> None:
    """Content that has a file is written by one thread and put by another: each call of the one
    and each of all others. Were both counted, the first sync of the one would always be killed
    before the first one of the other."""
    number = 1
    while kills.send(MIDDLE_OCTETS, call, number, of_content=of_content):
        number += STRIDE

    thread = "the thread of content" if of_content else "all others"
    report(f"T3, {call} of {thread}: {(number - 1) // STRIDE} kills")
    assert number > 1
    kills.check()


@pytest.mark.parametrize("size", [SMALL_OCTETS, MIDDLE_OCTETS, LARGE_OCTETS])
def test_there_are_no_other_calls(kills: Kills, size: int) -> None:
    """What else could change a file or send a reply is not used for a message."""
    service = kills.service
    trace = kills.folder / "trace"
    all_calls = ",".join(("fsync", *FILE_CALLS, NEVER_MADE))
    with attached(trace, service.worker, trace=all_calls) as tracer:
        sent = service.submit(size)
        wait_until(lambda: kills.is_quiet(tracer, sent), QUIET_SECONDS, "an end")
        calls = {call.name for call in parse(tracer.lines())}

    assert calls == ({"fsync"} if size == SMALL_OCTETS else {"fsync", *FILE_CALLS})
