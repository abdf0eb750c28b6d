"""Replies: their class, their octets, and enhanced codes in received text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.reply import Reply, ReplyClass, reply, split_enhanced


@pytest.mark.parametrize(
    ("code", "category"),
    [
        (250, ReplyClass.POSITIVE),
        (299, ReplyClass.POSITIVE),
        (354, ReplyClass.INTERMEDIATE),
        (421, ReplyClass.TRANSIENT),
        (499, ReplyClass.TRANSIENT),
        (550, ReplyClass.PERMANENT),
        (599, ReplyClass.PERMANENT),
        (150, ReplyClass.TRANSIENT),
        (0, ReplyClass.TRANSIENT),
        (999, ReplyClass.TRANSIENT),
    ],
)
def test_category_is_the_first_digit(code: int, category: ReplyClass) -> None:
    """RFC 5321 4.3.2; what is no reply code at all means "try again"."""
    assert reply(code, "", "x").category is category


@pytest.mark.parametrize(
    ("value", "octets"),
    [
        (reply(250, "2.0.0", "OK"), b"250 2.0.0 OK\r\n"),
        (reply(220, "", "mx.test ESMTP"), b"220 mx.test ESMTP\r\n"),
        (reply(250, "", "a", "b", "c"), b"250-a\r\n250-b\r\n250 c\r\n"),
        (reply(550, "5.1.1", "a", "b"), b"550-5.1.1 a\r\n550 5.1.1 b\r\n"),
        (reply(550, "5.1.1", "ä\r\nNOOP\x00"), b"550 5.1.1 ???NOOP?\r\n"),
        (reply(334, "", ""), b"334 \r\n"),
    ],
)
def test_octets(value: Reply, octets: bytes) -> None:
    """Code on every line, enhanced code on every line (RFC 2034), nothing that breaks a line."""
    assert value.encode() == octets


@given(
    st.integers(200, 599),
    st.sampled_from(["", "5.7.1"]),
    st.lists(st.text(max_size=600), min_size=1, max_size=4),
)
def test_no_text_breaks_the_framing(code: int, enhanced: str, lines: list[str]) -> None:
    """Each line has at most 512 octets of ASCII with its code, and the last one says that it is."""
    encoded = Reply(code, enhanced, tuple(lines)).encode()

    assert encoded.endswith(b"\r\n")
    wire = encoded[:-2].split(b"\r\n")
    assert len(wire) >= len(lines)
    for number, line in enumerate(wire, 1):
        assert len(line) <= 510
        assert line.startswith(b"%d%b" % (code, b" " if number == len(wire) else b"-"))
        assert not any((octet < 32 and octet != 9) or octet > 126 for octet in line)


def test_long_text_goes_on_in_another_line() -> None:
    """Nothing of it is lost: an administrator may write a long text, and the id ends it."""
    words = [f"word{number}" for number in range(200)]

    *wire, end = reply(550, "5.7.1", " ".join(words) + " [ID]").encode().split(b"\r\n")

    assert [line[:10] for line in wire] == [b"550-5.7.1 ", b"550-5.7.1 ", b"550 5.7.1 "]
    assert b" ".join(line[10:] for line in wire).split() == [*map(str.encode, words), b"[ID]"]
    assert end == b""


def test_word_that_is_longer_than_a_line_is_cut() -> None:
    """There is no blank to break it at."""
    wire = reply(550, "", "x" * 1000).encode().split(b"\r\n")

    assert wire == [b"550-" + b"x" * 506, b"550 " + b"x" * 494, b""]


def test_text_and_str_are_one_line() -> None:
    """For logs and the trace."""
    value = reply(550, "5.1.1", "No such", "user")

    assert value.text == "No such user"
    assert str(value) == "550 5.1.1 No such user"
    assert str(reply(250, "", "OK")) == "250 OK"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("5.1.1 No such user", ("5.1.1", "No such user")),
        ("5.1.1", ("5.1.1", "")),
        ("4.7.500  Busy", ("4.7.500", "Busy")),
        ("3.1.1 x", ("", "3.1.1 x")),
        ("5.1.1x", ("", "5.1.1x")),
        ("10.0.0.1 is blocked", ("", "10.0.0.1 is blocked")),
        ("", ("", "")),
    ],
)
def test_split_enhanced(text: str, parts: tuple[str, str]) -> None:
    """Only a well-formed enhanced code at the beginning is one (RFC 3463)."""
    assert split_enhanced(text) == parts
