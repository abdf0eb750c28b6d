"""What the spool hands to the group commit: taking a message, settling an attempt."""

import asyncio
from collections.abc import Iterable

from pillarbox.mail.spooled import SpooledMessage
from pillarbox.store.batch import Batch, Work
from pillarbox.store.records import RecipientRecord, Settlement
from pillarbox.store.rows import STATES, clean, content_rows, message_row, recipient_rows
from pillarbox.store.statements import Do, Row

MAX_LANES = 50_000
"""So many are remembered: straight to MX hosts each domain has one. Of those that were forgotten
the row is made once more, which changes nothing."""


_INSERT_LANE, _INSERT_MESSAGE = Do.INSERT_LANE, Do.INSERT_MESSAGE
_INSERT_CONTENT, _INSERT_RECIPIENT = Do.INSERT_CONTENT, Do.INSERT_RECIPIENT
_INSERT_ATTEMPT, _FINISH_RECIPIENT = Do.INSERT_ATTEMPT, Do.FINISH_RECIPIENT
_UPDATE_MESSAGE, _DELETE_CONTENT = Do.UPDATE_MESSAGE, Do.DELETE_CONTENT


class NewLanes:
    """Lanes that this process has used and that may have no row yet."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._stored: set[int] = set()

    def know(self, lane_id: int, hop: str, number: int) -> None:
        """The next message for this lane makes its row."""
        if lane_id not in self._stored:
            self._rows[lane_id] = (lane_id, hop, number)

    def forget(self) -> None:
        """The next message for each lane that is known makes its row, or finds it."""
        self._stored.clear()

    def rows(self, messages: Iterable[SpooledMessage]) -> list[Row]:
        """The rows that the recipients of these messages need first."""
        if not self._rows:
            return []
        lanes = {spooled.lane_id for message in messages for spooled in message.recipients}
        # Another thread may add lanes meanwhile, so the dictionary is only asked, not walked.
        found = (self._rows.get(lane_id) for lane_id in sorted(lanes))
        return [row for row in found if row is not None]

    def stored(self, rows: list[Row]) -> None:
        """These rows are durable now."""
        if len(self._stored) >= MAX_LANES:
            self._stored.clear()
        for row in rows:
            self._stored.add(row[0])
            self._rows.pop(row[0], None)


def _collect_message(batch: Batch, message: SpooledMessage) -> None:
    rows = content_rows(message)
    if message.content is None:
        if message.chunks:
            # Each chunk came before; if they were collected as orphans, this finds no row.
            batch.add(Do.DELETE_UPLOAD, (message.queue_id,))
    else:
        message.chunks = len(rows)
        batch.extend(_INSERT_CONTENT, rows)
    batch.add(_INSERT_MESSAGE, message_row(message))
    batch.extend(_INSERT_RECIPIENT, recipient_rows(message))


class PutWork(Work[None]):
    """One message becomes durable."""

    __slots__ = ("_lane_rows", "_lanes", "message")

    is_put = True

    def __init__(
        self, future: "asyncio.Future[None] | None", message: SpooledMessage, lanes: NewLanes
    ) -> None:
        super().__init__(future, len(message.content or b""))
        self.result = None
        self.message = message
        self._lanes = lanes
        self._lane_rows: list[Row] = []

    @property
    def puts(self) -> tuple[int, ...]:
        """This one message."""
        return (self.message.queue_id,)

    def collect(self, batch: Batch) -> None:
        """Add the rows that the usual case needs."""
        self._lane_rows = self._lanes.rows((self.message,))
        if self._lane_rows:
            batch.extend(_INSERT_LANE, self._lane_rows)
        _collect_message(batch, self.message)

    def committed(self) -> None:
        """The lanes have their rows."""
        if self._lane_rows:
            self._lanes.stored(self._lane_rows)


class SettleWork(Work[bool]):
    """One attempt is recorded; False if it does not count any more."""

    __slots__ = ("_lane_rows", "_lanes", "_owner", "_settlement")

    must_be_recorded = True

    def __init__(
        self, future: "asyncio.Future[bool] | None", settlement: Settlement, lanes: NewLanes
    ) -> None:
        super().__init__(future)
        self._settlement = settlement
        self._lanes = lanes
        self._lane_rows: list[Row] = []
        # Only its owner settles for a lane.
        self._owner = self.lane_owner = settlement.lane_id, settlement.owner

    def collect(self, batch: Batch) -> None:
        """Add the rows that the usual case needs."""
        self.result = batch.owns(self._owner)
        if not self.result:
            return
        settlement = self._settlement
        for record in settlement.records:
            reply = clean(str(record.reply))
            do, row = _record(settlement, record, reply)
            batch.add(do, row)
            if settlement.attempt:
                batch.add(_INSERT_ATTEMPT, _attempt_row(settlement, record, reply))
        self._collect_rest(batch, settlement.records)

    def run_alone(self, batch: Batch) -> None:
        """The same record by record: one that a person or another worker has changed in the
        meantime does not count, the others do."""
        self.result = batch.owns(self._owner)
        settlement = self._settlement
        counted: list[RecipientRecord] = []
        for record in settlement.records if self.result else ():
            reply = clean(str(record.reply))
            do, row = _record(settlement, record, reply)
            if not batch.execute(do, row) and not self._record_held(batch, record, row):
                continue
            counted.append(record)
            if settlement.attempt:
                batch.add(_INSERT_ATTEMPT, _attempt_row(settlement, record, reply))
        self.result = bool(counted)
        if counted:
            self._collect_rest(batch, counted)
            batch.run()

    def _record_held(self, batch: Batch, record: RecipientRecord, row: Row) -> bool:
        """A recipient that was held or is to be bounced keeps that; the attempt counts."""
        if record.state.is_final:
            return False
        return bool(batch.execute(Do.COUNT_ATTEMPT, (row[1], *row[3:])))

    def _collect_rest(self, batch: Batch, records: Iterable[RecipientRecord]) -> None:
        settlement = self._settlement
        final = sum(record.state.is_final for record in records)
        queue_id = settlement.queue_id
        if final:
            until = settlement.keep_content_until
            row = (final, final, settlement.finished_at, until, queue_id)
            batch.add(_UPDATE_MESSAGE, row)
            if until is None:
                batch.add(_DELETE_CONTENT, (queue_id,))
        if settlement.dsns:
            self._lane_rows = self._lanes.rows(settlement.dsns)
            batch.extend(_INSERT_LANE, self._lane_rows)
            for dsn in settlement.dsns:
                _collect_message(batch, dsn)

    def committed(self) -> None:
        """The lanes have their rows."""
        if self._lane_rows:
            self._lanes.stored(self._lane_rows)


def _record(settlement: Settlement, record: RecipientRecord, reply: str) -> tuple[Do, Row]:
    """What changes the recipient."""
    where = settlement.queue_id, record.number, record.attempts - settlement.attempt
    state, attempts, told = STATES[record.state], record.attempts, record.delay_notified
    if record.state.is_final:
        return _FINISH_RECIPIENT, (state, attempts, told, reply, settlement.finished_at, *where)
    return Do.DEFER_RECIPIENT, (state, attempts, record.next_attempt_at, told, reply, *where)


def _attempt_row(settlement: Settlement, record: RecipientRecord, reply: str) -> Row:
    return (
        settlement.queue_id,
        record.number,
        record.attempts,
        settlement.started_at,
        settlement.duration_ms,
        STATES[record.state],
        reply,
        clean(record.remote_host),
        clean(record.tls),
    )
