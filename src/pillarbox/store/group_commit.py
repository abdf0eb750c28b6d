"""The group commit: one thread that writes everything that is waiting in one transaction.

The sync of a commit is what costs; while one runs, the next batch gathers. When a batch is
durable, all who wait for it are woken by one call into the event loop.

What fails, fails for the right one: if a batch is refused, each piece of work is tried for itself,
so only the poisoned one fails. If the database is away or full, work that takes responsibility for
something new fails with SpoolUnavailable, and work that must be recorded (the result of an
attempt) waits until the store is well again. After a failed write or sync of SQLite nothing is
written any more in this process.
"""

import math
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter
from queue import Empty, SimpleQueue
from typing import Any

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.store.batch import Work
from pillarbox.store.batch_runner import BatchRunner, CommitError, wake
from pillarbox.store.doubt import Doubts
from pillarbox.store.engine import Engines
from pillarbox.store.faults import TROUBLES, Fault, fault_of
from pillarbox.store.turns import Turns
from pillarbox.store.writer_connection import WriterConnection

BATCH_WORKS = 500
BATCH_OCTETS = 8 * 1024 * 1024
"""A batch takes no more than this, so nobody waits long for a commit."""

CONFLICTS = 5
"""So often a transaction is tried again at once after a conflict with another process."""

STALLED_SECONDS = 10.0
"""A transaction that takes longer counts as trouble for those who come."""

_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0
_FULL_PAUSE_SECONDS = 1.0
_IDLE_CHECKPOINT_SECONDS = 1.0

_STOP: Work[Any] = Work(None)
_size_octets = attrgetter("size_octets")


