"""Replies of a next hop, however they are written and cut."""

import itertools
from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.errors import RemoteProtocolError
from pillarbox.smtp.client_replies import (
    KEPT_CHARACTERS,
    KEPT_LINES,
    MAX_LINE_OCTETS,
    MAX_REPLY_LINES,
    MAX_REPLY_OCTETS,
    RawReply,
    ReplyParser,
    Secrets,
    to_replies,
    to_reply,
)

PIECES = st.sampled_from(
    [
        b"250", b"-", b" ", b"ok", b"\r\n", b"\n", b"\r", b"354 go", b"421", b"999", b"\xc3\xa9",
        b"250-a\r\n250 b\r\n", b"5.1.1", b"\0", b"550 5.1.1 no\r\n", b"099 x\r\n",
    ]
)  # fmt: skip
STREAMS = st.one_of(st.binary(max_size=60), st.lists(PIECES, max_size=12).map(b"".join))


def read_all(pieces: list[bytes]) -> tuple[list[RawReply], str]:
    """All replies of a stream given in pieces, and the violation that ended it."""
    parser = ReplyParser()
    replies: list[RawReply] = []
    try:
        for piece in pieces:
            parser.feed(piece)
            while (raw := parser.next_reply()) is not None:
                replies.append(raw)
    except RemoteProtocolError as exc:
        return replies, str(exc)
    return replies, ""


def one(octets: bytes) -> RawReply:
    """The one reply in these octets."""
    replies, violation = read_all([octets])
    assert not violation
    assert len(replies) == 1
    return replies[0]


@given(STREAMS, st.lists(st.integers(0, 60), max_size=6))
def test_any_octets_give_the_same_in_every_splitting(stream: bytes, cuts: list[int]) -> None:
    """Whatever a server sends: replies, or the one error of the other side; never as it is cut."""
    borders = sorted({0, *(min(cut, len(stream)) for cut in cuts), len(stream)})
    pieces = [stream[a:b] for a, b in itertools.pairwise(borders)]

    assert read_all(pieces) == read_all([stream])
    assert read_all([stream[i : i + 1] for i in range(len(stream))]) == read_all([stream])


@given(STREAMS)
def test_whatever_was_read_can_be_kept(stream: bytes) -> None:
    """Every reply becomes text for people: printable, bounded, with the code it had."""
    for raw in read_all([stream])[0]:
        kept = to_reply(raw)

        assert kept.code == raw.code
        assert all(line.isprintable() for line in kept.lines)
        assert kept.encode()


@pytest.mark.parametrize(
    ("octets", "code", "lines"),
    [
        (b"250 ok\r\n", 250, [b"ok"]),
        (b"250\r\n", 250, [b""]),
        (b"250 \r\n", 250, [b""]),
        (b"250 ok\n", 250, [b"ok"]),
        (b"250\tok\r\n", 250, [b"ok"]),
        (b"250 ok\r\r\n", 250, [b"ok"]),
        (b"250-\r\n250\r\n", 250, [b"", b""]),
        (b"250-a\n250-b\r\n250 c\r\n", 250, [b"a", b"b", b"c"]),
        (b"250-a\r\n550 no\r\n", 550, [b"a", b"no"]),
    ],
)
def test_careless_replies_are_read(octets: bytes, code: int, lines: list[bytes]) -> None:
    """No text, no CR, a tab, codes that differ: the last line says what is meant."""
    assert one(octets) == RawReply(code, lines)


@pytest.mark.parametrize(
    "octets",
    [b"999 x\r\n", b"100 x\r\n", b"600 x\r\n", b"25 x\r\n", b"hello\r\n", b"\r\n", b"2500 x\r\n",
     b"250ok\r\n", b"\xb2\xb3\xb9 x\r\n", b"+50 x\r\n", b"250-a\r\n999 b\r\n", b" 250 x\r\n"],
)  # fmt: skip
def test_row_65_what_is_no_reply_breaks_the_protocol(octets: bytes) -> None:
    """Codes outside 2yz to 5yz and lines without a code are not guessed at (row 65)."""
    assert read_all([octets])[1]


