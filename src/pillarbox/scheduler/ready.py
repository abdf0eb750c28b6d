"""The ready queue of a lane: which attempt comes next. A data structure; no I/O, no clock.

Tenants take turns by deficit round robin, so one with much mail does not make the others wait;
inside a tenant its credentials take turns in the same way. Inside a credential small messages go
before large ones, but after some small ones a large one has its turn. The costs of a turn are
octets, bounded for one message, so every operation takes constant time.
"""

from collections import deque
from collections.abc import Iterator
from typing import TypeVar

from pillarbox.delivery.attempt import Attempt

QUANTUM_OCTETS = 32 * 1024
"""What a tenant or credential may send in one turn."""

SMALL_OCTETS = 64 * 1024
"""A message up to this size is small."""

MESSAGE_OCTETS = 4 * 1024
"""Each message costs this much beside its size: an empty one is not free."""

DEAREST_OCTETS = 16 * QUANTUM_OCTETS
"""A larger message costs this much: it takes that many turns of its tenant, no more."""

SMALL_BEFORE_LARGE = 8
"""So many small messages may go before a large one that waits."""


def cost_octets(attempt: Attempt) -> int:
    """What an attempt costs its tenant and its credential."""
    return min(MESSAGE_OCTETS + attempt.message.size_octets, DEAREST_OCTETS)


class _Flow:
    """The attempts of one credential, in order of arrival."""

    __slots__ = ("credential", "credit", "large", "overtaken", "small")

    def __init__(self, credential: int | None) -> None:
        self.credential = credential
        self.small: deque[Attempt] = deque()
        self.large: deque[Attempt] = deque()
        self.overtaken = 0
        self.credit = 0

    def take(self) -> Attempt:
        if self.large and (not self.small or self.overtaken >= SMALL_BEFORE_LARGE):
            self.overtaken = 0
            return self.large.popleft()
        if self.large:
            self.overtaken += 1
        return self.small.popleft()


class _Turns:
    """The credentials of one tenant that have mail, in the order of their turns."""

    __slots__ = ("credit", "flows", "ring", "tenant_id")

    def __init__(self, tenant_id: int) -> None:
        self.tenant_id = tenant_id
        self.flows: dict[int | None, _Flow] = {}
        self.ring: deque[_Flow] = deque()
        self.credit = 0

    def flow(self, credential: int | None) -> _Flow:
        """The flow of a credential; a new one gets its turn after all others."""
        flow = self.flows.get(credential)
        if flow is None:
            flow = self.flows[credential] = _Flow(credential)
            self.ring.append(flow)
        return flow


_Taker = TypeVar("_Taker", _Flow, _Turns)


def _whose_turn(ring: deque[_Taker]) -> _Taker:
    """Bring the one whose turn it is to the front. One in debt gets a quantum and goes to the
    end; as a debt is at most one dearest message, nobody is passed over for long."""
    first = ring[0]
    if len(ring) == 1:
        # Nobody else waits, so turns do not matter, and no debt is run up.
        first.credit = 0
        return first
    while first.credit < 0:
        first.credit += QUANTUM_OCTETS
        ring.rotate(-1)
        first = ring[0]
    return first


class ReadyQueue:
    """Attempts that can start at once, so many as `length` says. Bounds are kept by the owner."""

    def __init__(self) -> None:
        self._tenants: dict[int, _Turns] = {}
        self._ring: deque[_Turns] = deque()
        self.length = 0

    def __iter__(self) -> Iterator[Attempt]:
        """All attempts, in no particular order."""
        for turns in self._ring:
            for flow in turns.ring:
                yield from flow.small
                yield from flow.large

    def put(self, attempt: Attempt) -> None:
        """Add an attempt behind those of its credential."""
        self._line(attempt).append(attempt)
        self.length += 1

    def put_back(self, attempt: Attempt) -> None:
        """Give back an attempt that was taken but not tried: it is the next of its credential."""
        self._line(attempt).appendleft(attempt)
        self.length += 1
        # What it was charged is given back.
        turns = self._tenants[attempt.message.tenant_id]
        flow = turns.flow(attempt.message.credential_id)
        cost = cost_octets(attempt)
        turns.credit = min(turns.credit + cost, QUANTUM_OCTETS)
        flow.credit = min(flow.credit + cost, QUANTUM_OCTETS)

    def take(self) -> Attempt | None:
        """Remove and return the attempt whose turn it is; None when there is none."""
        if not self.length:
            return None
        self.length -= 1
        turns = _whose_turn(self._ring)
        flow = _whose_turn(turns.ring)
        attempt = flow.take()
        cost = cost_octets(attempt)
        flow.credit -= cost
        turns.credit -= cost
        if not (flow.small or flow.large):
            turns.ring.popleft()
            del turns.flows[flow.credential]
            if not turns.ring:
                self._ring.popleft()
                del self._tenants[turns.tenant_id]
        return attempt

    def clear(self) -> list[Attempt]:
        """Remove and return all attempts."""
        attempts = list(self)
        self._tenants.clear()
        self._ring.clear()
        self.length = 0
        return attempts

    def _line(self, attempt: Attempt) -> deque[Attempt]:
        message = attempt.message
        turns = self._tenants.get(message.tenant_id)
        if turns is None:
            turns = self._tenants[message.tenant_id] = _Turns(message.tenant_id)
            self._ring.append(turns)
        flow = turns.flow(message.credential_id)
        return flow.small if message.size_octets <= SMALL_OCTETS else flow.large
