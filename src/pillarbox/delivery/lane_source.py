"""What a lane works with: where its attempts come from and go to, and what all lanes share."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from pillarbox.delivery.attempt import Attempt, WallClock
from pillarbox.delivery.courier import AttemptResult, CourierFactory
from pillarbox.delivery.slots import ConnectionSlots
from pillarbox.mail.envelope import RecipientOutcome, RecipientState, Timestamp
from pillarbox.mail.reply import Reply

INTERNAL_FAILURE = Reply(451, "4.3.0", ("The attempt failed on our side; it is tried again",))


class LaneSource(Protocol):
    """The scheduler's side of a lane."""

    @property
    def waiting(self) -> int:
        """How many attempts could be taken now."""
        ...

    def take(self, most_recipients: int) -> Attempt | None:
        """The next attempt, with at most so many recipients; None: nothing may start now."""
        ...

    def put_back(self, attempt: Attempt) -> None:
        """The attempt was not made; it is the next one."""
        ...

    def abandon(self, attempt: Attempt) -> None:
        """The attempt was not made, as its content could not be read."""
        ...

    def finish(
        self, attempt: Attempt, result: AttemptResult, started_at: Timestamp, duration_ms: int
    ) -> None:
        """The attempt was made; `started_at` is the time of day."""
        ...

    def shut(self, reason: Reply | None) -> None:
        """What is in memory is not needed for long. `reason`: the next hop can not be reached."""
        ...

    def want(self) -> None:
        """A pause is over and nothing is at hand; mail is wanted from the store."""
        ...

    def reserve(self) -> None:
        """Have the store note what of the windows of the next hop is to be used; the lane is woken
        when that is durable."""
        ...


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What all lanes of a worker share. `monotonic` is the clock of the event loop."""

    spawn: Callable[[Coroutine[Any, Any, None]], object]
    monotonic: Callable[[], float]
    call_at: Callable[[float, Callable[[], None]], asyncio.TimerHandle]
    wall: WallClock
    rand: Callable[[], float]
    courier_for: CourierFactory
    slots: ConnectionSlots
    idle_seconds: float


def all_deferred(attempt: Attempt) -> AttemptResult:
    """Unknown failure: every recipient is tried again."""
    numbers = [each.recipient.number for each in attempt.recipients]
    state = RecipientState.DEFERRED
    return AttemptResult([RecipientOutcome(one, state, INTERNAL_FAILURE) for one in numbers])
