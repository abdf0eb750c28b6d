"""Content on its way to a next hop: out of memory or out of the store, by DATA or BDAT."""

from collections.abc import AsyncIterator

from pillarbox.delivery.courier import ContentSource
from pillarbox.delivery.smtp_connection import SmtpConnection
from pillarbox.errors import SpoolTrouble, SpoolUnavailable
from pillarbox.mail.identifier import format_id
from pillarbox.mail.spooled import SpooledMessage
from pillarbox.smtp.client_fit import ContentTraits, looks_international
from pillarbox.smtp.client_phase import Phase

_END_OF_HEADER = b"\r\n\r\n"


async def send_content(
    connection: SmtpConnection, message: SpooledMessage, source: ContentSource
) -> None:
    """Send content that was not at hand, or goes by BDAT, and wait for its confirmation.

    Raises SpoolUnavailable when the content can not be read; it is not complete at the next hop
    then, and the connection must be dropped.
    """
    core = connection.core
    if core.takes_chunks:
        await _send_chunks(connection, message, source)
    else:
        async for block in content_blocks(message, source):
            # It may have ended while the store was read.
            if core.phase is Phase.CONTENT:
                connection.write(core.content(block))
                await connection.drain()
            if core.phase is not Phase.CONTENT:
                return
        connection.write(core.end_content())
    await connection.step()


async def _send_chunks(
    connection: SmtpConnection, message: SpooledMessage, source: ContentSource
) -> None:
    """By BDAT: one chunk for each block, each confirmed before the next one leaves."""
    core = connection.core
    rest = message.size_octets
    async for block in content_blocks(message, source):
        rest -= len(block)
        if core.phase is Phase.CONTENT:
            for octets in core.chunk(block, last=not rest):
                connection.write(octets)
            await connection.step()
        if core.phase is not Phase.CONTENT:
            return


async def content_blocks(message: SpooledMessage, source: ContentSource) -> AsyncIterator[bytes]:
    """The content in pieces, the prefix in front of the first. Raises SpoolUnavailable when the
    store gives less or more than the message has: half a message must never look like a whole."""
    if message.content is not None:
        yield message.prefix + message.content
        return
    lead, rest = message.prefix, message.size_octets
    # An empty message has no chunk, and still what was put in front of it.
    last = max(message.chunks - 1, 0)
    for number in range(last + 1):
        block = lead + (await source.chunk(number) if message.chunks else b"")
        lead = b""
        rest -= len(block)
        is_last = number == last
        if rest < 0 or (is_last and rest):
            raise SpoolUnavailable(
                SpoolTrouble.AWAY, f"the content of {format_id(message.queue_id)} is not whole"
            )
        yield block


async def read_traits(message: SpooledMessage, source: ContentSource) -> ContentTraits:
    """Look through the content for octets beyond ASCII. Reads all of it: only asked where a next
    hop lacks what the client had asked for."""
    header = b""
    is_ascii = True
    async for block in content_blocks(message, source):
        if not header:
            header, _, block = block.partition(_END_OF_HEADER)
        is_ascii = is_ascii and block.isascii()
    return ContentTraits(
        eight_bit=not (is_ascii and header.isascii()),
        international=looks_international(header, body_is_ascii=is_ascii),
    )
