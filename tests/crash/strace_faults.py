"""Messages that go through a worker whose calls fail, and afterwards through one whose do not."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.content_folder import CONTENT_FOLDER
from tests.crash.strace_attach import Tracer, attached
from tests.crash.strace_service import Sent, WatchedPillarbox, check_delivered
from tests.crash.strace_threads import threads_of
from tests.e2e.waiting import wait_until

DISK = "pwrite64,fsync,fdatasync,ftruncate"
SYNCS = "fsync,fdatasync"
QUIET_SECONDS = 60.0


class Faults:
    """Messages go through a worker whose calls fail; then through one whose calls do not."""

    def __init__(self, service: WatchedPillarbox, folder: Path) -> None:
        self.service = service
        self.folder = folder
        self.sent: list[Sent] = []
        self._number = 0

    def send(
        self,
        inject: str,
        sizes: list[int],
        *,
        sessions: int = 1,
        threads: Collection[int] = (),
    ) -> Tracer:
        """Send messages while calls fail, until the log has been copied into the database or the
        worker has given up. Afterwards the service takes mail again. `threads`: those of the
        worker whose calls fail; else all."""
        self._number += 1
        trace = self.folder / f"trace{self._number}"
        worker = self.service.worker
        with attached(
            trace, *(threads or (worker,)), trace=DISK, inject=inject, follows=not threads
        ) as tracer:
            with ThreadPoolExecutor(sessions) as clients:
                self.sent += clients.map(self.service.submit, sizes)
            wait_until(
                lambda: tracer.is_over or self._is_quiet(tracer), QUIET_SECONDS, "a quiet worker"
            )
            is_over = tracer.is_over
        if is_over:
            self.service.wait_for_successor(worker)
        self.service.wait_until_ready()
        self.service.wait_until_settled()
        return tracer

    def threads(self, *, of_content: bool) -> frozenset[int]:
        """The threads of the worker that write files of content, or all others."""
        threads = threads_of(self.service, self.folder / "threads")
        self.sent.append(threads.sent)
        return threads.of_content if of_content else threads.others

    def _is_quiet(self, tracer: Tracer) -> bool:
        """Whether all was delivered, recorded and copied into the database."""
        sent = [sent for sent in self.sent if sent.is_acknowledged]
        if not all(self.service.hop.copies(sent.marker.encode()) for sent in sent):
            return False
        database = f"<{self.service.database}"
        lines = [x for x in tracer.lines() if database in x and CONTENT_FOLDER not in x]
        calls = [line for line in lines if "fsync(" in line and "= 0" in line]
        if calls:
            return f"{database}>" in calls[-1]
        # Where only a file of content failed nothing came to the database.
        return not any("(INJECTED)" in line for line in lines)

    def check(self, *, most_copies: int = 1) -> None:
        """D1 and D2 for all that was sent, and a new message goes through."""
        self.sent.append(self.service.submit())
        assert self.sent[-1].is_acknowledged, self.sent[-1].text
        for sent in self.sent:
            check_delivered(self.service.hop, sent, most_copies=most_copies)
