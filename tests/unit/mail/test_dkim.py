"""mail.dkim: signatures that another implementation verifies, and that break when they should."""

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.dkim_keys import dns_txt, signing_key

from pillarbox.mail.dkim import Algorithm, signature_fields
from pillarbox.mail.dkim_body import BodyHash

_NAMES = st.sampled_from(
    [
        "From",
        "TO",
        "cc",
        "Subject",
        "Date",
        "Message-ID",
        "X-Odd",
        "List-Id",
        "References",
        "sender",
    ]
)
_VALUES = st.lists(
    st.sampled_from(["a", " ", "\t", "\r\n ", "\r\n\t", "=?utf-8?Q?x?=", "ü", ":", ";", "<b@c.d>"]),
    max_size=12,
).map("".join)
headers = st.lists(st.tuples(_NAMES, _VALUES), max_size=12)


def _signed(
    header: bytes, body: bytes, *algorithms: Algorithm, domain: str = "example.org"
) -> bytes:
    made = BodyHash()
    made.take(body)
    keys = [signing_key(algorithm, domain) for algorithm in algorithms]
    return signature_fields(keys, header, made.digest(), 1_790_000_000) + header + b"\r\n" + body


def _verdicts(message: bytes) -> list[bool]:
    verifier = dkim.DKIM(message)
    return [_verdict(verifier, index) for index in range(message.count(b"DKIM-Signature:"))]


def _verdict(verifier: dkim.DKIM, index: int) -> bool:
    try:
        return bool(verifier.verify(index, dnsfunc=dns_txt))
    except dkim.ValidationError:
        return False


HEADER = (
    b"From: Ann <ann@example.org>\r\nTo: bob@example.net,\r\n\tcy@example.net\r\n"
    b"Subject: A  subject\r\nDate: Thu, 26 Nov 2026 01:00:00 +0000\r\n"
    b"Message-ID: <1@example.org>\r\n"
)
BODY = b"Hello,\r\n\r\n  two  blanks \t\r\n\r\n"
BOTH = (Algorithm.RSA, Algorithm.ED25519)


def test_dkimpy_verifies_both_algorithms() -> None:
    """RFC 8463: a domain with both keys signs twice."""
    assert _verdicts(_signed(HEADER, BODY, *BOTH)) == [True, True]


@given(headers, st.sampled_from([b"", b"x\r\n", BODY]))
def test_dkimpy_verifies_whatever_the_header_is(fields: list[tuple[str, str]], body: bytes) -> None:
    """Fields that are repeated, folded, empty, in any case."""
    header = b"From: a@example.org\r\n"
    for name, value in fields:
        # A line of nothing but blanks belongs to no field (RFC 5322 3.2.2).
        folded = "\r\n".join(line for line in value.split("\r\n") if line.strip())
        header += f"{name}: {folded}\r\n".encode()
    assert _verdicts(_signed(header, body, Algorithm.ED25519)) == [True]


@pytest.mark.parametrize(
    "name",
    [
        *("From", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version"),
        *("Content-Type", "Content-Transfer-Encoding"),
    ],
)
def test_one_more_field_breaks_it(name: str) -> None:
    """RFC 6376 8.15: before the first or behind the last, there was one or not."""
    message = _signed(HEADER, BODY, Algorithm.ED25519)
    more = f"{name}: evil\r\n".encode()
    assert _verdicts(more + message) == [False]
    assert _verdicts(message.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n", 1)) == [False]


@pytest.mark.parametrize("change", [(b"ann@", b"eve@"), (b"Hello", b"Hallo"), (b"t=17", b"t=16")])
def test_a_change_breaks_it(change: tuple[bytes, bytes]) -> None:
    """Of a signed field, the body or the signature's own tags."""
    message = _signed(HEADER, BODY, *BOTH)
    assert _verdicts(message.replace(*change)) == [False, False]


def test_what_may_change_on_the_way_does_not_break_it() -> None:
    """Folding, blanks, added trace fields, empty lines at the end (RFC 6376 3.4)."""
    message = _signed(HEADER, BODY, *BOTH)
    changed = b"Received: from x by y; z\r\n" + message.replace(b"A  subject", b"A\r\n subject")
    assert _verdicts(changed.replace(b"bob@example.net,\r\n\tcy", b"bob@example.net, cy") + b"\r\n")


def test_lines_of_the_signature_are_short() -> None:
    """RFC 5322 2.1.1: "SHOULD be no more than 78 characters"."""
    fields = _signed(HEADER, BODY, *BOTH).partition(b"From:")[0]
    assert max(map(len, fields.split(b"\r\n"))) <= 78


def test_without_a_key_there_is_no_field() -> None:
    """The message goes as it is."""
    assert signature_fields([], HEADER, b"", 0) == b""
