"""A lane: the connections to one next hop, how many there are, and when they may be used.

Each connection is one long-lived task that makes one attempt after the other; there is no task
and no timer for a message. Connections are opened as mail waits and close when they are idle.
Where attempts come from and go to is the scheduler's (`LaneSource`).
"""

import asyncio

from pillarbox.delivery.attempt import Attempt
from pillarbox.delivery.courier import AttemptResult, Courier, HopBusy
from pillarbox.delivery.lane_connection import LaneConnection
from pillarbox.delivery.lane_source import LaneSource, LaneTools, all_deferred
from pillarbox.delivery.pacing import GateState
from pillarbox.delivery.permits import Permits, Wait
from pillarbox.delivery.resting import RestingConnections
from pillarbox.delivery.standstill import Standstill
from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.reply import Reply
from pillarbox.observe import metrics
from pillarbox.observe.log import log
from pillarbox.route import HopCaps, NextHop
from pillarbox.store.suspensions import Suspension

_TURN_MESSAGES = 20
"""A connection that others wait for gives way after so many messages."""

_BREATH_MESSAGES = 16
"""After so many attempts a connection lets others run, also if its courier never waits."""

_FAULT_PAUSE_SECONDS = 1.0
"""After an error of ours in a connection."""

_LONGEST_TURN_SECONDS = 5.0
"""A lane that waits for others looks again after this time, whoever forgot to call it."""

_LONG_SECONDS = 60.0
"""Mail that has to wait for longer is left to the store."""

_COARSE_SECONDS = 0.001
"""Timers of an event loop may come so much too early."""

_UNTIL_ONE_ENDS = float("inf")


