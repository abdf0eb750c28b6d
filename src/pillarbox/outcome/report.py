"""Makes the DSN of an attempt and finds its way to the sender.

A DSN is a message of the same tenant with a null reverse-path and takes that tenant's route to
the sender's domain. Where there is none, it is captured, so that it is not lost.
"""

from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.mail.dsn import MAX_HEADER_OCTETS, Report, compose, wants_full
from pillarbox.mail.dsn_words import Action
from pillarbox.mail.envelope import Envelope, Notify, Recipient, Timestamp
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.outcome.settle import Judgement, Tried
from pillarbox.route import CAPTURE_ROUTE, Reject, Route, route_domain


def needed_octets(message: SpooledMessage) -> int:
    """How much of a message's beginning a report on it may need; the message may be shorter."""
    if wants_full(message.envelope, message.size_octets):
        return message.size_octets
    return MAX_HEADER_OCTETS


def report_kind(judgement: Judgement) -> str:
    """What a report is about, as metrics name it: the worst that happened."""
    actions = {entry.action for entry in judgement.reported}
    if Action.FAILED in actions:
        is_expired = all(entry.is_expired for entry in judgement.reported)
        return "expired" if is_expired else "failed"
    return "delayed" if Action.DELAYED in actions else "delivered"


@dataclass(frozen=True, slots=True)
class Letter:
    """What a sender gets; its reverse-path is null."""

    queue_id: int
    envelope: Envelope
    prefix: bytes
    content: bytes
    header_id: str


class Reporter:
    """Makes DSNs.

    `next_id` makes queue ids; `lane_of` gives the id of a route's lane and sees to it that
    the store knows that lane.
    """

    def __init__(
        self,
        host_name: str,
        *,
        next_id: Callable[[Timestamp], int],
        lane_of: Callable[[Route], int],
    ) -> None:
        self._host_name = host_name
        self._next_id = next_id
        self._lane_of = lane_of

    def report(self, tried: Tried, judgement: Judgement, original: bytes) -> SpooledMessage:
        """One DSN on all that `judgement` reports. `original` is the beginning of the message,
        prefix included, as long as `needed_octets` says."""
        message = tried.message
        to = message.envelope.reverse_path
        if to is None:
            raise ValueError("a message with a null reverse-path is never reported on")
        now = tried.finished_at
        dsn_id = self._next_id(now)
        composed = compose(
            Report(
                host_name=self._host_name,
                queue_id=message.queue_id,
                dsn_id=dsn_id,
                now=now,
                received_at=message.received_at,
                envelope=message.envelope,
                recipients=judgement.reported,
                original=original,
                is_complete=len(original) >= message.size_octets,
            )
        )
        letter = Letter(dsn_id, composed.envelope, b"", composed.content, composed.header_id)
        return self.to_sender(tried, letter)

    def to_sender(self, tried: Tried, letter: Letter) -> SpooledMessage:
        """A message of the same tenant to the sender of the one that was tried."""
        message = tried.message
        to = message.envelope.reverse_path
        if to is None:
            raise ValueError("a message with a null reverse-path has nobody to be told")
        # RFC 3461 section 6.1: no DSN about a DSN, so NOTIFY is NEVER where it is given at all.
        recipient = Recipient(0, to, Notify.NEVER)
        now = tried.finished_at
        route = _route_of(tried, route_domain(to.domain)).member(letter.queue_id, None)
        lane_id = self._lane_of(route)
        return SpooledMessage(
            queue_id=letter.queue_id,
            tenant_id=message.tenant_id,
            account_id=None,
            credential_id=None,
            session_id=None,
            received_at=now,
            envelope=letter.envelope,
            prefix=letter.prefix,
            size_octets=len(letter.prefix) + len(letter.content),
            chunks=0,
            content=letter.content,
            recipients=[SpooledRecipient(recipient, lane_id, now)],
            header_id=letter.header_id,
        )


def _route_of(tried: Tried, domain: str) -> Route:
    route = tried.tenant.routes.choose("", domain)
    if route is None or isinstance(route.next_hop, Reject):
        return CAPTURE_ROUTE
    return route
