"""Messages on their way to a next hop, in memory and in the store."""

from collections.abc import Sequence
from dataclasses import replace

from tests.support.queueing import make_message

from pillarbox.delivery.courier import AttemptResult, Courier
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.envelope import Envelope, RecipientState
from pillarbox.mail.spooled import SpooledMessage

DELIVERED, DEFERRED, FAILED = (
    RecipientState.DELIVERED,
    RecipientState.DEFERRED,
    RecipientState.FAILED,
)
PREFIX = b"Received: from here\r\n"


class Chunks:
    """Content in the store; a chunk that is None can not be read."""

    def __init__(self, chunks: Sequence[bytes | None] = ()) -> None:
        self._chunks = chunks

    async def chunk(self, number: int) -> bytes:
        """As ContentSource."""
        octets = self._chunks[number]
        if octets is None:
            raise SpoolUnavailable(SpoolTrouble.AWAY, "gone")
        return octets


def message(
    content: bytes = b"Subject: x\r\n\r\nHi\r\n", recipients: int = 1, **envelope: object
) -> SpooledMessage:
    """A message in memory to r0, r1, …"""
    made = make_message(*(f"r{n}@far.test" for n in range(recipients)))
    made.prefix = PREFIX
    made.content = content
    made.size_octets = len(PREFIX) + len(content)
    made.envelope = replace(Envelope(parse_mailbox("u1@t1.test")), **envelope)  # type: ignore[arg-type]
    return made


def stored(*chunks: bytes) -> tuple[SpooledMessage, Chunks]:
    """A message whose content is in the store."""
    made = message(b"".join(chunks))
    made.content = None
    made.chunks = len(chunks)
    return made, Chunks(chunks)


async def attempt(courier: Courier, made: SpooledMessage) -> AttemptResult:
    """One attempt for all recipients."""
    return await courier.attempt(made, made.recipients, Chunks())


def states(result: AttemptResult) -> dict[int, RecipientState]:
    """State by the recipient's number."""
    return {outcome.number: outcome.state for outcome in result.outcomes}
