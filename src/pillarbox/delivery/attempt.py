"""One attempt that stands in a lane: a message and those of its recipients that go together.

Made by the scheduler, waits in a ready queue, is run by a lane, and comes back to the scheduler
with its result.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.delivery.usage import Cost
from pillarbox.mail.envelope import Timestamp
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import NextHop
from pillarbox.store.records import Tenant

MAX_RECIPIENTS = 100
"""Recipients of one transaction: RFC 5321 4.5.3.1.8, every server takes at least 100."""

WallClock: TypeAlias = Callable[[], Timestamp]


@dataclass(slots=True, eq=False)
class Attempt:
    """What a lane has to do next for one message.

    `tenant` and `next_hop` are those of the moment of routing, which `routed` numbers.
    `held_octets` is its share of the memory for content. `is_loaded` tells mail that was read from
    the store from mail that came from reception.
    """

    message: SpooledMessage
    recipients: list[SpooledRecipient]
    tenant: Tenant
    next_hop: NextHop
    routed: int = 0
    held_octets: int = 0
    is_loaded: bool = False

    @property
    def cost(self) -> Cost:
        """What it counts against the windows of the next hop."""
        return Cost(1, len(self.recipients), self.message.size_octets)
