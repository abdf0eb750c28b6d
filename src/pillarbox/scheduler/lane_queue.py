"""The mail of one lane: what is in memory, what waits in the store, and until when it is ours.

Memory is a cache: everything here is in the store too, and can be dropped at any time. What must
not be dropped is `known`: messages whose attempts are under way or whose results are not durable
yet. They are not loaded again before they are settled, else they would be delivered twice.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

from pillarbox.delivery.attempt import MAX_RECIPIENTS, Attempt, WallClock
from pillarbox.delivery.courier import AttemptResult
from pillarbox.delivery.lane import Lane
from pillarbox.delivery.lane_source import LaneTools
from pillarbox.mail.envelope import RecipientOutcome, RecipientState, Timestamp
from pillarbox.mail.reply import Reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.outcome.settle import Tried
from pillarbox.route import HopCaps, mails_by_header
from pillarbox.scheduler.memory import Memory
from pillarbox.scheduler.put_off import PutOff
from pillarbox.scheduler.ready import ReadyQueue
from pillarbox.scheduler.recorder import Recorder, note_attempt
from pillarbox.scheduler.stores import QueueStore
from pillarbox.scheduler.tenants import Tenants, Way
from pillarbox.scheduler.walk import Walk
from pillarbox.store.lanes import LaneRecord
from pillarbox.store.records import RecipientRecord, Tenant

PROBE_MESSAGES = 5
"""So many are loaded to see whether a next hop is back."""

CONTENT_GONE = Reply(451, "4.3.0", ("The content of the message can not be read",))


class Ownership(Enum):
    """Whose lane it is."""

    WANTED = auto()
    """Mail is there; the lane is to be claimed."""
    OURS = auto()
    LOST = auto()
    """Another process has it, or it was given back."""


_LOST = Ownership.LOST


@dataclass(frozen=True, slots=True)
class QueueTools:
    """What all queues of a worker share. `load` asks the loader for mail of a queue, `reserve` the
    store for more of the windows of its next hop."""

    spool: QueueStore
    tenants: Tenants
    recorder: Recorder
    memory: Memory
    put_off: PutOff
    lane_tools: LaneTools
    wall: WallClock
    owner: str
    ready_limit: int
    load: Callable[["LaneQueue"], None]
    reserve: Callable[["LaneQueue"], None]


class LaneQueue:
    """The scheduler's side of a lane (delivery.lane.LaneSource)."""

    def __init__(
        self, lane: LaneRecord, tools: QueueTools, *, known: dict[int, int] | None = None
    ) -> None:
        """`known`: attempts that are still under way from an earlier time as owner."""
        self.lane_id = lane.lane_id
        self.hop = lane.hop
        self.number = lane.number
        self.ownership = Ownership.WANTED
        self.owned_until = -math.inf
        """Monotonic; nothing begins after it."""
        self.claimed_at = math.inf
        self.has_backlog = True
        """The store may have mail to be tried now that is not in memory."""
        self.due_at: Timestamp | None = None
        """When more may have to be tried."""
        self.known = {} if known is None else known
        self.left: set[int] | None = None
        """While the store is read: messages that left memory since, so what was read of them may
        be older than their delivery."""
        self.epoch = 0
        """Moves when memory is dropped: what was being loaded is void then."""
        self.last_failure: Reply | None = None
        self.last: RecipientOutcome | None = None
        """What the last attempt came to."""
        self.is_reached = False
        """The next hop answered last."""
        self.is_recalled = False
        """What its last owner put off is known."""
        self.walks: list[Walk] = []
        """Steps over waiting mail that are to be made."""
        self.walked_at = -math.inf
        self.is_surveyed = False
        self.wants_again = False
        """It was asked for mail while mail was loaded."""
        self.quiet_since = math.inf
        self._tools = tools
        self._ready = ReadyQueue()
        self._loaded = 0
        self.lane = Lane(lane.hop, HopCaps(), self, tools.lane_tools)

    @property
    def waiting(self) -> int:
        """See LaneSource."""
        ready = self._ready.length
        return ready if ready and self._may_begin() else 0

    def _may_begin(self) -> bool:
        """Whether the lane is ours for sure, and what comes of attempts can be recorded."""
        tools = self._tools
        return tools.lane_tools.monotonic() < self.owned_until and tools.recorder.is_open

    @property
    def is_busy(self) -> bool:
        """Whether it has anything in memory, on the way, or in the store."""
        return bool(self.known or self.has_backlog or self.lane.connections or self._ready.length)

    # Mail comes in.

    def offer(
        self, message: SpooledMessage, recipients: list[SpooledRecipient], tenant: Tenant, way: Way
    ) -> None:
        """New mail. Where it does not fit it is left to the store."""
        if message.queue_id in self.known:
            return
        if not self._has_room():
            self.has_backlog = True
            return
        self._add(message, recipients, tenant, way, is_loaded=False)

    def add_loaded(
        self, message: SpooledMessage, recipients: list[SpooledRecipient], tenant: Tenant, way: Way
    ) -> None:
        """Mail from the store."""
        self._add(message, recipients, tenant, way, is_loaded=True)

    def _has_room(self) -> bool:
        ready = self._ready.length
        limit = self._tools.ready_limit
        if self.has_backlog and ready - self._loaded >= limit // 2:
            # The other half is for old mail: neither blocks the other.
            return False
        return (
            ready < limit
            and self._tools.memory.has_room(ready)
            and self.ownership is not _LOST
            and not self.lane.is_closed
        )

    def room_to_load(self) -> int:
        """How many messages may be loaded now."""
        ready = self._ready.length
        if self.ownership is not Ownership.OURS or self.lane.is_closed:
            return 0
        if not self._tools.memory.has_room(ready):
            return 0
        if self.lane.is_probing:
            return max(PROBE_MESSAGES - ready, 0)
        limit = self._tools.ready_limit
        return max(min(max(limit // 2, 1) - self._loaded, limit - ready), 0)

    def _add(
        self,
        message: SpooledMessage,
        recipients: list[SpooledRecipient],
        tenant: Tenant,
        way: Way,
        *,
        is_loaded: bool,
    ) -> None:
        tools = self._tools
        self.lane.set_caps(way.caps)
        held = tools.memory.hold(message)
        read, version = tools.spool.read_chunk, tools.tenants.version
        most = MAX_RECIPIENTS
        if len(recipients) > most and mails_by_header(way.next_hop):
            # Where the header is what counts, nothing is taken apart, as in _split.
            most = len(recipients)
        for start in range(0, len(recipients), most):
            some = recipients if len(recipients) <= most else recipients[start : start + most]
            attempt = Attempt(message, some, tenant, way.next_hop, read, version, held, is_loaded)
            held = 0
            self._ready.put(attempt)
            tools.memory.ready += 1
            self._loaded += is_loaded
            self.known[message.queue_id] = self.known.get(message.queue_id, 0) + 1
            self.lane.wake()

    # The lane takes and gives back.

    def take(self, most_recipients: int) -> Attempt | None:
        """See LaneSource."""
        tools = self._tools
        if not (self._ready.length or self.has_backlog) or not self._may_begin():
            return None
        while True:
            attempt = self._ready.take()
            if attempt is not None:
                tools.memory.ready -= 1
                self._loaded -= attempt.is_loaded
                if attempt.routed != tools.tenants.version and not self._is_right(attempt):
                    self._forget(attempt)
                    self.has_backlog = True
                    continue
            if self.has_backlog and self._loaded <= tools.ready_limit // 8:
                tools.load(self)
            break
        if attempt is not None and len(attempt.recipients) > most_recipients:
            self._split(attempt, most_recipients)
        return attempt

    def _is_right(self, attempt: Attempt) -> bool:
        """Whether an attempt that was routed before a change still belongs here; if so it is
        brought up to date."""
        tenants = self._tools.tenants
        tenant = tenants.at_hand(attempt.message.tenant_id)
        if tenant is None:
            return False
        ways = {tenants.way(tenant, attempt.message, each.recipient) for each in attempt.recipients}
        way = ways.pop()
        if way is None or ways or way.lane_id != self.lane_id:
            return False
        self.lane.set_caps(way.caps)
        attempt.tenant = tenant
        attempt.next_hop = way.next_hop
        attempt.routed = tenants.version
        return True

    def follow_routes(self) -> None:
        """Routes have changed: what waits in memory tells what the next hop is given by now."""
        attempt = next(iter(self._ready), None)
        if attempt is not None:
            # Where it does not belong here any more, that is seen to when its turn comes.
            self._is_right(attempt)

    def _split(self, attempt: Attempt, most: int) -> None:
        """Leave the first recipients in the attempt; the others become the next one. Where the
        header is what counts, all of them stay: the message waits until there is room."""
        if mails_by_header(attempt.next_hop):
            return
        rest = Attempt(
            attempt.message,
            attempt.recipients[most:],
            attempt.tenant,
            attempt.next_hop,
            attempt.read_chunk,
            routed=attempt.routed,
            is_loaded=attempt.is_loaded,
        )
        attempt.recipients = attempt.recipients[:most]
        self.known[attempt.message.queue_id] += 1
        self.put_back(rest)

    def put_back(self, attempt: Attempt) -> None:
        """See LaneSource."""
        if self.ownership is Ownership.LOST:
            self._forget(attempt)
            return
        self._ready.put_back(attempt)
        self._tools.memory.ready += 1
        self._loaded += attempt.is_loaded

    def abandon(self, attempt: Attempt) -> None:
        """See LaneSource."""
        if self._tools.recorder.trouble is not None:
            # The store will say when it can be read again.
            self._forget(attempt)
            self.has_backlog = True
            return
        outcomes = [
            RecipientOutcome(each.recipient.number, RecipientState.DEFERRED, CONTENT_GONE)
            for each in attempt.recipients
        ]
        self.finish(attempt, AttemptResult(outcomes), self._tools.wall(), 0)

    def finish(
        self, attempt: Attempt, result: AttemptResult, started_at: Timestamp, duration_ms: int
    ) -> None:
        """See LaneSource."""
        tools, outcomes = self._tools, result.outcomes
        tried = Tried(
            message=attempt.message,
            recipients=attempt.recipients,
            outcomes=outcomes,
            tenant=attempt.tenant,
            lane_id=self.lane_id,
            owner=tools.owner,
            started_at=started_at,
            duration_ms=duration_ms,
        )
        self.last = outcomes[-1]
        if not result.was_seen:
            self.is_reached = False
            tools.put_off.add(self.lane_id, attempt.message.queue_id)
        elif not result.is_aside:
            self.is_reached = True
        note_attempt(tried, self.hop)
        tools.recorder.record(tried, self)
        tools.memory.release(attempt.held_octets)

    def settled(
        self, queue_id: int, records: tuple[RecipientRecord, ...], *, counted: bool
    ) -> None:
        """See Settled."""
        self._unknow(queue_id)
        if not counted:
            # The store knows better what is to be tried, and perhaps the lane is not ours any
            # more: nothing begins before the lease was renewed.
            self.has_backlog = True
            self.owned_until = -math.inf
            return
        for record in records:
            if record.next_attempt_at is not None:
                self.note_due(record.next_attempt_at)

    def settle_untried(self, tried: Tried) -> None:
        """Record what was decided without an attempt; until then it is not loaded again."""
        queue_id = tried.message.queue_id
        self.known[queue_id] = self.known.get(queue_id, 0) + 1
        if tried.is_attempt:
            note_attempt(tried, self.hop)
        self._tools.recorder.record(tried, self)

    def note_due(self, at: Timestamp) -> None:
        """More has to be tried at this moment."""
        if self.due_at is None or at < self.due_at:
            self.due_at = at

    @property
    def is_back(self) -> bool:
        """Whether the next hop takes what was put off."""
        return self.is_reached and not self.lane.permits.gate.is_shut

    def to_wake(self) -> frozenset[int]:
        """What was put off before the hop was back. What is not durable yet comes later: its result
        would say again when it is tried."""
        return self._tools.put_off.of(self.lane_id) - self.known.keys()

    def wake(self, queue_ids: frozenset[int]) -> None:
        """These are due now."""
        self._tools.put_off.remove(self.lane_id, queue_ids)
        self.want()

    def reserve(self) -> None:
        """See LaneSource."""
        self._tools.reserve(self)

    # Memory is dropped.

    def shut(self, reason: Reply | None) -> None:
        """See LaneSource."""
        if reason is not None:
            self.last_failure = reason
        self.drop_memory()

    def want(self) -> None:
        """See LaneSource."""
        self.has_backlog = True
        self._tools.load(self)

    def drop_memory(self) -> None:
        """Leave everything that is not under way to the store."""
        self.epoch += 1
        self.has_backlog = True
        self._loaded = 0
        dropped = self._ready.clear()
        self._tools.memory.ready -= len(dropped)
        for attempt in dropped:
            self._forget(attempt)

    def lose(self) -> None:
        """The lane is not ours any more; what is under way ends by itself."""
        self.ownership = Ownership.LOST
        self.owned_until = -math.inf
        self.lane.stop()
        self.drop_memory()

    def _forget(self, attempt: Attempt) -> None:
        """The attempt will not be made from memory."""
        self._unknow(attempt.message.queue_id)
        self._tools.memory.release(attempt.held_octets)

    def _unknow(self, queue_id: int) -> None:
        left = self.known[queue_id] - 1
        if left:
            self.known[queue_id] = left
        else:
            del self.known[queue_id]
            if self.left is not None:
                self.left.add(queue_id)
