"""What the spool hands to the group commit: taking a message, settling an attempt."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar

from pillarbox.mail.reply import Reply
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.store.batch import Batch, LaneOwner, Work
from pillarbox.store.records import OvertakenError, RecipientRecord, Settlement
from pillarbox.store.rows import (
    STATES,
    clean,
    clean_name,
    content_rows,
    message_row,
    recipient_rows,
)
from pillarbox.store.statements import Do, Row

MAX_LANES = 50_000
"""So many are remembered: straight to MX hosts each domain has one. Of those that were forgotten
the row is made once more, which changes nothing."""


_INSERT_LANE, _INSERT_MESSAGE = Do.INSERT_LANE, Do.INSERT_MESSAGE
_INSERT_CONTENT, _INSERT_RECIPIENT = Do.INSERT_CONTENT, Do.INSERT_RECIPIENT
_INSERT_ATTEMPT, _FINISH_RECIPIENT = Do.INSERT_ATTEMPT, Do.FINISH_RECIPIENT
_UPDATE_MESSAGE, _DELETE_CONTENT = Do.UPDATE_MESSAGE, Do.DELETE_CONTENT
_DELETE_UPLOAD = Do.DELETE_UPLOAD


class NewLanes:
    """Lanes that this process has used and that may have no row yet."""

    def __init__(self) -> None:
        self.unstored: dict[int, Row] = {}
        """Rows that have to come first, by the id of the lane."""
        self._stored: set[int] = set()

    def know(self, lane_id: int, hop: str, number: int) -> None:
        """The next message for this lane makes its row."""
        if lane_id not in self._stored:
            self.unstored[lane_id] = (lane_id, hop, number)

    def forget(self) -> None:
        """The next message for each lane that is known makes its row, or finds it."""
        self._stored.clear()

    def rows(self, messages: Iterable[SpooledMessage]) -> list[Row]:
        """The rows that the recipients of these messages need first."""
        lanes = {spooled.lane_id for message in messages for spooled in message.recipients}
        # Another thread may add lanes meanwhile, so the dictionary is only asked, not walked.
        found = (self.unstored.get(lane_id) for lane_id in sorted(lanes))
        return [row for row in found if row is not None]

    def collect(self, batch: Batch, messages: Iterable[SpooledMessage]) -> None:
        """Add these rows to the batch."""
        rows = self.rows(messages)
        if rows:
            batch.rows[_INSERT_LANE] += rows
            batch.once_durable.append(partial(self._stored_now, rows))

    def _stored_now(self, rows: list[Row]) -> None:
        if len(self._stored) >= MAX_LANES:
            self._stored.clear()
        for row in rows:
            self._stored.add(row[0])
            self.unstored.pop(row[0], None)


def _collect_message(
    batch: Batch, message: SpooledMessage, lanes: NewLanes, *, has_file: bool = False
) -> None:
    rows = batch.rows
    if lanes.unstored:
        lanes.collect(batch, (message,))
    if message.content is None:
        if message.chunks and not has_file:
            # Each chunk came before; if they were collected as orphans, this finds no row.
            rows[_DELETE_UPLOAD].append((message.queue_id,))
    elif not has_file:
        pieces = content_rows(message)
        message.chunks = len(pieces)
        rows[_INSERT_CONTENT] += pieces
    rows[_INSERT_MESSAGE].append(message_row(message))
    rows[_INSERT_RECIPIENT] += recipient_rows(message)


@dataclass(slots=True, eq=False, kw_only=True)
class PutWork(Work[None]):
    """One message becomes durable."""

    is_put: ClassVar[bool] = True

    message: SpooledMessage
    lanes: NewLanes
    find_content: Callable[[], object] | None = None
    """Raises SpoolUnavailable unless its content is there, in a file."""
    result: None = field(default=None, init=False)

    @property
    def puts(self) -> tuple[int, ...]:
        """This one message."""
        return (self.message.queue_id,)

    def collect(self, batch: Batch) -> None:
        """Add the rows that the usual case needs."""
        find = self.find_content
        if find is not None:
            find()
        _collect_message(batch, self.message, self.lanes, has_file=find is not None)


@dataclass(slots=True, eq=False, kw_only=True)
class SettleWork(Work[bool]):
    """One attempt is recorded; False if it does not count any more."""

    must_be_recorded: ClassVar[bool] = True

    settlement: Settlement
    lanes: NewLanes
    lane_owner: LaneOwner

    def collect(self, batch: Batch) -> None:
        """Add the rows that the usual case needs."""
        self.result = batch.owners[self.lane_owner]
        if not self.result:
            return
        rows, settlement = batch.rows, self.settlement
        for do, row, attempt in _record_rows(settlement):
            rows[do].append(row)
            if settlement.attempt:
                rows[_INSERT_ATTEMPT].append(attempt)
        self._collect_rest(batch)

    def run_alone(self, batch: Batch) -> None:
        """The same record by record: one that a person or another worker has changed in the
        meantime does not count. Raises OvertakenError where only some do."""
        settlement = self.settlement
        counted: set[int] = set()
        if batch.owners[self.lane_owner]:
            changes = zip(settlement.records, _record_rows(settlement), strict=True)
            for record, (do, row, attempt) in changes:
                if not batch.execute(do, row) and not self._record_held(batch, record, row):
                    continue
                counted.add(record.number)
                if settlement.attempt:
                    batch.rows[_INSERT_ATTEMPT].append(attempt)
        self.result = bool(counted)
        if not counted:
            return
        if len(counted) < len(settlement.records):
            raise OvertakenError(frozenset(counted))
        self._collect_rest(batch)
        batch.run()

    def _record_held(self, batch: Batch, record: RecipientRecord, row: Row) -> bool:
        """A recipient that was held or is to be bounced keeps that; the attempt counts."""
        if record.state.is_final:
            return False
        return bool(batch.execute(Do.COUNT_ATTEMPT, (row[1], *row[3:])))

    def _collect_rest(self, batch: Batch) -> None:
        settlement = self.settlement
        final = len([record for record in settlement.records if record.state.is_final])
        queue_id = settlement.queue_id
        if final:
            until = settlement.keep_content_until
            row = (final, final, settlement.finished_at, until, until, queue_id)
            batch.rows[_UPDATE_MESSAGE].append(row)
            if until is None:
                batch.rows[_DELETE_CONTENT].append((queue_id,))
        for dsn in settlement.dsns:
            _collect_message(batch, dsn, self.lanes)


def _record_rows(settlement: Settlement) -> list[tuple[Do, Row, Row]]:
    """For each record what changes the recipient, and the row of the attempt."""
    queue_id, finished_at = settlement.queue_id, settlement.finished_at
    started_at, duration_ms = settlement.started_at, settlement.duration_ms
    said: Reply | None = None
    reply = ""
    found: list[tuple[Do, Row, Row]] = []
    for record in settlement.records:
        if record.reply is not said:
            # Most recipients of a message are told the same.
            said, reply = record.reply, clean(str(record.reply))
        number, attempts, told = record.number, record.attempts, record.delay_notified
        state, where = STATES[record.state], (queue_id, number, attempts - settlement.attempt)
        do: Do
        row: Row
        if record.state.is_final:
            do, row = _FINISH_RECIPIENT, (state, attempts, told, reply, finished_at, *where)
        else:
            due = record.next_attempt_at
            do, row = Do.DEFER_RECIPIENT, (state, attempts, due, told, reply, *where)
        host, tls = clean_name(record.remote_host), clean_name(record.tls)
        attempt = queue_id, number, attempts, started_at, duration_ms, state, reply, host, tls
        found.append((do, row, attempt))
    return found