def test_row_65_a_reply_without_end_is_cut_off() -> None:
    """Endless `250-` lines are given up at a number of lines and of octets (row 65)."""
    many = b"250-x\r\n" * (MAX_REPLY_LINES + 1)
    long = (b"250-" + b"x" * 4000 + b"\r\n") * (MAX_REPLY_OCTETS // 4000 + 1)

    assert read_all([many]) == ([], "a reply without end")
    assert read_all([long]) == ([], "a reply without end")


def test_row_65_a_line_without_end_is_cut_off() -> None:
    """Of 10 MB without a line end no more is taken than the bound (row 65)."""
    parser = ReplyParser()
    for _ in range(MAX_LINE_OCTETS // 1000):
        parser.feed(b"2" * 1000)
        assert parser.next_reply() is None
    parser.feed(b"2" * 1000)

    with pytest.raises(RemoteProtocolError, match="line without end"):
        parser.next_reply()


def test_a_parser_tells_whether_something_unread_is_left() -> None:
    """Half a line, and half a reply, are something that has come."""
    parser = ReplyParser()
    assert parser.is_empty

    parser.feed(b"250-a\r\n")
    assert parser.next_reply() is None
    assert not parser.is_empty

    parser.feed(b"250 b\r\n")
    assert parser.next_reply() is not None
    assert parser.is_empty

    parser.feed(b"2")
    assert not parser.is_empty


def test_the_enhanced_code_is_taken_from_every_line() -> None:
    """RFC 2034: it stands on each line; it is kept once."""
    kept = to_reply(one(b"550-5.1.1 no such\r\n550 5.1.1 user\r\n"))

    assert (kept.enhanced, kept.lines) == ("5.1.1", ("no such", "user"))


def test_an_enhanced_code_of_another_class_is_only_text() -> None:
    """RFC 2034 section 4: its class agrees with the code, else it says nothing."""
    kept = to_reply(one(b"450 5.1.1 odd\r\n"))

    assert (kept.enhanced, kept.text) == ("", "5.1.1 odd")


def test_row_65_text_is_decoded_and_cleaned() -> None:
    """Split UTF-8, control characters and direction marks do no harm to who reads them (row 65)."""
    kept = to_reply(one(b"550-gr\xc3\xbc\xc3\x9fe \xc3\r\n550 \x1b[31mred\0 \xe2\x80\xaex\r\n"))

    assert kept.lines == ("grüße \ufffd", "[31mred   x")


def test_a_kept_reply_is_bounded() -> None:
    """Trace and DSN do not store what a next hop cares to send."""
    kept = to_reply(one(b"250-" + b"y" * 5000 + b"\r\n" + b"250-x\r\n" * 50 + b"250 z\r\n"))

    assert len(kept.lines) == KEPT_LINES
    assert len(kept.lines[0]) == KEPT_CHARACTERS


def test_equal_replies_are_made_once() -> None:
    """The reply to the content stands for every recipient."""
    raw = one(b"250 ok\r\n")

    made = to_replies([raw, None, raw])

    assert made[0] is made[2]
    assert made[1] is None


SECRETS = Secrets.of_password("route@example.org", "Pw-1_xé~")


@pytest.mark.parametrize(
    "echo",
    [
        "Pw-1_xé~".encode(),
        b64encode("Pw-1_xé~".encode()),
        b64encode("Pw-1_xé~".encode()).rstrip(b"="),
        b64encode("\0route@example.org\0Pw-1_xé~".encode()),
        b64encode("\0route@example.org\0Pw-1_xé~".encode())[:30],
        b64encode("route@example.org\0route@example.org\0Pw-1_xé~".encode()),
    ],
)
def test_row_74_an_echoed_secret_is_masked(echo: bytes) -> None:
    """A smart host that repeats the AUTH line does not bring the password into a trace (row 74)."""
    raw = one(b"535-5.7.8 bad: AUTH PLAIN " + echo + b" twice " + echo + b"\r\n535 5.7.8 end\r\n")

    kept = str(to_reply(raw, SECRETS))

    assert echo.decode() not in kept
    assert echo.decode()[:12] not in kept
    assert kept.startswith("535 5.7.8 bad: AUTH PLAIN ********")
    assert kept.endswith("end")


@pytest.mark.parametrize("fold", [6, 20])
def test_row_74_a_secret_folded_over_lines_is_masked(fold: int) -> None:
    """Not in one line, but in two that follow each other (row 74)."""
    secret = b64encode("\0route@example.org\0Pw-1_xé~".encode()).rstrip(b"=")

    kept = to_reply(one(b"535-" + secret[:fold] + b"\r\n535 " + secret[fold:] + b"\r\n"), SECRETS)

    assert kept.lines == ("********",)


def test_masking_does_not_tell_how_the_password_begins() -> None:
    """Words that merely begin like the password stay; else the mask would give it away."""
    kept = to_reply(one(b"250 Message accepted\r\n"), Secrets.of_password("u", "Message-2024"))

    assert kept.text == "Message accepted"
