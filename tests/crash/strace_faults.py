"""Messages that go through a worker whose calls fail, and afterwards through one whose do not."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.crash.content_folder import CONTENT_FOLDER
from tests.crash.strace_attach import Tracer, attached
from tests.crash.strace_calls import parse
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
        of_content: bool | None = None,
    ) -> Tracer:
        """Send messages while calls fail, until the log has been copied into the database or the
        worker has given up. Afterwards the service takes mail again.

        `of_content`: the calls of the threads that write files of content, or those of all others;
        None: of any.
        """
        self._number += 1
        trace = self.folder / f"trace{self._number}"
        worker = self.service.worker
        pids = (worker,) if of_content is None else self._threads(of_content=of_content)
        follows = of_content is None
        with attached(trace, *pids, trace=DISK, inject=inject, follows=follows) as tracer:
            with ThreadPoolExecutor(sessions) as clients:
                self.sent += clients.map(self.service.submit, sizes)
            wait_until(
                lambda: tracer.is_over or self._is_quiet(tracer, of_content=of_content is True),
                QUIET_SECONDS,
                "a quiet worker",
            )
            is_over = tracer.is_over
        if is_over:
            self.service.wait_for_successor(worker)
        self.service.wait_until_ready()
        self.service.wait_until_settled()
        return tracer

    def _threads(self, *, of_content: bool) -> frozenset[int]:
        threads = threads_of(self.service, self.folder / "threads")
        self.sent.append(threads.sent)
        return threads.of_content if of_content else threads.others

    def _is_quiet(self, tracer: Tracer, *, of_content: bool) -> bool:
        """Whether all was delivered, recorded and copied into the database."""
        sent = [sent for sent in self.sent if sent.is_acknowledged]
        if not all(self.service.hop.copies(sent.marker.encode()) for sent in sent):
            return False
        if of_content:
            return True
        calls = parse(tracer.lines())
        synced = self.service.synced(calls)
        if synced is not None:
            return synced == self.service.database
        # Where only a file of content failed nothing came to the database.
        failed = [call.path for call in calls if not call.was_made]
        return any(failed) and not any(self._is_of_database(path) for path in failed)

    def _is_of_database(self, path: str) -> bool:
        return path.startswith(str(self.service.database)) and CONTENT_FOLDER not in path

    def check(self, *, most_copies: int = 1) -> None:
        """D1 and D2 for all that was sent, and a new message goes through."""
        self.sent.append(self.service.submit())
        assert self.sent[-1].is_acknowledged, self.sent[-1].text
        for sent in self.sent:
            check_delivered(self.service.hop, sent, most_copies=most_copies)
