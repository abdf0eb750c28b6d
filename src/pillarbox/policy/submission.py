"""May this account do this now? One question for each step of a mail transaction.

The answers come from values in memory, so asking costs microseconds: nothing here reads the store.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.config import Limits
from pillarbox.explain.refusals import Refusal
from pillarbox.mail.address import Mailbox
from pillarbox.mail.envelope import Envelope
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.identifier import format_id
from pillarbox.mail.message import HeaderBlock
from pillarbox.policy.denial import Denial
from pillarbox.policy.sendas import NULL_GRANT, author_fault, may_send_as
from pillarbox.route import Microsoft365, NextHop, OtherFrom, Reject, Route, route_domain
from pillarbox.store.records import Account

Routing: TypeAlias = Route | Denial

_NAMED_OCTETS = 254
"""A longer mailbox does not fit into a reply of 512 octets beside the text."""


@dataclass(frozen=True, slots=True)
class Submission:
    """The rules for what an account sends, with the limits of the service."""

    limits: Limits
    is_suppressed: Callable[[int, Mailbox], bool] = lambda _tenant_id, _mailbox: False
    """Whether a tenant does not send to an address."""

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
        if self.is_suppressed(account.tenant.tenant_id, forward_path):
            return Denial(Refusal.RECIPIENT_SUPPRESSED, f"{forward_path.address} is suppressed")
        sender = envelope.reverse_path
        route = account.tenant.routes.choose(
            "" if sender is None else route_domain(sender.domain), route_domain(forward_path.domain)
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
        if header.has_byte_order_mark:
            return Denial(Refusal.BYTE_ORDER_MARK)
        fault = author_fault(account, header)
        return Denial(Refusal.FROM_NOT_ALLOWED, fault) if fault else None

    def on_mailboxes(
        self, header: HeaderBlock, author: Mailbox, routes: Sequence[Route]
    ) -> Denial | None:
        """May the mailboxes that the message takes be used with its From address? `author` is the
        sender, and stands in From where there is none. What on_message let pass can be read."""
        hops: dict[NextHop, None] = {}
        for route in routes:
            hop = route.next_hop
            if isinstance(hop, Microsoft365) and hop.other_from is OtherFrom.REFUSE:
                hops[hop] = None
        if not hops:
            return None
        authors = [author, *(one for body in header.from_fields for one in parse_authors(body))]
        for hop in hops:
            if not isinstance(hop, Microsoft365):
                continue
            foreign = [one.address for one in authors if not hop.may_send_as(one)]
            if foreign:
                cause = f"{hop.mailbox} may not send as {', '.join(dict.fromkeys(foreign))}"
                return Denial(Refusal.MAILBOX_FROM_NOT_ALLOWED, cause, {"mailbox": _named(hop)})
        return None

    def header_too_large(self) -> Denial:
        """The refusal of a message whose header block has no end within the limit."""
        limit = self.limits.header_octets
        return Denial(Refusal.HEADER_TOO_LARGE, "", {"limit": limit})


def _named(hop: Microsoft365) -> str:
    """The mailbox, as far as a reply can take it."""
    is_fit = hop.mailbox.isascii() and len(hop.mailbox) <= _NAMED_OCTETS
    return hop.mailbox if is_fit else "the mailbox of the route"