class Lane:
    """The connections of one next hop."""

    def __init__(self, hop: str, caps: HopCaps, source: LaneSource, tools: LaneTools) -> None:
        self.hop = hop
        self.permits = Permits(caps)
        self.standstill = Standstill(hop)
        self._closed_hop: NextHop | None = None
        self._source = source
        self._tools = tools
        self._connections: set[LaneConnection] = set()
        self._closing = 0
        self._resting = RestingConnections(tools)
        self._timer: asyncio.TimerHandle | None = None
        self._not_before = self._turn_at = 0.0
        self._is_stopping = False

    @property
    def connections(self) -> int:
        """How many connections there are."""
        return len(self._connections)

    @property
    def is_closed(self) -> bool:
        """Whether nothing is tried for long, so that no mail has to be at hand."""
        gate = self.permits.gate
        if not (self._not_before or gate.is_shut or gate.is_held):
            return False
        now = self._tools.monotonic()
        if gate.state(now) is GateState.CLOSED:
            return True
        return _LONG_SECONDS < self._not_before - now < _UNTIL_ONE_ENDS

    @property
    def suspension(self) -> Suspension | None:
        """Why the hop takes nothing before somebody changes something."""
        return self.standstill.suspension

    @property
    def is_probing(self) -> bool:
        """Whether one attempt is wanted, to see whether the next hop is back."""
        return self.permits.gate.state(self._tools.monotonic()) is GateState.PROBING

    def set_caps(self, caps: HopCaps) -> None:
        """Obey these caps from now on; connections that rest may be more than there may be."""
        if caps is not (old := self.permits.caps):
            self.permits.set_caps(caps)
            if caps != old:
                self._not_before = 0.0
                self._resting.end()

    def inherit(self, suspension: Suspension) -> None:
        """The hop took nothing when another process had the lane: begin with one attempt."""
        self.standstill.inherit(suspension)
        self.permits.gate.ask_for_probe()

    def probe_soon(self) -> None:
        """Somebody changed something: a closed hop is probed without waiting for its pause."""
        now = self._tools.monotonic()
        if self.permits.gate.state(now) is GateState.CLOSED:
            self.permits.gate.ask_for_probe()
            self._hold_until(now)

    def hold(self, *, is_held: bool) -> None:
        """An administrator wants nothing to be tried, or wants it tried again."""
        gate = self.permits.gate
        if is_held == gate.is_held:
            return
        gate.is_held = is_held
        if is_held:
            self._source.shut(None)
            self._resting.end()
        else:
            self._hold_until(max(self._tools.monotonic(), gate.closed_until))

    def let_go(self) -> None:
        """An administrator wants it tried at once, whatever pause there is but those that the hop
        has named itself."""
        now = self._tools.monotonic()
        self.permits.concurrency.paused_until = self._turn_at = 0.0
        self.probe_soon()
        self._hold_until(now)

    def heed(self, next_hop: NextHop) -> None:
        """The way to the hop as it is by now: another one than that which failed is tried soon."""
        if self._closed_hop is not None and next_hop != self._closed_hop:
            self._closed_hop = next_hop
            self.probe_soon()

    def wake(self) -> None:
        """There is something to take: bring one connection to it."""
        if self._tools.monotonic() < self._not_before or self._is_stopping:
            return
        if not self._resting.wake_one():
            self._grow()

    def wake_all(self) -> None:
        """There is much to take, or a reason to wait is gone."""
        self._not_before = 0.0
        for _ in range(min(self._source.waiting, len(self._resting) + 1)):
            self.wake()

    def stop(self) -> None:
        """Begin nothing more; connections close when their attempt ends."""
        self._is_stopping = True
        self._tools.slots.forget(self._grow)
        if self._timer is not None:
            self._timer.cancel()
        self._resting.stop()

    # How many connections.

    def _grow(self) -> None:
        """Open one more connection if mail waits, the hop has not enough, and it lets us in: at
        most as many at once as there are already, so a hop that hangs holds up one."""
        count = len(self._connections)
        if count + self._closing >= self.permits.concurrency.limit or not self._source.waiting:
            return
        tools = self._tools
        now = tools.monotonic()
        is_shaky = self.permits.gate.state(now) is not GateState.OPEN
        is_early = now < max(self._not_before, self._turn_at)
        if self._is_stopping or is_early or (count and is_shaky):
            return
        opened = sum(connection.is_open for connection in self._connections)
        if count - opened >= max(opened, 1) or not tools.slots.take(self._grow):
            return
        connection = LaneConnection()
        self._connections.add(connection)
        metrics.CONNECTIONS_OPEN.inc()
        tools.spawn(self._run(connection))

    async def _run(self, connection: LaneConnection) -> None:
        """The task of a connection."""
        try:
            await self._serve(connection)
        except Exception:
            log.exception("delivery.connection_failed", next_hop=self.hop)
            metrics.TASK_FAILURES.inc()
            self._hold_until(self._tools.monotonic() + _FAULT_PAUSE_SECONDS)
        finally:
            self._connections.discard(connection)
            self._closing += 1
            metrics.CONNECTIONS_OPEN.dec()
            try:
                await connection.close()
            finally:
                self._closing -= 1
                self._tools.slots.give_back()
        self.wake()

    # One connection.

    async def _serve(self, connection: LaneConnection) -> None:
        """Make attempts until this connection is not needed any more."""
        made = 0
        while True:
            attempt = self._next(connection)
            if attempt is None:
                if not self._may_rest(connection) or not await self._resting.rest():
                    return
                continue
            if not await self._make(connection, attempt):
                return
            made += 1
            self._grow()
            if made % _BREATH_MESSAGES == 0:
                await asyncio.sleep(0)
            if connection.served >= self.permits.caps.messages_per_connection:
                await connection.close()
            if self._is_too_many(made):
                return

    def _is_too_many(self, made: int) -> bool:
        """Whether a connection has to end: the hop wants fewer, or other lanes need its slot."""
        count = len(self._connections)
        if count > self.permits.concurrency.limit:
            return True
        return bool(self._tools.slots.waiting) and (count > 1 or made >= _TURN_MESSAGES)

    def _may_rest(self, connection: LaneConnection) -> bool:
        """Whether to wait for mail with the session open."""
        return not self._is_stopping and connection.may_rest and not self._is_too_many(0)

    # One attempt.

    def _next(self, connection: LaneConnection) -> Attempt | None:
        """The next attempt of a connection, if the hop may be given one now."""
        tools = self._tools
        now = tools.monotonic()
        if self._is_stopping or now < self._not_before:
            return None
        permits = self.permits
        answer = permits.ask(now)
        attempt = None
        if isinstance(answer, Wait):
            wait: Wait | None = answer
        else:
            attempt = self._source.take(answer)
            if attempt is None:
                return None
            connection.cost = cost = attempt.cost
            wait = permits.begin(now, cost)
        if permits.usage.has_windows and permits.usage.is_low:
            self._source.reserve()
        if wait is None:
            return attempt
        self._hold_until(wait.until)
        if attempt is not None:
            self._source.put_back(attempt)
        if self.is_closed:
            self._source.shut(None)
        return None

    def _end(self, connection: LaneConnection, *, counts: bool, **made: int) -> None:
        self.permits.end(self._tools.monotonic(), connection.cost, counts=counts, **made)
        if self._not_before == _UNTIL_ONE_ENDS:
            self._not_before = 0.0

    async def _make(self, connection: LaneConnection, attempt: Attempt) -> bool:
        """Make one attempt; whether the connection can go on."""
        tools, begun = self._tools, self._tools.monotonic()
        try:
            courier = connection.courier
            if courier is None or attempt.next_hop is not connection.hop:
                courier = await self._courier(connection, attempt.next_hop)
            result = await courier.attempt(attempt.message, attempt.recipients, attempt)
        except HopBusy as busy:
            return self._wait_for(busy, connection, attempt)
        except SpoolUnavailable:
            self._end(connection, counts=True)
            self._source.abandon(attempt)
            return True
        except Exception:
            log.exception("delivery.attempt_failed", next_hop=self.hop)
            metrics.TASK_FAILURES.inc()
            result = all_deferred(attempt)
        connection.served += result.transactions
        if result.retry_after:
            # The store is to know it at once.
            self.permits.pause(tools.monotonic() + result.retry_after)
            self._source.reserve()
        failure = result.hop_failure
        was_seen = failure is None or result.was_seen
        counted = {"transactions": result.transactions, "requests": result.requests}
        self._end(connection, counts=was_seen, **counted)
        if not was_seen and self._refuses_only_more(connection, failure):
            self._source.put_back(attempt)
            return False
        duration_ms = int((tools.monotonic() - begun) * 1000)
        # Counted from now: the clock may have been set since it began.
        self._source.finish(attempt, result, tools.wall() - duration_ms, duration_ms)
        return self._goes_on(begun, result, attempt.next_hop)

    def _wait_for(self, busy: HopBusy, connection: LaneConnection, attempt: Attempt) -> bool:
        """Others have all that the hop allows: wait for a turn, without a connection."""
        self._end(connection, counts=False)
        self._source.put_back(attempt)
        now = self._tools.monotonic()
        self._turn_at = min(busy.until, now + _LONGEST_TURN_SECONDS)
        busy.call_when_free(self._on_turn)
        self._hold_until(self._turn_at)
        return False

    def _on_turn(self) -> None:
        self._turn_at = 0.0
        self.wake_all()

    async def _courier(self, connection: LaneConnection, next_hop: NextHop) -> Courier:
        """The courier of a connection; another one if the way to the hop has changed."""
        if next_hop != connection.hop:
            await connection.close()
        connection.hop = next_hop
        if connection.courier is None:
            connection.courier = self._tools.courier_for(next_hop)
        return connection.courier

    # What the next hop's answers mean for the lane.

    def _goes_on(self, begun: float, result: AttemptResult, next_hop: NextHop) -> bool:
        """Take what an attempt shows of the hop; whether the connection can go on."""
        failure, standstill = result.hop_failure, self.standstill
        if failure is None and standstill.suspension is not None:
            if standstill.is_older(begun):
                return True
            if standstill.is_probe_put_off(result):
                failure = result.outcomes[0].reply
        if failure is None:
            self._went_through(result)
        elif standstill.believes(result.reason):
            self._shut(failure, result, next_hop)
            return False
        return True

    def _refuses_only_more(self, connection: LaneConnection, failure: Reply | None) -> bool:
        """Whether the hop refused this connection while it kept others: it wants no more."""
        opened = sum(other.is_open for other in self._connections if other is not connection)
        if opened:
            self.permits.concurrency.refuse_more_than(opened, reason=f"{failure}")
        return opened > 0

    def _shut(self, failure: Reply, result: AttemptResult, next_hop: NextHop) -> None:
        """The hop can not be reached, or takes nothing: nothing more until a probe."""
        tools = self._tools
        gate = self.permits.gate
        if not result.was_seen:
            metrics.CONNECTION_FAILURES.inc()
        now = tools.monotonic()
        if gate.state(now) is not GateState.CLOSED:
            self._closed_hop = next_hop
            pause = round(gate.fail(now, tools.rand()), 1)
            reason, wall = result.reason, tools.wall()
            self.standstill.close(failure, reason, pause=pause, now=now, wall=wall)
        self._source.shut(failure)
        self._resting.end()
        self._hold_until(gate.closed_until)

    def _went_through(self, result: AttemptResult) -> None:
        if result.is_aside:
            return
        tools = self._tools
        self.standstill.end()
        gate = self.permits.gate
        if gate.is_shut:
            gate.succeed()
            log.info("delivery.hop_opened", next_hop=self.hop)
            self.wake_all()
        if result.throttled:
            self.permits.concurrency.throttle(
                tools.monotonic(),
                tools.rand(),
                connections=len(self._connections),
                reason=result.wish,
            )
        else:
            self.permits.concurrency.succeed()

    def _hold_until(self, when: float) -> None:
        """Take nothing before this moment; one timer for the lane."""
        self._not_before = when
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if when != _UNTIL_ONE_ENDS and not self._is_stopping:
            self._timer = self._tools.call_at(when + _COARSE_SECONDS, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._tools.monotonic() < self._not_before:
            self._hold_until(self._not_before)
            return
        self._not_before = 0.0
        if not self._source.waiting:
            self._source.want()
        self.wake_all()
