"""From which of its addresses this machine sends a message to MX hosts, and whether it may: a new
address sends a bounded number of messages on each day while it is warmed up.

What may be sent is leased from the store in portions, so all workers together never send more; a
portion of a worker that died counts as sent until the day ends.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.envelope import Timestamp
from pillarbox.sources import SourceFacts

FRESH_SECONDS = 5.0
"""What is known of addresses is read again after this time."""

_PORTIONS = 20
_LARGEST_PORTION = 500


class SourceStore(Protocol):
    """See store.sources.Sources."""

    async def all(self) -> Mapping[str, SourceFacts]:
        """What is known of each address."""
        ...

    async def lease(self, address: str, *, day: str, messages: int, limit: int) -> int:
        """Lease up to so many messages of this day; how many there were."""
        ...

    async def give_back(self, address: str, *, day: str, messages: int) -> None:
        """Give back what was not used."""
        ...


class SourceBook:
    """One for each worker. Methods that ask the store raise SpoolUnavailable."""

    def __init__(
        self,
        store: SourceStore | None,
        *,
        monotonic: Callable[[], float],
        wall: Callable[[], Timestamp],
    ) -> None:
        self._store = store
        self._monotonic = monotonic
        self._wall = wall
        self._facts: Mapping[str, SourceFacts] = {}
        self._read_at = float("-inf")
        self._left: dict[str, tuple[str, int]] = {}

    async def facts(self, address: str) -> SourceFacts:
        """What is known of an address."""
        now = self._monotonic()
        if self._store is not None and now - self._read_at >= FRESH_SECONDS:
            self._facts = await self._store.all()
            self._read_at = now
        return self._facts.get(address, SourceFacts())

    async def take(self, address: str) -> bool:
        """Count one message of an address for today; whether it may send one more."""
        wall = self._wall()
        limit = (await self.facts(address)).allowed(wall)
        if limit is None or self._store is None:
            return True
        today = _day(wall)
        day, left = self._left.get(address, (today, 0))
        if day != today:
            left = 0
        if not left:
            portion = min(max(limit // _PORTIONS, 1), _LARGEST_PORTION)
            left = await self._store.lease(address, day=today, messages=portion, limit=limit)
            # Another message may have leased meanwhile.
            other_day, others = self._left.get(address, (today, 0))
            left += others if other_day == today else 0
        if left:
            self._left[address] = (today, left - 1)
        return left > 0

    def untake(self, address: str) -> None:
        """The message was not sent."""
        day, left = self._left.get(address, ("", 0))
        if day:
            self._left[address] = (day, left + 1)

    async def close(self) -> None:
        """Give back what was not used, where the store answers."""
        for address, (day, left) in self._left.items():
            if self._store is not None and left:
                try:
                    await self._store.give_back(address, day=day, messages=left)
                except SpoolUnavailable:
                    # It counts as sent until the day ends.
                    continue
        self._left.clear()


def _day(wall: Timestamp) -> str:
    return datetime.fromtimestamp(wall / 1000, UTC).date().isoformat()
