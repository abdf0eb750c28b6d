"""The open connections of a process, and how many one source may have."""

import asyncio
from collections import Counter
from enum import Enum, auto
from typing import Protocol

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.observe import metrics
from pillarbox.policy.source import source_of

REFUSING = 100
"""Connections over the limit that are told so at the same time. More are dropped without a word:
saying it inside TLS costs a handshake. Where sessions are few, so are these."""

REFUSING_SHARE = 4
"""Not more than one for so many sessions: they take open files as well."""

SCARCE_SHARE = 4
"""When only one of so many sessions is left, the rest is shared out among the sources: ..."""

FAIR_SHARE = 50
"""... one may then have one of so many that are left, and a first one in any case."""


class Admission(Enum):
    """What becomes of a new connection."""

    OPEN = auto()
    REFUSED = auto()
    """It is told why, then closed."""
    DROPPED = auto()


class Member(Protocol):
    """A connection, as the registry knows it."""

    source: str

    @property
    def deadline(self) -> float:
        """When `expire` is due."""
        ...

    def expire(self) -> None:
        """The deadline has passed."""
        ...

    def stop(self) -> None:
        """End the session between two commands."""
        ...

    def abort(self) -> None:
        """End the connection at once."""
        ...


class Registry:
    """All connections of all listeners of one process."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._members: set[Member] = set()
        self._refused: dict[Member, Refusal] = {}
        self._per_source: Counter[str] = Counter()
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._members)

    def take_up(self, limits: Limits) -> None:
        """New limits for connections that are yet to come."""
        self._limits = limits

    def admit(self, member: Member, address: str) -> Admission:
        """Count a new connection; what is to become of it."""
        source = source_of(address)
        count = self._per_source[source]
        admission = Admission.OPEN
        refusal = self._refusal(count)
        if refusal is not None:
            metrics.SESSIONS_REFUSED.inc()
            if len(self._refused) >= min(REFUSING, self._limits.sessions // REFUSING_SHARE + 1):
                return Admission.DROPPED
            self._refused[member] = refusal
            admission = Admission.REFUSED
        member.source = source
        self._members.add(member)
        self._per_source[source] = count + 1
        return admission

    def _refusal(self, count: int) -> Refusal | None:
        """Why a source that has `count` connections gets no other."""
        limits = self._limits
        if count >= limits.sessions_per_address:
            return Refusal.TOO_MANY_SESSIONS
        left = limits.sessions - len(self._members) + len(self._refused)
        if left <= 0:
            return Refusal.SERVICE_BUSY
        if left <= limits.sessions // SCARCE_SHARE and count >= max(1, left // FAIR_SHARE):
            return Refusal.SERVICE_BUSY
        return None

    def refusal(self, member: Member) -> Refusal | None:
        """Why the connection is over a limit."""
        return self._refused.get(member)

    def remove(self, member: Member) -> None:
        """The connection is gone."""
        if member not in self._members:
            return
        self._members.remove(member)
        self._refused.pop(member, None)
        if self._per_source[member.source] <= 1:
            del self._per_source[member.source]
        else:
            self._per_source[member.source] -= 1
        if not self._members:
            self._emptied.set()

    async def wait_empty(self) -> None:
        """Wait until no connection is open."""
        while self._members:
            self._emptied.clear()
            await self._emptied.wait()

    def sweep(self, now: float) -> None:
        """End what has passed its deadline."""
        for member in [one for one in self._members if one.deadline <= now]:
            member.expire()

    def stop(self) -> None:
        """End all sessions between two commands."""
        for member in tuple(self._members):
            member.stop()

    def abort(self) -> None:
        """End all connections at once."""
        for member in tuple(self._members):
            member.abort()
