"""The header block of content that goes to the store in pieces."""

import asyncio

import pytest
from tests.unit.reception.test_content import HEADER, Bench

from pillarbox.mail.message import scan_header
from pillarbox.mail.spooled import INLINE_OCTETS


@pytest.mark.parametrize(
    "content",
    [b"From: u1@t1.test\r\nSubject: x\r\n\r\nbody\r\n", b"From \t: u1@t1.test\r\n\r\nbody\r\n",
     b"From u1@t1.test 10:30\r\nFrom: u1@t1.test\r\n\r\nbody\r\n", b"From me 10:30\r\nHi\r\n",
     b"\xef\xbb\xbfFrom: u1@t1.test\r\n\r\nbody, longer\r\n",
     b"\r\nFrom: body\r\n", b"no header\r\n", b"no-header-and-no-line-end", b"From: u1@t1.test"],
)  # fmt: skip
@pytest.mark.parametrize("first_octets", [1, 2, 4, 5, 6, 7, 21, 22, 23, 24])
async def test_header_is_found_where_a_few_octets_of_it_are_stored_alone(
    content: bytes, first_octets: int
) -> None:
    """While memory is short what has come is stored at once, be it the beginning of a name: the
    header is no part of the body for that."""
    bench = Bench(limit_octets=1000)
    hog, incoming = bench.content(1), bench.content(2)
    bench.store.open.clear()
    hog.take(HEADER + b"x" * 1000)
    incoming.take(content[:first_octets])
    await asyncio.sleep(0)
    bench.store.open.set()
    await bench.settle()
    assert bench.store.chunks[2, 0] == content[:first_octets]

    incoming.take(content[first_octets:])
    incoming.finish()
    await bench.settle()

    beginning = incoming.beginning()
    assert beginning is not None
    assert scan_header(beginning) == scan_header(content)


@pytest.mark.parametrize("text", [b"x y", b"xyz"])
async def test_long_line_that_begins_no_header_is_all_body(text: bytes) -> None:
    """It is no header block that is too large."""
    bench = Bench(head_limit=1000)
    content = bench.content()
    content.take(text * INLINE_OCTETS)
    content.finish()
    await bench.settle()

    beginning = content.beginning()
    assert beginning is not None
    assert scan_header(beginning).needs_blank_line
