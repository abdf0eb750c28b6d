"""The content of a large message: looked through once, then read where its parts stand.

No more of it is in memory at once than a block of the store and what is sent in one request.
"""

from bisect import bisect_right
from collections.abc import AsyncIterator

from pillarbox.delivery.courier import ContentSource
from pillarbox.delivery.smtp_content import content_blocks
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.identifier import format_id
from pillarbox.mail.parts import Part, PartScanner
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.mail.taken_apart import Plan, kept
from pillarbox.mail.transfer import decoder_of


class LargeContent:
    """The content of one message. All methods raise SpoolUnavailable."""

    def __init__(self, message: SpooledMessage, source: ContentSource) -> None:
        self._message = message
        self._source = source
        self._begins: list[int] = []
        """Where each block begins."""

    async def scan(self) -> list[Part]:
        """Its parts. Raises MimeError."""
        scanner, begin = PartScanner(), 0
        self._begins.clear()
        async for block in content_blocks(self._message, self._source):
            self._begins.append(begin)
            begin += len(block)
            scanner.feed(block)
        return scanner.end()

    async def rest(self, plan: Plan) -> bytes:
        """What is left without the files."""
        pieces, begin = [], 0
        async for block in content_blocks(self._message, self._source):
            pieces.append(kept(plan.cuts, begin, block))
            begin += len(block)
        return b"".join(pieces)

    async def file(self, part: Part, piece_octets: int) -> AsyncIterator[bytes]:
        """A file, decoded, in pieces of this size; the last one is smaller. It has been looked
        through, so it can be decoded."""
        decoder = decoder_of(part.encoding)
        if decoder is None:
            raise ValueError(part.encoding)
        buffer = bytearray()
        async for octets in self._range(part.body_begin, part.end):
            buffer += decoder.feed(octets)
            while len(buffer) >= piece_octets:
                yield bytes(buffer[:piece_octets])
                del buffer[:piece_octets]
        buffer += decoder.end()
        if buffer:
            yield bytes(buffer)

    async def _range(self, begin: int, end: int) -> AsyncIterator[bytes]:
        number = bisect_right(self._begins, begin) - 1
        while begin < end:
            block = await self._block(number)
            at = begin - self._begins[number]
            octets = block[at : at + end - begin]
            if not octets:
                name = format_id(self._message.queue_id)
                raise SpoolUnavailable(SpoolTrouble.AWAY, f"the content of {name} is not whole")
            yield octets
            begin += len(octets)
            number += 1

    async def _block(self, number: int) -> bytes:
        message = self._message
        if message.content is not None:
            return message.prefix + message.content
        block = await self._source.chunk(number)
        return message.prefix + block if number == 0 else block
