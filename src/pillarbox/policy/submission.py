"""May this account do this now? One question for each step of a mail transaction.

The answers come from values in memory, so asking costs microseconds: nothing here reads the store.
"""

from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Envelope
from pillarbox.mail.identifier import format_id
from pillarbox.mail.message import HeaderBlock
from pillarbox.policy.denial import Denial
from pillarbox.policy.sendas import NULL_GRANT, author_fault, may_send_as
from pillarbox.route import Reject, Route
from pillarbox.store.records import Account

Routing: TypeAlias = Route | Denial


@dataclass(frozen=True, slots=True)
class Submission:
    """The rules for what an account sends, with the limits of the service."""

    limits: Limits

    def size_limit_octets(self, account: Account) -> int:
        """The size of a message that this account may send: the smaller of both limits."""
        own = account.tenant.size_limit_octets
        service = self.limits.message_octets
        return service if own is None else min(own, service)

    def recipient_limit(self, account: Account) -> int:
        """The number of recipients of one message: the smaller of both limits."""
        own = account.tenant.recipient_limit
        service = self.limits.recipients
        return service if own is None else min(own, service)

    def on_mail(self, account: Account, envelope: Envelope) -> Denial | None:
        """May the account use this reverse-path?"""
        if may_send_as(account, envelope.reverse_path):
            return None
        if envelope.reverse_path is None:
            return Denial(
                Refusal.NULL_SENDER_NOT_ALLOWED, f"the account has no send-as right {NULL_GRANT!r}"
            )
        address = envelope.reverse_path.address
        return Denial(Refusal.SENDER_NOT_ALLOWED, f"{address} is not granted to the account")

    def on_rcpt(self, account: Account, envelope: Envelope, forward_path: Mailbox) -> Routing:
        """The route of this recipient, or why there is none."""
        sender = envelope.reverse_path
        route = account.tenant.routes.choose(
            _route_domain(sender) if sender is not None else "", _route_domain(forward_path)
        )
        if route is None:
            return Denial(Refusal.NO_ROUTE, f"no route for {forward_path.domain}")
        if isinstance(route.next_hop, Reject):
            text, cause = route.next_hop.text, f"route {format_id(route.route_id)}"
            return Denial(Refusal.REJECTED_BY_ROUTE, cause, {"text": text})
        return route

    def on_message(self, account: Account, header: HeaderBlock) -> Denial | None:
        """May a message with this header block go out for the account?"""
        if header.size_octets > self.limits.header_octets:
            return self.header_too_large()
        if header.received_fields > self.limits.received_fields:
            return Denial(Refusal.LOOP, f"{header.received_fields} Received fields")
        fault = author_fault(account, header)
        return Denial(Refusal.FROM_NOT_ALLOWED, fault) if fault else None

    def header_too_large(self) -> Denial:
        """The refusal of a message whose header block has no end within the limit."""
        limit = self.limits.header_octets
        return Denial(Refusal.HEADER_TOO_LARGE, "", {"limit": limit})


def _route_domain(mailbox: Mailbox) -> str:
    """The domain as routes know it; an address literal matches only routes for everything."""
    domain = mailbox.domain_key
    return "" if domain.startswith("[") else domain
