"""DataReader and BdatReader against plain references, on any content cut in any way."""

from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.support.wire import cut, is_bare, read_data, unstuffed

from pillarbox.explain.refusals import Refusal
from pillarbox.smtp.data import BdatReader, DataReader
from pillarbox.smtp.data_writer import DataWriter
from pillarbox.smtp.line_ends import find_line_dot, has_bare_line_end, has_line_dot

LIMIT = 60

pieces_of_wire = st.sampled_from(
    [b"\r\n", b"\r", b"\n", b".", b"..", b"\r\n.", b"\r\n.\r\n", b"\x00", b"a", b"word", b"\xff"]
)
wires = st.lists(pieces_of_wire, max_size=20).map(b"".join) | st.binary(max_size=60)
clean_wires = st.lists(
    st.sampled_from([b"\r\n", b".", b"a", b"..b", b"c.", b"\x00"]), max_size=20
).map(b"".join)
block_sizes = st.lists(st.integers(1, 7), min_size=1, max_size=10)


@given(st.integers(0, 70), wires)
@example(40, b"\r\n.")
def test_the_first_dot_of_a_line_is_found_behind_any_number_of_dots(dots: int, wire: bytes) -> None:
    """The short cut finds what a plain search finds."""
    octets = b".x" * dots + wire

    assert find_line_dot(octets) == octets.find(b"\r\n.")
    assert has_line_dot(octets) is (b"\r\n." in octets)


@given(wires | clean_wires, wires, block_sizes)
@example(b"\r\n.\r", b"\n", [1])
@example(b".\r", b"\n.\r\n", [2])
@settings(max_examples=500)
def test_reader_equals_the_reference(wire: bytes, behind: bytes, sizes: list[int]) -> None:
    """Content, end, rest and fault are those of a line by line reading, however it is cut."""
    wire += b"\r\n.\r\n" + behind
    reader = DataReader(LIMIT)
    content = b""
    blocks = cut(wire, sizes)
    while blocks and not reader.ended:
        content += reader.feed(blocks.pop(0))

    expected = read_data(wire)
    assert expected is not None
    raw, rest = expected
    assert reader.ended
    assert reader.rest + b"".join(blocks) == rest
    if is_bare(raw):
        assert reader.fault is Refusal.BARE_LINE_END
    elif len(unstuffed(raw)) > LIMIT:
        assert reader.fault is Refusal.SIZE_EXCEEDED
    else:
        assert reader.fault is None
        assert content == unstuffed(raw)
        assert reader.size == len(content)


@given(wires, block_sizes)
def test_reader_does_not_end_without_the_end(wire: bytes, sizes: list[int]) -> None:
    """What has no CR LF . CR LF never ends DATA."""
    wire = wire.replace(b".", b"!")
    reader = DataReader(10_000)

    for block in cut(wire, sizes):
        reader.feed(block)

    assert not reader.ended


@given(clean_wires, block_sizes, block_sizes)
def test_reader_undoes_the_writer(content: bytes, out: list[int], in_: list[int]) -> None:
    """Dot-stuffing and its undoing give the content back, with a line end at its end."""
    writer = DataWriter()
    wire = b"".join([writer.feed(block) for block in cut(content, out)]) + writer.end()
    reader = DataReader(10_000)

    read = b"".join([reader.feed(block) for block in cut(wire, in_)])

    assert reader.ended
    assert reader.rest == b""
    if not is_bare(content):
        line_end = b"" if not content or content.endswith(b"\r\n") else b"\r\n"
        assert read == content + line_end


@given(wires)
def test_bare_line_ends_are_found(octets: bytes) -> None:
    """Counting gives the same as looking at each octet."""
    assert has_bare_line_end(octets) == is_bare(octets)


def test_reader_hands_out_whole_blocks_without_a_copy() -> None:
    """A block that ends inside a line is handed out as the object that came in."""
    reader = DataReader(10_000)
    reader.feed(b"first")
    block = b"x" * 1000

    assert reader.feed(block) is block


def test_reader_forgets_content_that_is_void() -> None:
    """After a fault nothing is handed out any more, to the very end."""
    reader = DataReader(10_000)

    read = [reader.feed(b"a\r\n"), reader.feed(b"b\nc"), reader.feed(b"d\r\n"), reader.feed(b".")]

    assert read == [b"a", b"", b"", b""]
    assert reader.fault is Refusal.BARE_LINE_END
    assert not reader.ended


@given(st.lists(wires, min_size=1, max_size=5), block_sizes, st.booleans())
@settings(max_examples=300)
def test_bdat_equals_the_reference(
    chunks: list[bytes],
    sizes: list[int],
    binary: bool,
) -> None:
    """The content is the chunks one behind the other, or void for a bare line end or its size."""
    reader = BdatReader(LIMIT, binary=binary)
    content = b""
    for chunk in chunks:
        reader.begin(len(chunk))
        for block in cut(chunk, sizes):
            content += reader.feed(block)
        assert reader.remaining == 0
    reader.finish()

    whole = b"".join(chunks)
    faults = set()
    if len(whole) > LIMIT:
        faults.add(Refusal.SIZE_EXCEEDED)
    if not binary and is_bare(whole):
        faults.add(Refusal.BARE_LINE_END)
    if faults:
        assert reader.fault in faults
    else:
        assert reader.fault is None
        assert content == whole
        assert reader.size == len(whole)
