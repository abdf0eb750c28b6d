"""mail.from_rewrite: the mailbox becomes the author, who wrote gets the answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.from_rewrite import rewrite_from
from pillarbox.mail.header_from import parse_authors
from pillarbox.mail.message import scan_header

MAILBOX = "alerts@contoso.example"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            b"From: scan@x.test\r\nTo: b@y.test\r\n",
            b"From: <alerts@contoso.example>\r\nReply-To: scan@x.test\r\nTo: b@y.test\r\n",
        ),
        (
            b'Received: a\r\n b\r\nFrom: "Scanner 2" <scan@x.test>\r\nSubject: x\r\n',
            b'Received: a\r\n b\r\nFrom: "Scanner 2" <alerts@contoso.example>\r\n'
            b'Reply-To: "Scanner 2" <scan@x.test>\r\nSubject: x\r\n',
        ),
        (
            b"FROM:\r\n scan@x.test\r\nreply-to: help@x.test\r\nSender: other@x.test\r\n",
            b"From: <alerts@contoso.example>\r\nreply-to: help@x.test\r\n",
        ),
        (
            b"From: a@x.test, B <b@x.test>\r\n",
            b"From: <alerts@contoso.example>\r\nReply-To: a@x.test, B <b@x.test>\r\n",
        ),
        (
            b"From : =?utf-8?q?B=C3=BCro?= <a@x.test>\r\nFromage: brie\r\n",
            b"From: =?utf-8?q?B=C3=BCro?= <alerts@contoso.example>\r\n"
            b"Reply-To: =?utf-8?q?B=C3=BCro?= <a@x.test>\r\nFromage: brie\r\n",
        ),
    ],
    ids=["address", "name", "reply-to stays", "two authors", "encoded name"],
)
def test_the_author_changes_and_nothing_else(head: bytes, expected: bytes) -> None:
    """Other fields keep their octets and their order (RFC 5322 3.6.2)."""
    assert rewrite_from(head, MAILBOX) == expected


_FIELD = st.sampled_from(
    [
        b"From: a@x.test\r\n",
        b"from: N (c<d) <a@x.test>\r\n",
        b"From: <a@x.test> (c<d>)\r\n",
        b"Subject: one\r\n two\r\n",
        b"Reply-To: r@x.test\r\n",
        b"Sender: s@x.test\r\n",
        b"no field\r\n",
        b"X: \xff\x00\r\n\tmore\r\n",
    ]
)


@given(st.lists(_FIELD, max_size=6), st.binary(max_size=20))
def test_whatever_is_there_the_mailbox_is_the_only_author(fields: list[bytes], junk: bytes) -> None:
    """Where there was an author at all; and no field begins inside of another one."""
    junk = junk.replace(b"\r", b"").replace(b"\n", b"")
    head = b"Received: here\r\n" + b"".join(fields) + b"X-Junk: " + junk + b"\r\n"

    header = scan_header(rewrite_from(head, MAILBOX) + b"\r\n")

    authors = [one.address for body in header.from_fields for one in parse_authors(body)]
    had_author = any(field.lower().startswith(b"from") for field in fields)
    assert authors == ([MAILBOX] if had_author else [])
