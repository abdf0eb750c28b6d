"""Messages of one program that go together: those that can leave at once do. No I/O."""

from collections.abc import AsyncIterable, Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from pillarbox.client.errors import ArgumentError, ClientError
from pillarbox.client.outgoing import Mail, Sendable, prepare
from pillarbox.client.results import SendResult
from pillarbox.client.sending import Offer, Sending, is_spent
from pillarbox.client.server import Server
from pillarbox.client.session import Session
from pillarbox.client.steps import Steps
from pillarbox.smtp.client_ahead import AheadProtocol, Parcel

if TYPE_CHECKING:
    from email.message import Message as EmailMessage

AHEAD_MESSAGES = 20
"""So many messages are on their way before their answers, and in doubt where they are cut off."""

AHEAD_OCTETS = 256 * 1024
"""No more content than this is."""

AT_ONCE_OCTETS = 256 * 1024
"""What is smaller is made ready in 20 ms at most, and mostly in less than one."""

Item: TypeAlias = "Sendable | Mail"
"""What send_all() takes."""


def takes_time(item: Item) -> bool:
    """Whether making ready what is sent would hold up an event loop: a file has to be read, and a
    large message of the email package takes a second for ten megabytes."""
    message = item.message if isinstance(item, Mail) else item
    is_file = hasattr(message, "read") and not isinstance(message, type)
    return is_file or _octets_at_least(message) > AT_ONCE_OCTETS


def _octets_at_least(message: object) -> int:
    """How large about a message in memory is, told in no time; 0 for what is none."""
    if isinstance(message, bytes | bytearray | memoryview):
        return len(message)
    if isinstance(message, type):
        return 0
    if hasattr(message, "source_octets"):
        return int(message.source_octets)
    if not hasattr(message, "raw_items"):
        return 0
    payloads = [part.get_payload() for part in cast("EmailMessage[str, str]", message).walk()]
    return sum(len(payload) for payload in payloads if isinstance(payload, str))


def check_messages(messages: object) -> None:
    """Raises ArgumentError for one message in place of several."""
    is_one = isinstance(messages, str | bytes | bytearray | Mail) or any(
        hasattr(messages, name) for name in ("raw_items", "build", "read")
    )
    if is_one or not isinstance(messages, Iterable | AsyncIterable):
        raise ArgumentError(
            f"send_all() takes several messages, and no {type(messages).__name__}",
            fix="write [message], or send(message)",
        )


class Batch:
    """Some messages in their order, and what becomes of each. `is_full`: it should be sent."""

    def __init__(self, messages: int) -> None:
        """Raises ArgumentError."""
        if not isinstance(messages, int):
            raise ArgumentError(f"ahead={messages!r}", fix="write how many, 1 for none ahead")
        self._most = messages
        self._entries: list[Sending | ArgumentError] = []
        self._open: list[Sending] = []
        self._octets = 0

    def add(self, item: Item, server: Server) -> None:
        """One more message; one that can not be sent has its result already. Reads files."""
        mail = item if isinstance(item, Mail) else Mail(item)
        try:
            outgoing = prepare(
                mail.message,
                sender=mail.sender,
                recipients=mail.recipients,
                dsn=mail.dsn,
                require_tls=mail.require_tls,
            )
        except ArgumentError as exc:
            self._entries.append(exc)
            return
        self._octets += outgoing.content.size
        sending = Sending(outgoing, server)
        self._entries.append(sending)
        self._open.append(sending)

    @property
    def is_full(self) -> bool:
        """Whether no more should be added."""
        return len(self._entries) >= self._most or self._octets >= AHEAD_OCTETS

    @property
    def pending(self) -> list[Sending]:
        """The messages about which not all is known."""
        self._open = [each for each in self._open if each.pending]
        return self._open

    def run(self, session: Session, *, is_reused: bool, was_idle: bool, left: int) -> Steps[None]:
        """Go on in this session as far as it takes us, for at most `left` transactions; what is
        pending then needs another one. See Sending.run()."""
        core = session.core
        end = core.transactions + left
        while (pending := self.pending) and core.is_ready and not is_spent(core):
            if (room := end - core.transactions) <= 0:
                return
            before = core.transactions
            is_alone = was_idle or not core.takes_whole
            offers = [] if is_alone else _together(session, pending, room)
            if len(offers) < 2:
                yield from pending[0].run(session, is_reused=is_reused, was_idle=was_idle)
                if is_reused and core.was_stale:
                    return
            else:
                parcels = [
                    Parcel(offer.envelope, offer.recipients, offer.content.ended)
                    for offer in offers
                ]
                found = yield from session.transact_ahead(parcels)
                if is_reused and core.was_stale:
                    return
                for sending, offer, replies in zip(pending, offers, found, strict=False):
                    if not _was_passed_over(core, replies):
                        sending.settle(core, offer, replies)
            if core.transactions != before:
                is_reused = was_idle = False

    def give_up(self, error: ClientError) -> None:
        """What is pending is not sent."""
        for sending in self.pending:
            sending.give_up(error)

    def results(self) -> list[SendResult]:
        """What became of each message; the batch is empty then."""
        entries, self._entries, self._open, self._octets = self._entries, [], [], 0
        return [_result(each) for each in entries]

    def discard(self) -> None:
        """The content is not needed any more."""
        for each in self._entries:
            if isinstance(each, Sending):
                each.discard()


def _together(session: Session, pending: Sequence[Sending], most: int) -> list[Offer]:
    """The first messages, as far as they can leave whole."""
    offers: list[Offer] = []
    for sending in pending[:most]:
        offer = sending.offer(session.core)
        if offer is None or not session.takes_whole(offer.recipients, offer.content):
            break
        offers.append(offer)
    return offers


def _was_passed_over(core: AheadProtocol, replies: Sequence[object]) -> bool:
    """Whether the server went before it came to this message, but not before it took another one:
    the next session may take it."""
    if any(replies) or core.content_ended:
        return False
    finals = [each.final_reply for each in core.finished]
    return any(final is not None and final.code < 300 for final in finals)


def _result(entry: Sending | ArgumentError) -> SendResult:
    if isinstance(entry, ArgumentError):
        return SendResult((), "", error=entry)
    entry.discard()
    return entry.result()
