"""Runs pieces of work in one transaction: together where that works, else each for itself."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.observe.log import log
from pillarbox.store.batch import Batch, ChangeWork, Work
from pillarbox.store.faults import Fault, fault_of
from pillarbox.store.records import OvertakenError
from pillarbox.store.writer_connection import WriterConnection

Finished: TypeAlias = list[tuple[Work[Any], Exception | None]]
"""Work that is over, with what went wrong."""


class CommitError(Exception):
    """COMMIT itself failed; its cause says how. It may have taken place."""


class BatchRunner:
    """Used by the thread of the group commit only."""

    def __init__(self, writer: WriterConnection) -> None:
        self._writer = writer

    def run(self, works: Sequence[Work[Any]]) -> Finished:
        """Make the work durable. Raises what the driver raises when nothing of it is, and
        CommitError when nobody knows."""
        batch = self._begin(works)
        finished = self._together(works, batch)
        if finished is None:
            batch = self._begin(works)
            finished = [(work, self._alone(work, batch)) for work in works]
        try:
            self._writer.commit()
        except Exception as error:
            raise CommitError from error
        for call in batch.once_durable:
            call()
        return finished

    def _begin(self, works: Sequence[Work[Any]]) -> Batch:
        writer = self._writer
        writer.begin()
        batch = Batch(writer.cursor, writer.statements)
        owners = {owner for work in works if (owner := work.lane_owner) is not None}
        if owners:
            batch.check_owners(owners)
        return batch

    def _together(self, works: Sequence[Work[Any]], batch: Batch) -> Finished | None:
        """All rows at once; None, and no transaction, if some work is wrong."""
        changes: list[ChangeWork[Any]] = []
        finished: Finished = []
        try:
            for work in works:
                if isinstance(work, ChangeWork):
                    changes.append(work)
                else:
                    work.collect(batch)
                    finished.append((work, None))
            batch.run()
        except Exception as error:
            if fault_of(error) is not Fault.WORK:
                raise
            self._writer.rollback()
            return None
        return finished + [(change, self._alone(change, batch)) for change in changes]

    def _alone(self, work: Work[Any], batch: Batch) -> Exception | None:
        """One piece of work under a savepoint; what went wrong."""
        writer = self._writer
        writer.savepoint()
        try:
            if isinstance(work, ChangeWork):
                work.run(writer.connection)
            else:
                own = batch.fresh()
                work.run_alone(own)
                batch.once_durable += own.once_durable
        except Exception as error:
            if fault_of(error) is not Fault.WORK:
                raise
            writer.rollback_to()
            is_own = isinstance(work, ChangeWork) or isinstance(error, OvertakenError)
            return error if is_own else _refusal(error)
        writer.release()
        return None


def _refusal(error: Exception) -> SpoolUnavailable:
    """What those get whose rows the database did not take; all others were taken."""
    cause = str(error).partition("\n")[0]
    log.error("store.work_refused", error=type(error).__name__, cause=cause)
    return SpoolUnavailable(SpoolTrouble.AWAY, cause)


def wake(finished: Finished) -> None:
    """Tell everybody who waits, by one call into their event loop. From any thread."""
    for work, _ in finished:
        if work.future is not None:
            # The loop may have ended; then nobody waits any more.
            with suppress(RuntimeError):
                work.future.get_loop().call_soon_threadsafe(_deliver, finished)
            return


def _deliver(finished: Finished) -> None:
    for work, error in finished:
        future = work.future
        if future is None or future.done():
            continue
        if error is None:
            future.set_result(work.result)
        else:
            future.set_exception(error)