class GroupCommit:
    """Owns the thread, which starts with the first work. `submit` may be called anywhere."""

    def __init__(self, engines: Engines) -> None:
        self._writer = WriterConnection(engines.writer, engines.file)
        self._runner = BatchRunner(self._writer)
        self._turns = Turns(engines.file)
        self._doubts = Doubts(engines.file)
        self._queue: SimpleQueue[Work[Any]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._closed = False
        self._kept: list[Work[Any]] = []
        self._pause = _FIRST_PAUSE_SECONDS
        self._retry_at = 0.0
        self.failure: SpoolUnavailable | None = None
        """What failed last, as long as nothing has succeeded since."""
        self.stalled_at = math.inf
        """When the transaction that runs will have taken too long."""
        self.octets = 0
        """Of all work that was taken."""

    @property
    def trouble(self) -> SpoolUnavailable | None:
        """Why new work would fail now. After a full disk new work is let through once a second:
        whether there is room again shows in no other way."""
        trouble = self.failure
        if trouble is not None:
            if trouble.trouble is SpoolTrouble.FULL and time.monotonic() >= self._retry_at:
                return None
            return trouble
        if time.monotonic() > self.stalled_at:
            return SpoolUnavailable(SpoolTrouble.AWAY, "the database takes long to commit")
        return None

    @property
    def free_octets(self) -> int:
        """Room inside of SQLite's file."""
        return self._writer.free_octets

    def submit(self, work: Work[Any]) -> None:
        """Take work for the next batch; its future tells the rest."""
        if self._thread is None:
            self._start()
        if self._closed:
            wake([(work, SpoolUnavailable(SpoolTrouble.AWAY, "the store was closed"))])
            return
        self.octets += work.size_octets
        self._queue.put(work)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Finish what waits and end the thread."""
        with self._starting:
            self._closed = True
        if self._thread is not None:
            self._queue.put(_STOP)
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._turn():
                pass
        except Exception as error:
            # A bug of ours. Nothing may be taken for written from here on.
            log.exception("store.writer_failed")
            self._set_trouble(SpoolTrouble.BAD, repr(error))
            while self._turn():
                pass
        left, self._kept = self._kept, []
        with suppress(Empty):
            while True:
                left.append(self._queue.get_nowait())
        self._fail(left)
        wake(self._doubts.give_up())
        self._writer.drop()
        self._turns.close()

    def _turn(self) -> bool:
        """Wait for work and do it; whether there may be more."""
        try:
            return self._do(*self._take())
        finally:
            self._turns.end()

    def _do(self, works: list[Work[Any]], is_last: bool) -> bool:
        if self._is_bad or not self._connect():
            self._refuse(works)
            return not is_last
        if self._kept and time.monotonic() >= self._retry_at:
            works = self._kept + works
            self._kept = []
        if works:
            self._commit(works)
        if self._writer.wants_checkpoint or (not works and self._writer.has_log):
            self._checkpoint()
        return not is_last

    def _take(self) -> tuple[list[Work[Any]], bool]:
        """What waits, up to the size of a batch, and whether it is the last."""
        works: list[Work[Any]] = []
        octets = 0
        try:
            work = self._queue.get(timeout=self._patience())
            # What comes until it is our turn belongs to the batch.
            self._wait_for_turn()
            while work is not _STOP:
                future = work.future
                # Nobody may wait for it any more. What must be recorded is done all the same.
                if future is None or work.must_be_recorded or not future.cancelled():
                    works.append(work)
                    octets += work.size_octets
                if len(works) >= BATCH_WORKS or octets >= BATCH_OCTETS:
                    return works, False
                work = self._queue.get_nowait()
        except Empty:
            return works, False
        return works, True

    def _wait_for_turn(self) -> None:
        self.stalled_at = time.monotonic() + STALLED_SECONDS
        self._turns.begin()
        self.stalled_at = math.inf

    def _patience(self) -> float | None:
        """How long to wait for work before something else is due; None: for ever."""
        if self._is_bad:
            return None
        if self._kept or not self._writer.is_open:
            return max(self._retry_at - time.monotonic(), 0.0)
        return _IDLE_CHECKPOINT_SECONDS if self._writer.has_log else None

    @property
    def _is_bad(self) -> bool:
        return self.failure is not None and self.failure.trouble is SpoolTrouble.BAD

    def _connect(self) -> bool:
        """Whether there is a connection, now or again."""
        if self._writer.is_open:
            return True
        wake(self._doubts.expire())
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._writer.open()
            finished = self._doubts.clear_up(self._writer)
        except Exception as error:  # noqa: BLE001 - whatever it is, there is no connection
            self._writer.drop()
            bad = fault_of(error) is Fault.BAD
            self._set_trouble(SpoolTrouble.BAD if bad else SpoolTrouble.AWAY, _cause(error))
            return False
        wake(finished)
        self._heal()
        return True

    def _commit(self, works: list[Work[Any]]) -> None:
        """One batch, from its begin to the waking of those who wait."""
        for _ in range(CONFLICTS):
            started = time.monotonic()
            self.stalled_at = started + STALLED_SECONDS
            try:
                finished = self._runner.run(works)
            except Exception as error:  # noqa: BLE001 - all that fails here fails those who wait
                fault = self._undo(error)
                if fault is Fault.AGAIN:
                    continue
                self._failed(works, error, fault)
                return
            finally:
                self.stalled_at = math.inf
            self._writer.wrote(sum(map(_size_octets, works)))
            if not self._writer.wants_checkpoint:
                # Others can write while those are woken who waited for this.
                self._turns.end()
            self._heal()
            wake(finished)
            metrics.COMMITS.value += 1
            metrics.COMMIT_ITEMS.observe(len(works))
            metrics.COMMIT_SECONDS.observe(time.monotonic() - started)
            return
        self._failed(works, TimeoutError("other writers do not let go"), Fault.AGAIN)

    def _undo(self, error: Exception) -> Fault:
        """Leave the failed transaction behind."""
        metrics.COMMIT_FAILURES.inc()
        fault = fault_of(error.__cause__ or error if isinstance(error, CommitError) else error)
        if fault in (Fault.AWAY, Fault.BAD):
            self._writer.drop()
        else:
            try:
                self._writer.rollback()
            except Exception:  # noqa: BLE001 - then a new connection begins afresh
                self._writer.drop()
        return fault

    def _failed(self, works: list[Work[Any]], error: Exception, fault: Fault) -> None:
        """Nothing of the batch is durable, or nobody knows whether it is."""
        in_commit = isinstance(error, CommitError)
        cause = error.__cause__ or error
        trouble = TROUBLES.get(fault)
        if trouble is None:
            wake([(work, error) for work in works])
            return
        self._set_trouble(trouble, _cause(cause))
        waiting = works
        if in_commit and fault in (Fault.AWAY, Fault.BAD):
            waiting = self._doubts.take(works, for_good=fault is Fault.BAD)
        if fault is not Fault.BAD:
            self._kept += [work for work in waiting if work.must_be_recorded]
            waiting = [work for work in waiting if not work.must_be_recorded]
        self._fail(waiting)

    def _refuse(self, works: list[Work[Any]]) -> None:
        """Work that comes while the database is away."""
        works = self._kept + works
        self._kept = []
        if not self._is_bad:
            self._kept = [work for work in works if work.must_be_recorded]
            works = [work for work in works if not work.must_be_recorded]
        self._fail(works)

    def _fail(self, works: Sequence[Work[Any]]) -> None:
        trouble = self.failure
        kind = SpoolTrouble.AWAY if trouble is None else trouble.trouble
        cause = "the store closes" if trouble is None else trouble.cause
        wake([(work, SpoolUnavailable(kind, cause)) for work in works])

    def _checkpoint(self) -> None:
        try:
            self._writer.checkpoint()
        except Exception as error:  # noqa: BLE001 - classified here
            fault = self._undo(error)
            if fault is not Fault.AGAIN:
                self._set_trouble(TROUBLES.get(fault, SpoolTrouble.BAD), _cause(error))

    def _set_trouble(self, kind: SpoolTrouble, cause: str) -> None:
        before = self.failure
        if kind is SpoolTrouble.FULL:
            self._pause = _FULL_PAUSE_SECONDS
        self._retry_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)
        self.failure = SpoolUnavailable(kind, cause)
        if before is None or before.trouble is not kind:
            log.error("store.trouble", trouble=kind.value, cause=cause)
            metrics.SPOOL_IN_TROUBLE.set(1)

    def _heal(self) -> None:
        if self.failure is None:
            return
        self.failure = None
        self._pause = _FIRST_PAUSE_SECONDS
        log.info("store.healed")
        metrics.SPOOL_IN_TROUBLE.set(0)


def _cause(error: BaseException) -> str:
    """The first line of what a driver says."""
    return str(error).partition("\n")[0]
