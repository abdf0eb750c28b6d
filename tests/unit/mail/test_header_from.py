"""The mailboxes of a From field: what is read, what is refused, and in which time."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.errors import AddressError
from pillarbox.mail.header_from import MAX_FIELD_OCTETS, MAX_MAILBOXES, parse_authors

GOOD = {
    b" u1@t1.test": ["u1@t1.test"],
    b"u1@t1.test": ["u1@t1.test"],
    b" <u1@t1.test>": ["u1@t1.test"],
    b" Ann Example <u1@t1.test>": ["u1@t1.test"],
    b" John Q. Public <u1@t1.test> ": ["u1@t1.test"],
    b' "Example, Ann (boss@x.test)" <u1@t1.test>': ["u1@t1.test"],
    b' "a \\" quote" <u1@t1.test>': ["u1@t1.test"],
    b" =?utf-8?q?boss=40x=2Etest?= <u1@t1.test>": ["u1@t1.test"],
    b" =?utf-8?b?YQ==?=\r\n <u1@t1.test>": ["u1@t1.test"],
    b" \xc3\x84nn <u1@t1.test>": ["u1@t1.test"],
    b" \xe4nn <u1@t1.test>": ["u1@t1.test"],
    b" u1@t1.test (Ann)": ["u1@t1.test"],
    b" (a (nested) comment, with boss@x.test) u1@t1.test": ["u1@t1.test"],
    b" Ann(x)<u1@t1.test>(y \\) z)": ["u1@t1.test"],
    b" u1@t1.test, Bob <u2@t1.test>": ["u1@t1.test", "u2@t1.test"],
    b' "u 1"@t1.test': ['"u 1"@t1.test'],
    b' Ann <"u1"@t1.test>': ['"u1"@t1.test'],
    b" u1@[192.0.2.1]": ["u1@[192.0.2.1]"],
    b" \xc3\xbc@m\xc3\xbcller.test": ["ü@müller.test"],
    b" boss@x.test <u1@t1.test>": ["boss@x.test", "u1@t1.test"],
    b" u1+tag@t1.test": ["u1+tag@t1.test"],
}

BAD = [
    b"",
    b" ",
    b" Ann",
    b" <>",
    b" Ann <>",
    b" u1",
    b" @t1.test",
    b" u1@",
    b" u1@t1.test,",
    b" , u1@t1.test",
    b" u1@t1.test u2@t1.test",
    b" <u1@t1.test>x.test",
    b" <u1@t1.test>@x.test",
    b" <u1@t1.test> <boss@x.test>",
    b" <u1@t1.test",
    b" u1@t1.test>",
    b" <<u1@t1.test>>",
    b" <@x.test,@y.test:u1@t1.test>",
    b" <@x.test:u1@t1.test>",
    b" staff: u1@t1.test;",
    b" undisclosed:;",
    b" Scanner: floor 3 <u1@t1.test>",
    b" Example, Ann <u1@t1.test>",
    b" u1 @t1.test",
    b" u1@ t1.test",
    b" u1(x)@t1.test",
    b" u1\\@x@t1.test",
    b" u1@x.test@t1.test",
    b" a@x.test@y.test <u1@t1.test>",
    b" u1@t1.test\x00@x.test",
    b' "u1@t1.test',
    b" (u1@t1.test",
    b" [u1] <u1@t1.test>",
    b" u1@t1..test",
    b" u1@t1.test;boss@x.test",
    b" \xff@t1.test",
    b' "\x00" <u1@t1.test>',
    b" u1@t1.test\r\nboss@x.test",
    b" u1@t1.test\n boss@x.test",
]


@pytest.mark.parametrize("body", GOOD)
def test_strict_forms_are_read(body: bytes) -> None:
    """Names, encoded words and comments are opaque; every address is found (RFC 5322 3.4)."""
    assert [mailbox.address for mailbox in parse_authors(body)] == GOOD[body]


@pytest.mark.parametrize("body", BAD)
def test_forms_that_programs_read_differently_are_refused(body: bytes) -> None:
    """Groups, routes, missing brackets and text behind an address make no author."""
    with pytest.raises(AddressError):
        parse_authors(body)


def test_number_of_authors_is_bounded() -> None:
    """A hundred addresses are read, one more is refused."""
    assert len(parse_authors(b",".join([b"a@b"] * MAX_MAILBOXES))) == MAX_MAILBOXES
    with pytest.raises(AddressError):
        parse_authors(b",".join([b"a@b"] * (MAX_MAILBOXES + 1)))


def test_long_field_is_refused() -> None:
    """A field beyond 8 KiB is not looked at."""
    with pytest.raises(AddressError):
        parse_authors(b'"a" ' * MAX_FIELD_OCTETS + b"<u1@t1.test>")


@pytest.mark.parametrize(
    "piece", [b"(", b")", b'"', b'"\\', b"a ", b"a.", b"<", b"a@b,", b"\r\n ", b"\xc3\xa4", b"()"]
)
def test_field_made_to_be_slow_is_not(piece: bytes) -> None:
    """The time is linear: what is as long as is looked at takes a few milliseconds."""
    body = piece * (MAX_FIELD_OCTETS // len(piece))

    start = time.process_time()
    with pytest.raises(AddressError):
        parse_authors(body)

    assert time.process_time() - start < 0.1


@given(st.binary(max_size=300))
def test_no_octets_raise_anything_else(body: bytes) -> None:
    """Whatever a field holds, it is read or refused with AddressError."""
    with contextlib.suppress(AddressError):
        assert parse_authors(body)


@given(st.lists(st.sampled_from([*'<>@,;:()[]\\" \t.a', "\r\n ", "u1@t1.test", "ä"]), max_size=20))
def test_no_shuffle_of_specials_hides_an_address(pieces: list[str]) -> None:
    """What stands unquoted behind the last comma or bracket is always among the authors."""
    body = "".join(pieces) + "<boss@x.test>"
    try:
        authors = parse_authors(body.encode())
    except AddressError:
        return
    assert authors[-1].address == "boss@x.test"
