"""Couriers that send nothing: mail that is kept to be looked at, and mail that a route rejects."""

from collections.abc import Sequence

from pillarbox.delivery.courier import AttemptResult, ContentSource
from pillarbox.mail.envelope import RecipientOutcome, RecipientState
from pillarbox.mail.reply import Reply, reply
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient

CAPTURED = reply(250, "2.0.0", "Kept here to be looked at; nothing was sent")


class LocalCourier:
    """Courier that gives every recipient the same outcome, at once and without a network."""

    def __init__(self, state: RecipientState, answer: Reply) -> None:
        self._state = state
        self._answer = answer

    @property
    def is_open(self) -> bool:
        """Always: there is nothing to connect to."""
        return True

    async def attempt(
        self,
        message: SpooledMessage,  # noqa: ARG002 - the signature of Courier
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,  # noqa: ARG002
    ) -> AttemptResult:
        """See Courier."""
        state, answer = self._state, self._answer
        return AttemptResult(
            [RecipientOutcome(each.recipient.number, state, answer) for each in recipients]
        )

    async def close(self) -> None:
        """See Courier; there is nothing to end."""


def capture_courier() -> LocalCourier:
    """Courier of the next hop Capture."""
    return LocalCourier(RecipientState.CAPTURED, CAPTURED)


def reject_courier(text: str) -> LocalCourier:
    """Courier of the next hop Reject: for mail that was accepted before its route said so."""
    return LocalCourier(RecipientState.FAILED, reply(550, "5.7.1", text))
