"""A store, a directory and next hops in memory, for simulations in virtual time.

They keep the promises of the real ones: what was settled is durable after a while, an attempt
counts only while its lane is ours and its recipients stand where it found them.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from itertools import chain

from tests.support.queueing import NOW
from tests.support.simulated_usage import SimulatedUsage

from pillarbox.delivery.courier import AttemptResult, ContentSource, Courier
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.envelope import RecipientOutcome, RecipientState, Timestamp
from pillarbox.mail.reply import Reply, reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import NextHop, Route, SmartHost, hop_key, lane_id
from pillarbox.store.lanes import LaneRecord
from pillarbox.store.records import OvertakenError, Settlement, Tenant

OK = reply(250, "2.0.0", "Queued")
BUSY = reply(451, "4.3.0", "Try later")
REFUSED = reply(550, "5.1.1", "No such user")
NO_CONNECTION = reply(451, "4.4.1", "Connection refused")


def wall() -> Timestamp:
    """The time of day of the simulation."""
    return NOW + int(asyncio.get_running_loop().time() * 1000)


class SimulatedDirectory:
    """Tenants by their ids."""

    def __init__(self, *tenants: Tenant) -> None:
        self.tenants = {tenant.tenant_id: tenant for tenant in tenants}
        self.generation = 1
        self.asked = 0

    def change(self, tenant: Tenant) -> None:
        """An administrator changes a tenant."""
        self.tenants[tenant.tenant_id] = tenant
        self.generation += 1

    async def tenant(self, tenant_id: int) -> Tenant | None:
        """See TenantStore."""
        self.asked += 1
        return self.tenants.get(tenant_id)


class SimulatedStore(SimulatedUsage):
    """Spool and lanes of all processes."""

    def __init__(self, *, commit_seconds: float = 0.002) -> None:
        super().__init__(lambda lane: self.owners.get(lane, ("", 0.0))[0])
        self.commit_seconds = commit_seconds
        self.messages: dict[int, SpooledMessage] = {}
        self.stored: dict[int, list[SpooledRecipient]] = {}
        self.owners: dict[int, tuple[str, float]] = {}
        self.hops: dict[int, str] = {}
        self.settlements: list[Settlement] = []
        self.refused: list[Settlement] = []
        self.trouble: SpoolTrouble | None = None
        self.generation_of_queue = self.loads = 0
        self.keeps_leases = True
        self.unreadable: set[int] = set()
        self._blocked: list[tuple[asyncio.Future[bool], Settlement]] = []

    # What tests do.

    def keep(self, message: SpooledMessage) -> SpooledMessage:
        """The message is committed."""
        self.messages[message.queue_id] = message
        self.stored[message.queue_id] = [copy(each) for each in message.recipients]
        return message

    def states(self) -> Counter[RecipientState]:
        """How many recipients are in which state."""
        return Counter(each.state for found in self.stored.values() for each in found)

    def heal(self) -> None:
        """The store takes results again."""
        self.trouble = None
        blocked, self._blocked = self._blocked, []
        for future, settlement in blocked:
            self._later(future, settlement)

    # QueueStore.

    def lane_of(self, route: Route) -> int:
        """See QueueStore."""
        return self.lane(hop_key(route.next_hop))

    def lane(self, hop: str, number: int = 0) -> int:
        """The id of a lane that there is from now on."""
        found = lane_id(hop, number)
        self.hops[found] = hop
        return found

    def settle(self, settlement: Settlement) -> "asyncio.Future[bool]":
        """See QueueStore."""
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.trouble is None:
            self._later(future, settlement)
        else:
            self._blocked.append((future, settlement))
        return future

    def _later(self, future: "asyncio.Future[bool]", settlement: Settlement) -> None:
        asyncio.get_running_loop().call_later(self.commit_seconds, self._commit, future, settlement)

    def _commit(self, future: "asyncio.Future[bool]", settlement: Settlement) -> None:
        is_ours = self.owners.get(settlement.lane_id, ("", 0.0))[0] == settlement.owner
        found = {each.recipient.number: each for each in self.stored[settlement.queue_id]}
        standing = frozenset(
            record.number
            for record in settlement.records
            if is_ours
            and found[record.number].attempts == record.attempts - settlement.attempt
            and not found[record.number].state.is_final
        )
        if counts := len(standing) == len(settlement.records):
            self.settlements.append(settlement)
            for record in settlement.records:
                each = found[record.number]
                each.state, each.attempts = record.state, record.attempts
                each.next_attempt_at = record.next_attempt_at
                each.delay_notified, each.last_reply = record.delay_notified, record.reply
            for dsn in settlement.dsns:
                self.keep(dsn)
        elif standing:
            future.set_exception(OvertakenError(standing))
        else:
            self.refused.append(settlement)
        if not future.done():
            future.set_result(counts)

    async def read_chunk(self, queue_id: int, number: int) -> bytes:
        """See QueueStore."""
        await self._read()
        if queue_id in self.unreadable or number:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "gone")
        return b"Subject: from the store\r\n\r\nBody\r\n"

    async def load_due(
        self, lane: int, *, now: Timestamp, limit: int, exclude: Collection[int] = ()
    ) -> list[SpooledMessage]:
        """See QueueStore."""
        await self._read()
        self.loads += 1
        found = self._waiting(lane, lambda each: (each.next_attempt_at or 0) <= now)
        found.sort(key=lambda one: min(each.next_attempt_at or 0 for each in one.recipients))
        return [one for one in found if one.queue_id not in exclude][:limit]

    async def next_due(self, lane: int) -> Timestamp | None:
        """See QueueStore."""
        await self._read()
        moments = [
            each.next_attempt_at
            for one in self._waiting(lane, lambda _: True)
            for each in one.recipients
            if each.next_attempt_at is not None
        ]
        return min(moments, default=None)

    async def older_than(
        self,
        lane: int,
        *,
        received_before: Timestamp,
        limit: int,
        unnotified: bool = False,
        after: int = 0,
    ) -> list[SpooledMessage]:
        """See QueueStore."""
        await self._read()
        found = self._waiting(lane, lambda each: not (unnotified and each.delay_notified))
        return [one for one in found if one.received_at < received_before and one.queue_id > after][
            :limit
        ]

    async def move(self, queue_id: int, numbers: Sequence[int], lane: LaneRecord) -> None:
        """See QueueStore."""
        await self._read()
        self.hops[lane.lane_id] = lane.hop
        for each in self.stored[queue_id]:
            if each.recipient.number in numbers:
                each.lane_id = lane.lane_id

    async def queue_generation(self) -> int:
        """See QueueStore."""
        await self._read()
        return self.generation_of_queue

    def _waiting(self, lane: int, wanted: object) -> list[SpooledMessage]:
        assert callable(wanted)
        found = []
        for queue_id in sorted(self.stored):
            recipients = [
                copy(each)
                for each in self.stored[queue_id]
                if each.lane_id == lane and each.next_attempt_at is not None and wanted(each)
            ]
            if recipients:
                message = copy(self.messages[queue_id])
                message.recipients = recipients
                message.content = None
                found.append(message)
        return found

    async def _read(self) -> None:
        await asyncio.sleep(self.commit_seconds)
        if self.trouble is SpoolTrouble.AWAY:
            raise SpoolUnavailable(self.trouble, "away")

    # LaneStore.

    async def claim(self, hop: str, number: int = 0, *, owner: str, lease_ms: int) -> bool:
        """See LaneStore."""
        await self._read()
        now = asyncio.get_running_loop().time()
        found = self.lane(hop, number)
        holder, until = self.owners.get(found, ("", 0.0))
        if holder not in {"", owner} and until > now:
            return False
        self.owners[found] = owner, now + lease_ms / 1000
        return True

    async def renew(self, *, owner: str, lease_ms: int) -> frozenset[int]:
        """See LaneStore."""
        await self._read()
        if not self.keeps_leases:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "no answer")
        now = asyncio.get_running_loop().time()
        held = frozenset(lane for lane, (holder, _) in self.owners.items() if holder == owner)
        self.owners |= dict.fromkeys(held, (owner, now + lease_ms / 1000))
        return held

    async def release(self, lane: int, *, owner: str) -> None:
        """See LaneStore."""
        await self._read()
        if self.owners.get(lane, ("", 0))[0] == owner:
            del self.owners[lane]

    async def release_owner(self, owner: str) -> None:
        """See LaneStore."""
        for lane in [lane for lane, (holder, _) in self.owners.items() if holder == owner]:
            await self.release(lane, owner=owner)

    async def waiting(self, *, now: Timestamp, limit: int = 100) -> list[LaneRecord]:
        """See LaneStore."""
        await self._read()
        moment = asyncio.get_running_loop().time()
        lanes = {each.lane_id for found in self.stored.values() for each in found}
        free = [one for one in sorted(lanes) if self.owners.get(one, ("", 0.0))[1] <= moment]
        return [
            LaneRecord(one, self.hops[one], 0)
            for one in free
            if self._waiting(one, lambda each: (each.next_attempt_at or 0) <= now)
        ][:limit]

    async def due(self, *, owner: str, now: Timestamp) -> list[int]:
        """See LaneStore."""
        await self._read()
        ours = [lane for lane, (holder, _) in self.owners.items() if holder == owner]
        return [
            one
            for one in ours
            if self._waiting(one, lambda each: (each.next_attempt_at or 0) <= now)
        ]

    async def bring_forward(self, *, owner: str, now: Timestamp, by_ms: int) -> None:
        """See LaneStore."""
        await self._read()
        for each in chain.from_iterable(self.stored.values()):
            at = each.next_attempt_at
            if at is not None and at > now and self.owners.get(each.lane_id, (owner,))[0] == owner:
                each.next_attempt_at = max(at - by_ms, now)


@dataclass
class Delivery:
    """One message that a next hop took, and when."""

    at: float
    message: SpooledMessage
    number: int
    hop: str


@dataclass
class FarSide:
    """All next hops. `down` and `slow` are names of hosts; `busy` are queue ids that are put off,
    `refuses` addresses that do not exist."""

    latency_seconds: float = 0.05
    down: set[str] = field(default_factory=set)
    hanging_seconds: float = 0.0
    busy: set[int] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    throttled: bool = False
    retry_after: float = 0.0
    is_aside: bool = False
    most_connections: int = 10**6
    deliveries: list[Delivery] = field(default_factory=list)
    attempts: list[tuple[float, int]] = field(default_factory=list)
    open: int = 0
    most_open: int = 0
    sessions: int = 0
    used: list[NextHop] = field(default_factory=list)

    def courier_for(self, next_hop: NextHop) -> Courier:
        """See CourierFactory."""
        self.used.append(next_hop)
        return SimulatedCourier(self, next_hop)

    def delivered(self) -> Counter[tuple[int, int]]:
        """How often each recipient of each message was delivered."""
        return Counter((one.message.queue_id, one.number) for one in self.deliveries)


class SimulatedCourier:
    """A session with a simulated next hop."""

    def __init__(self, far: FarSide, next_hop: NextHop) -> None:
        self._far = far
        self._hop = next_hop
        self.is_open = False

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier."""
        far = self._far
        loop = asyncio.get_running_loop()
        far.attempts.append((loop.time(), message.queue_id))
        host = self._hop.host if isinstance(self._hop, SmartHost) else ""
        if host in far.down:
            self._end()
            await asyncio.sleep(far.hanging_seconds)
            return self._all(recipients, NO_CONNECTION, hop_failure=NO_CONNECTION)
        if not self.is_open:
            await asyncio.sleep(far.latency_seconds)
            if far.open >= far.most_connections:
                return self._all(recipients, NO_CONNECTION, hop_failure=NO_CONNECTION)
            self.is_open = True
            far.sessions += 1
            far.open += 1
            far.most_open = max(far.open, far.most_open)
        if message.content is None and message.chunks:
            await content.chunk(0)
        await asyncio.sleep(far.latency_seconds)
        if message.queue_id in far.busy:
            return self._all(recipients, BUSY)
        result = AttemptResult([self._deliver(message, each) for each in recipients])
        return replace(
            result,
            throttled=far.throttled,
            retry_after=far.retry_after,
            is_aside=far.is_aside,
        )

    def _deliver(self, message: SpooledMessage, each: SpooledRecipient) -> RecipientOutcome:
        far = self._far
        number = each.recipient.number
        if each.recipient.forward_path.address in far.refuses:
            return RecipientOutcome(number, RecipientState.FAILED, REFUSED, "mx.far.example")
        at = asyncio.get_running_loop().time()
        far.deliveries.append(Delivery(at, message, number, hop_key(self._hop)))
        return RecipientOutcome(number, RecipientState.DELIVERED, OK, "mx.far.example")

    def _all(
        self,
        recipients: Sequence[SpooledRecipient],
        answer: Reply,
        *,
        hop_failure: Reply | None = None,
    ) -> AttemptResult:
        outcomes = [
            RecipientOutcome(each.recipient.number, RecipientState.DEFERRED, answer)
            for each in recipients
        ]
        return AttemptResult(outcomes, hop_failure)

    def _end(self) -> None:
        if self.is_open:
            self.is_open = False
            self._far.open -= 1

    async def close(self) -> None:
        """See Courier."""
        self._end()
