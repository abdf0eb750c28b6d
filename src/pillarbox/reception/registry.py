"""The open connections of a process, and how many one source may have."""

import asyncio
from collections import Counter
from enum import Enum, auto
from typing import Protocol

from pillarbox.observe import metrics
from pillarbox.policy.source import source_of

REFUSING = 100
"""Connections over the limit that are told so at the same time. More are dropped without a word:
saying it inside TLS costs a handshake."""


class Admission(Enum):
    """What becomes of a new connection."""

    OPEN = auto()
    REFUSED = auto()
    """It is told why, then closed."""
    DROPPED = auto()


class Member(Protocol):
    """A connection, as the registry knows it."""

    deadline: float
    source: str

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

    def __init__(self, *, sessions: int, sessions_per_source: int) -> None:
        self._sessions = sessions
        self._sessions_per_source = sessions_per_source
        self._members: set[Member] = set()
        self._refused: set[Member] = set()
        self._per_source: Counter[str] = Counter()
        self._emptied = asyncio.Event()

    def __len__(self) -> int:
        return len(self._members)

    def change_limits(self, *, sessions: int, sessions_per_source: int) -> None:
        """New limits for connections that are yet to come."""
        self._sessions = sessions
        self._sessions_per_source = sessions_per_source

    def admit(self, member: Member, address: str) -> Admission:
        """Count a new connection; what is to become of it."""
        source = source_of(address)
        count = self._per_source[source]
        if len(self._members) < self._sessions and count < self._sessions_per_source:
            admission = Admission.OPEN
        else:
            metrics.SESSIONS_REFUSED.inc()
            if len(self._refused) >= REFUSING:
                return Admission.DROPPED
            self._refused.add(member)
            admission = Admission.REFUSED
        member.source = source
        self._members.add(member)
        self._per_source[source] = count + 1
        return admission

    def is_refused(self, member: Member) -> bool:
        """Whether the connection is over a limit."""
        return member in self._refused

    def remove(self, member: Member) -> None:
        """The connection is gone."""
        if member not in self._members:
            return
        self._members.remove(member)
        self._refused.discard(member)
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
