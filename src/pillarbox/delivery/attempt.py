"""One attempt that stands in a lane: a message and those of its recipients that go together.

Made by the scheduler, waits in a ready queue, is run by a lane, and comes back to the scheduler
with its result.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.delivery.usage import Cost
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import Microsoft365, NextHop
from pillarbox.store.records import Tenant

MAX_RECIPIENTS = 100
"""Recipients of one transaction: RFC 5321 4.5.3.1.8, every server takes at least 100."""

_ONE_REQUEST_OCTETS = 3_000_000
_DRAFT_REQUESTS = 6
_RANGE_OCTETS = 1_000_000

ReadChunk: TypeAlias = Callable[[int, int], Awaitable[bytes]]
"""Reads a piece of the content of a message from the store; see ContentSource."""

WallClock: TypeAlias = Callable[[], Timestamp]


@dataclass(slots=True, eq=False)
class Attempt:
    """What a lane has to do next for one message. A ContentSource: `read_chunk` has what is not in
    memory.

    `tenant` and `next_hop` are those of the moment of routing, which `routed` numbers.
    `held_octets` is its share of the memory for content. `is_loaded` tells mail that was read from
    the store from mail that came from reception.
    """

    message: SpooledMessage
    recipients: list[SpooledRecipient]
    tenant: Tenant
    next_hop: NextHop
    read_chunk: ReadChunk
    routed: int = 0
    held_octets: int = 0
    is_loaded: bool = False

    async def chunk(self, number: int) -> bytes:
        """See ContentSource."""
        return await self.read_chunk(self.message.queue_id, number)

    @property
    def cost(self) -> Cost:
        """What it counts against the windows of the next hop."""
        size = self.message.size_octets
        requests = 1 if size <= _ONE_REQUEST_OCTETS else _requests(self.next_hop, size)
        return Cost(1, len(self.recipients), size, requests)


def _requests(next_hop: NextHop, size_octets: int) -> int:
    """About how many requests of Graph a large message takes; they are counted at the end."""
    is_draft = isinstance(next_hop, Microsoft365) and next_hop.way.has_drafts
    return _DRAFT_REQUESTS + size_octets // _RANGE_OCTETS if is_draft else 1
