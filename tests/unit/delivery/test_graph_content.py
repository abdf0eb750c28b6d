"""The content of a large message, read in pieces."""

import tracemalloc

from tests.support.outgoing import PREFIX, Chunks, stored

from pillarbox.delivery.graph_content import LargeContent
from pillarbox.emulate.config import MIB

PDF = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
LINE = b"QUJD" * 19 + b"\r\n"


class Endless(Chunks):
    """Base64 without an end, made when it is asked for."""

    async def chunk(self, number: int) -> bytes:
        """As ContentSource."""
        return (PDF if number == 0 else b"") + LINE * 3000


async def test_memory_is_bounded_by_one_piece() -> None:
    """A file of 40 MB is looked through and read in less than 5 MiB beside its piece of 1 MiB."""
    made, _ = stored()
    made.chunks = 240
    made.size_octets = len(PREFIX + PDF) + made.chunks * len(LINE) * 3000
    content = LargeContent(made, Endless())
    tracemalloc.start()
    try:
        [part] = await content.scan()
        octets = 0
        async for piece in content.file(part, MIB):
            octets += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert octets == part.size_octets == made.chunks * 57 * 3000
    assert peak < 6 * MIB
