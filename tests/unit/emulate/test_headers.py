"""How the emulator reads header fields: whatever they hold."""

from hypothesis import example, given
from hypothesis import strategies as st

from pillarbox.emulate.headers import read_addresses, without_field

_PIECES = st.sampled_from(
    [
        *(b"From:", b"to: ", b"Bcc: ", b"bcc : ", b"Sender: ", b"\r\n", b"\n", b"\r", b" ", b"\t"),
        *(b"a@b.example", b"<a@b>", b'"', b"\\", b"(", b")", b",", b";", b":", b"@", b"="),
        *(b"=?utf-8?q?=41?=", b"=?x?b?!?=", b"\xff", b"\x00", b"\xc3\xa4", b"group: a@b, c@d;"),
    ]
)
_MESSAGES = st.lists(_PIECES | st.binary(max_size=4), max_size=40).map(b"".join)


@given(_MESSAGES)
@example(b"From: =?utf-8?b?\xff?= <a@b>\r\n\r\n")
def test_no_header_is_too_odd_to_read(message: bytes) -> None:
    """Addresses are lower case and have an @."""
    found = read_addresses(message)

    for address in (*found.authors, *found.sender, *found.recipients):
        assert "@" in address
        assert address == address.lower()


@given(_MESSAGES)
def test_only_bcc_goes(message: bytes) -> None:
    """What is left is a part of the message, the body is whole, and no Bcc remains."""
    message = b"Subject: x\r\nBcc: a@b\r\n  , c@d\r\nTo: e@f\r\n" + message
    left = without_field(message, b"bcc")

    assert left.startswith(b"Subject: x\r\nTo: e@f\r\n")
    assert without_field(left, b"bcc") == left
    assert set(left) <= set(message)


def test_bcc_may_be_the_last_field() -> None:
    """The end of the field before it stays."""
    message = b"To: a@b\r\nBcc: hidden@b\r\n\r\nBcc: body\r\n"

    assert without_field(message, b"bcc") == b"To: a@b\r\n\r\nBcc: body\r\n"


def test_folded_fields_and_groups_are_read() -> None:
    """As they stand in real mail."""
    found = read_addresses(
        b"From: Ann\r\n <ann@A.example>\r\nTo: Team: bob@a.example, Eve <eve@a.example>;\r\n"
        b"Cc: bob@a.example\r\nBCC: hidden@a.example\r\n\r\nTo: body@a.example\r\n"
    )

    assert found.authors == ("ann@a.example",)
    assert found.recipients == ("bob@a.example", "eve@a.example", "hidden@a.example")
