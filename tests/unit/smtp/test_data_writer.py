"""Dot-stuffing on the way out."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.smtp.data import DataReader
from pillarbox.smtp.data_writer import DataWriter, whole_data

LINES = st.lists(st.sampled_from([b"", b".", b"..", b".x", b"x", b"x.", b" .", b"..."]), max_size=8)


def written(blocks: list[bytes]) -> bytes:
    """What DATA carries for content in these blocks."""
    writer = DataWriter()
    return b"".join(writer.feed(block) for block in blocks) + writer.end()


def stuffed(content: bytes) -> bytes:
    """RFC 5321 4.5.2, line by line."""
    lines = content.split(b"\r\n")
    if lines[-1] == b"":
        lines.pop()
    doubled = [b"." + line if line.startswith(b".") else line for line in lines]
    return b"".join(line + b"\r\n" for line in doubled) + b".\r\n"


@given(LINES, st.booleans(), st.lists(st.integers(0, 40), max_size=5))
def test_stuffing_is_that_of_the_rfc_in_every_splitting(
    lines: list[bytes], ended: bool, cuts: list[int]
) -> None:
    """RFC 5321 4.5.2, whatever the blocks are."""
    content = b"\r\n".join(lines) + (b"\r\n" if ended and lines else b"")
    borders = sorted({0, *(min(cut, len(content)) for cut in cuts), len(content)})
    pieces = [content[a:b] for a, b in itertools.pairwise(borders)]

    assert written(pieces) == whole_data(pieces) == stuffed(content)


@given(LINES)
def test_what_is_written_is_read_back(lines: list[bytes]) -> None:
    """Our own server undoes it and finds the end."""
    content = b"".join(line + b"\r\n" for line in lines)
    reader = DataReader(10_000)

    blocks = reader.feed(written([content]))

    assert blocks == content
    assert reader.ended


@pytest.mark.parametrize(
    ("content", "octets"),
    [
        (b"", b".\r\n"),
        (b"x", b"x\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b".", b"..\r\n.\r\n"),
        (b"a\r\n.\r\nb\r\n", b"a\r\n..\r\nb\r\n.\r\n"),
    ],
)
def test_row_2_content_can_not_end_early(content: bytes, octets: bytes) -> None:
    """Nothing in the content looks like the end of data to the next hop (row 2)."""
    assert written([content]) == whole_data([content]) == octets
    assert written([content[i : i + 1] for i in range(len(content))]) == octets
