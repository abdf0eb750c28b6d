"""Negative controls: Pillarbox with one promise broken on purpose, for tests that must notice.

A mutant is made inside the started service, by `mutant_site/sitecustomize.py`, which Python runs
first where the environment of `environment_of` is set; supervisor, worker and command line get it
alike. Nothing of it is in the product. A change of the product that a mutant does not fit any more
ends the process with a message instead of running it unchanged.
"""

import asyncio
import os
import random
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

SITE = Path(__file__).parent / "mutant_site"
ROOT = Path(__file__).parents[2]
VARIABLE = "CRASH_MUTANT"

EARLY_SECONDS = 0.05
"""How much sooner than the commit the early answers go out."""


class Mutant(StrEnum):
    """What is broken."""

    ACK_BEFORE_COMMIT = "ack-before-commit"
    SYNCHRONOUS_OFF = "synchronous-off"
    SETTLE_BEFORE_REPLY = "settle-before-reply"
    FOLDER_NOT_SYNCED = "folder-not-synced"
    CONTENT_NOT_SYNCED = "content-not-synced"
    CONTENT_FOLDER_NOT_SYNCED = "content-folder-not-synced"
    GRAPH_BUSY_IS_TAKEN = "graph-busy-is-taken"
    GRAPH_TAKEN_IS_BUSY = "graph-taken-is-busy"


def environment_of(mutant: Mutant) -> Mapping[str, str]:
    """What to add to the environment of a service that is to be this mutant."""
    return {VARIABLE: mutant.value, "PYTHONPATH": f"{SITE}:{ROOT}"}


def become(mutant: Mutant) -> None:
    """Change this process; to be called before Pillarbox is imported."""
    match mutant:
        case Mutant.ACK_BEFORE_COMMIT:
            _ack_before_commit()
        case Mutant.SYNCHRONOUS_OFF:
            _switch_synchronous_off()
        case Mutant.SETTLE_BEFORE_REPLY:
            _settle_before_reply()
        case Mutant.FOLDER_NOT_SYNCED:
            _leave_folder_unsynced()
        case Mutant.CONTENT_NOT_SYNCED:
            _leave_content_unsynced()
        case Mutant.CONTENT_FOLDER_NOT_SYNCED:
            _leave_content_folder_unsynced()
        case Mutant.GRAPH_BUSY_IS_TAKEN:
            _read_graph({503: 202}, 1.0)
        case Mutant.GRAPH_TAKEN_IS_BUSY:
            _read_graph({202: 503}, 0.1)


def _ack_before_commit() -> None:
    """`put` is done at once; the message joins a group commit a little later."""
    from pillarbox.store.spool import Spool

    put = Spool.put

    def put_early(self: Spool, message: Any) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        loop.call_later(EARLY_SECONDS, put, self, message)
        future: asyncio.Future[None] = loop.create_future()
        future.set_result(None)
        return future

    _replace(Spool, "put", put_early)


def _switch_synchronous_off() -> None:
    """SQLite hands its writes to the system and does not wait for the disk."""
    import pillarbox.store.engine as engine

    set_up = engine._set_up_sqlite_writer

    def set_up_unsynced(connection: Any, record: object) -> None:
        set_up(connection, record)
        cursor = connection.cursor()
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.close()

    _replace(engine, "_set_up_sqlite_writer", set_up_unsynced)


def _settle_before_reply() -> None:
    """Each attempt is recorded as delivered before the next hop has the content."""
    from pillarbox.delivery.attempt import Attempt
    from pillarbox.delivery.courier import AttemptResult
    from pillarbox.mail.envelope import RecipientOutcome, RecipientState
    from pillarbox.mail.reply import Reply
    from pillarbox.scheduler.lane_queue import LaneQueue

    take, finish = LaneQueue.take, LaneQueue.finish

    def take_settled(self: LaneQueue, most_recipients: int) -> Attempt | None:
        attempt = take(self, most_recipients)
        if attempt is not None:
            state, reply = RecipientState.DELIVERED, Reply(250, "2.0.0", ("Early",))
            numbers = [each.recipient.number for each in attempt.recipients]
            result = AttemptResult([RecipientOutcome(number, state, reply) for number in numbers])
            finish(self, attempt, result, self._tools.wall(), 0)
        return attempt

    def finish_nothing(
        self: LaneQueue, attempt: Attempt, result: AttemptResult, started_at: int, duration_ms: int
    ) -> None:
        """It was recorded before."""

    _replace(LaneQueue, "take", take_settled)
    _replace(LaneQueue, "finish", finish_nothing)


def _leave_folder_unsynced() -> None:
    """Names of new files are not made durable."""
    import pillarbox.files

    _replace(pillarbox.files, "sync_folder", lambda _folder: None)


def _leave_content_unsynced() -> None:
    """Files of content are handed to the system alone. Nothing else in Python uses fdatasync."""
    _replace(os, "fdatasync", lambda _descriptor: None)


def _leave_content_folder_unsynced() -> None:
    """Names of files of content are not made durable; that of their folder is."""
    import pillarbox.files
    import pillarbox.store.content_files as content_files

    sync_folder = pillarbox.files.sync_folder

    def sync_other(folder: Path) -> None:
        if not folder.name.endswith("-content"):
            sync_folder(folder)

    _replace(content_files, "sync_folder", sync_other)


def _read_graph(statuses: Mapping[int, int], share: float) -> None:
    """A share of the answers with these statuses counts as if it had another one."""
    from pillarbox.delivery.courier import AttemptResult
    from pillarbox.delivery.graph_answer import GraphResults
    from pillarbox.net.https import Answer

    of_answer = GraphResults.of_answer

    def of_another(self: GraphResults, answer: Answer) -> AttemptResult:
        if answer.status in statuses and random.random() < share:
            answer = Answer(statuses[answer.status], answer.headers, answer.text)
        return of_answer(self, answer)

    _replace(GraphResults, "of_answer", of_another)


def _replace(owner: Any, name: str, value: object) -> None:
    """Put `value` in the place of something that must be there."""
    getattr(owner, name)
    setattr(owner, name, value)
