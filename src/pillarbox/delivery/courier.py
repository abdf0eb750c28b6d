"""What every way of delivery offers: one attempt to hand one message to one next hop.

A courier is one session with a next hop. A lane makes it, gives it one attempt after the other
and closes it; two attempts never run on it at once. Which courier serves which next hop is said
in delivery.factory.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from pillarbox.errors import PillarboxError
from pillarbox.explain.replies import Explanation
from pillarbox.mail.envelope import RecipientOutcome
from pillarbox.mail.reply import Reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import NextHop
from pillarbox.values import quick


class ContentSource(Protocol):
    """Where the content of a message that is not in memory comes from."""

    async def chunk(self, number: int) -> bytes:
        """Piece `number` (from 0) of the content behind `message.prefix`, in `message.chunks`
        pieces. Raises SpoolUnavailable when the store does not answer."""
        ...


@quick(frozen=True, slots=True)
class HopReason:
    """Why a next hop could not be used. `said` is its own reply where it gave one;
    `session_stands`: it is the mail that was refused, in words that mean all mail of the route."""

    explanation: Explanation
    said: str = ""
    session_stands: bool = False


@quick(frozen=True, slots=True)
class AttemptResult:
    """What an attempt came to: one outcome for each recipient that was given.

    `hop_failure` is set when the next hop could not be used at all (no connection, greeting,
    encryption or login; or it refused this mail and would refuse all other): the outcomes are all
    DEFERRED then, and other mail need not be tried before the hop is well again. `reason` explains
    it. `throttled` says that the hop asked for less: the lane backs off, for `retry_after` seconds
    at least where it said so. `is_aside`: nothing was asked of the hop as such, so the result says
    nothing of how it is.
    `transactions`: so many messages the hop has seen, where it takes fewer recipients at once;
    `requests`: so many requests it took to hand the message over, where that is more.
    """

    outcomes: list[RecipientOutcome]
    hop_failure: Reply | None = None
    throttled: bool = False
    reason: HopReason | None = None
    transactions: int = 1
    requests: int = 1
    retry_after: float = 0.0
    is_aside: bool = False

    @property
    def wish(self) -> str:
        """The reply by which the hop asked for less, where it did."""
        refused = (str(each.reply) for each in self.outcomes if each.reply.code >= 400)
        return next(refused, "")

    @property
    def was_seen(self) -> bool:
        """Whether the next hop counts the mail as tried."""
        return self.hop_failure is None or (self.reason is not None and self.reason.session_stands)


class HopBusy(PillarboxError):
    """Nothing was tried: others have all that the next hop allows. Not before `until` (monotonic)
    there is more; infinity: when `call_when_free` calls."""

    def __init__(self, until: float, call_when_free: Callable[[Callable[[], None]], None]) -> None:
        super().__init__("all sessions that the next hop allows are in use")
        self.until = until
        self.call_when_free = call_when_free


class Courier(Protocol):
    """One session with one next hop, used for many attempts in turn."""

    @property
    def is_open(self) -> bool:
        """Whether a session stands, so that the next attempt needs no new connection."""
        ...

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """Try to hand over the message for these recipients; connects where that is needed.

        Failures of the next hop are part of the result. Raises SpoolUnavailable when `content`
        does; the next hop then has not taken the message. Raises HopBusy, having done nothing.
        """
        ...

    async def close(self) -> None:
        """End the session politely, within seconds. The courier may be used again."""
        ...


CourierFactory: TypeAlias = Callable[[NextHop], Courier]
"""Makes the courier for a next hop; nothing is connected yet."""
