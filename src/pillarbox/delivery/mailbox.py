"""Delivery by a mailbox that may not use every From address: the message becomes one of the
mailbox, on its way out, where the route asks for that. Reports that Pillarbox makes always do: it
is nobody's mailbox that writes them, and who waits for one can not be told to set another From."""

from collections.abc import Sequence
from dataclasses import replace

from pillarbox.delivery.courier import AttemptResult, ContentSource, Courier
from pillarbox.errors import AddressError
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.from_rewrite import rewrite_from
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.message import scan_header
from pillarbox.mail.spooled import SpooledMessage, SpooledRecipient
from pillarbox.route import Microsoft365, OtherFrom

MAX_HEAD_OCTETS = 2 * 1024 * 1024
"""Longer header blocks are not taken from clients by far; what has none within this stays."""

_END_OF_HEAD = b"\r\n\r\n"


class MailboxCourier:
    """Courier that makes messages such of its mailbox, and gives them to another courier."""

    def __init__(self, hop: Microsoft365, courier: Courier) -> None:
        self._hop = hop
        self._courier = courier

    @property
    def is_open(self) -> bool:
        """See Courier."""
        return self._courier.is_open

    async def attempt(
        self,
        message: SpooledMessage,
        recipients: Sequence[SpooledRecipient],
        content: ContentSource,
    ) -> AttemptResult:
        """See Courier."""
        if self._hop.other_from is OtherFrom.REWRITE or _is_ours(message):
            message, content = await as_mailbox(self._hop, message, content)
        return await self._courier.attempt(message, recipients, content)

    async def close(self) -> None:
        """See Courier."""
        await self._courier.close()


async def as_mailbox(
    hop: Microsoft365, message: SpooledMessage, content: ContentSource
) -> tuple[SpooledMessage, ContentSource]:
    """The message as the mailbox may send it; what it may send already stays as it is. Raises
    SpoolUnavailable."""
    envelope = message.envelope
    if envelope.reverse_path is not None and not hop.may_send_as(envelope.reverse_path):
        envelope = replace(envelope, reverse_path=parse_mailbox(hop.mailbox))
    message = replace(message, envelope=envelope)
    begun, read = message.prefix + (message.content or b""), 0
    while _END_OF_HEAD not in begun and read < message.chunks and len(begun) < MAX_HEAD_OCTETS:
        if message.content is not None:
            break
        begun += await content.chunk(read)
        read += 1
    end = begun.find(_END_OF_HEAD)
    if end < 0:
        return message, content
    head, rest = begun[: end + 2], begun[end + 2 :]
    if _is_allowed(hop, head):
        return message, content
    new = rewrite_from(head, hop.mailbox, names_author=not _is_ours(message))
    size = message.size_octets - len(head) + len(new)
    if message.content is not None:
        return replace(message, prefix=new, content=rest, size_octets=size), content
    if read == 0:
        # The header block ends inside the prefix.
        return replace(message, prefix=new + rest, size_octets=size), content
    chunks = message.chunks - read + 1
    source = _Rest(content, rest, read - 1)
    return replace(message, prefix=new, chunks=chunks, size_octets=size), source


def _is_ours(message: SpooledMessage) -> bool:
    return message.account_id is None


def _is_allowed(hop: Microsoft365, head: bytes) -> bool:
    try:
        authors = [one for body in scan_header(head).from_fields for one in parse_authors(body)]
    except AddressError:
        return False
    return all(hop.may_send_as(author) for author in authors)


class _Rest:
    """The content behind what was read already: `first`, then the chunks behind it."""

    def __init__(self, source: ContentSource, first: bytes, skipped: int) -> None:
        self._source = source
        self._first = first
        self._skipped = skipped

    async def chunk(self, number: int) -> bytes:
        """See ContentSource."""
        return self._first if number == 0 else await self._source.chunk(self._skipped + number)
