"""mail.dkim_body: the body hash of RFC 6376, however the octets are split."""

import re
from hashlib import sha256

from dkim.canonicalization import Relaxed
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support.wire import cut

from pillarbox.mail.dkim_body import BodyHash, ContentHash

_PIECES = st.sampled_from(
    [b"a", b" ", b"\t", b"\r\n", b"  ", b"\r\n\r\n", b".", b"bcd efg", b"\xff"]
)
"""What relaxed canonicalisation decides about, more often than chance would draw it."""
bodies = st.lists(_PIECES, max_size=30).map(b"".join)
cuts = st.lists(st.integers(1, 9), min_size=1, max_size=8)


def _hash(body: bytes, at: list[int]) -> bytes:
    made = BodyHash()
    for block in cut(body, at):
        made.take(block)
    return made.digest()


def _by_the_rfc(body: bytes) -> bytes:
    """RFC 6376 3.4.4, step by step over the whole body."""
    lines = body.split(b"\r\n")
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return sha256(b"".join(line + b"\r\n" for line in lines)).digest()


@given(bodies, cuts)
@example(b"a\r\n \r\n\r\nb", [3, 4, 5])
@example(b" \r\n", [1])
def test_every_splitting_gives_the_hash_of_the_rfc(body: bytes, at: list[int]) -> None:
    """Also where a block ends inside a line end or a run of blanks."""
    assert _hash(body, at) == _by_the_rfc(body)


@given(bodies.map(lambda body: body + b"\r\n"))
def test_dkimpy_agrees(body: bytes) -> None:
    """Of bodies that end in CRLF, as all do that come by DATA."""
    assert _hash(body, [1000]) == sha256(Relaxed.canonicalize_body(body)).digest()


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b" ", b"x", b"\r\n"]), max_size=20).map(b"".join), cuts
)
def test_line_ends_that_are_none_are_text(body: bytes, at: list[int]) -> None:
    """BODY=BINARYMIME may carry CR and LF alone; the hash does not depend on the blocks."""
    assert _hash(body, at) == _hash(body, [1000])


def test_a_body_of_line_ends_takes_no_memory() -> None:
    """They may all vanish; only a count is kept."""
    made = BodyHash()
    for _ in range(1000):
        made.take(b"\r\n" * 1000 + b" \r")
        made.take(b"\n")
    held = made._held
    assert held == b""
    made.take(b"end")
    assert made.digest() == sha256(b"\r\n" * 1_001_000 + b"end\r\n").digest()


@given(
    st.sampled_from(
        [
            b"",
            b"Subject: x\r\n",
            b"A: b\r\n c\r\nD: e\r\n",
            b"no field\r\n",
            b"From a 1:00\r\nA: b\r\n",
        ]
    ),
    bodies,
    cuts,
)
def test_the_body_is_found_in_the_content(head: bytes, body: bytes, at: list[int]) -> None:
    """Content that does not begin with a field is all body; see mail.message."""
    content = head + b"\r\n" + body
    made = ContentHash(1000)
    for block in cut(content, at):
        made.take(block)

    expected = content if head == b"no field\r\n" else body
    assert made.digest() == _by_the_rfc(expected)


def test_a_header_without_an_end_has_no_body() -> None:
    """All of it is header."""
    made = ContentHash(1000)
    made.take(b"Subject: x\r\nTo: y\r\n")
    assert made.digest() == sha256(b"").digest()
