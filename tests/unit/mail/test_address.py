"""Mailboxes: what is one, and which are the same."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.errors import AddressError
from pillarbox.mail.address import Mailbox, domain_key, parse_mailbox


@pytest.mark.parametrize(
    ("text", "local_part", "domain"),
    [
        ("a@b", "a", "b"),
        ("first.last@example.org", "first.last", "example.org"),
        ("!#$%&'*+-/=?^_`{|}~@b", "!#$%&'*+-/=?^_`{|}~", "b"),
        ('"a@b"@c', '"a@b"', "c"),
        ('"a b\\"c"@d', '"a b\\"c"', "d"),
        ('""@d', '""', "d"),
        ("a%b@c", "a%b", "c"),
        ("user@[127.0.0.1]", "user", "[127.0.0.1]"),
        ("user@[IPv6:2001:db8::1]", "user", "[IPv6:2001:db8::1]"),
        ("scanner@hp_laser.local", "scanner", "hp_laser.local"),
        ("用户@例子.广告", "用户", "例子.广告"),
        ("a" * 64 + "@b", "a" * 64, "b"),
        ("a@" + "b." * 127 + "b", "a", "b." * 127 + "b"),
    ],
)
def test_valid_mailboxes(text: str, local_part: str, domain: str) -> None:
    """RFC 5321 4.1.2 and RFC 6531 3.3, both parts as they were given (attacks row 11)."""
    mailbox = parse_mailbox(text)

    assert mailbox == Mailbox(local_part, domain)
    assert mailbox.address == str(mailbox) == text
    assert mailbox.is_ascii == text.isascii()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@b",
        "a@",
        "a@b@c",
        ".a@b",
        "a.@b",
        "a..b@c",
        "a b@c",
        "a@b c",
        "a@b\n",
        "a\x00@b",
        "a\x7f@b",
        "<a@b>",
        "a@.b",
        "a@b.",
        "a@b..c",
        "a@-b",
        "a@b-",
        '"a@b',
        '"a"b@c',
        '"a\x07"@c',
        "a@[127.0.0.256]",
        "a@[127.0.0.1",
        "a@[IPv6:::1%eth0]",
        "a@[IPv6:127.0.0.1]",
        "a@[tag:x]",
        "a@[]",
        "a@[",
        "a" * 65 + "@b",
        "é" * 33 + "@b",
        "a@" + "b" * 64,
        "a@" + "b." * 127 + "bb",
        "a@" + "ü" * 60 + ".test",
        "a\x85@b",
        "a\u202e@b",
        "a\u200b@b",
        "a\u2028@b",
        "a\ufffe@b",
        "a\uffff@b",
        "a\ufdd0@b",
        "a\xa0@b",
        "a\ud800@b",
        "a\u3164@b",
        "a\u115f@b",
        "a\U000e0061@b",
        "a\ufff0@b",
        "a@b\u202ec",
        "a@b\ud800",
        "a@\u2014\u2014.test",
        "a@xn--\u0fff.test",
    ],
)
def test_what_is_no_mailbox(text: str) -> None:
    """Controls, blanks, what does not show, empty parts and too long ones are refused."""
    with pytest.raises(AddressError):
        parse_mailbox(text)


def test_without_smtputf8_only_ascii_is_taken() -> None:
    """RFC 6531: other addresses need the extension."""
    with pytest.raises(AddressError):
        parse_mailbox("é@b", smtputf8=False)
    with pytest.raises(AddressError):
        parse_mailbox("a@bücher.example", smtputf8=False)

    assert parse_mailbox("a@b", smtputf8=False) == Mailbox("a", "b")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("User@Example.ORG", "user@example.org"),
        ('"user"@example.org', "user@example.org"),
        ('"us\\er"@example.org', "user@example.org"),
        ('"a.b"@c', "a.b@c"),
        ('"a..b"@c', '"a..b"@c'),
        ('"A B"@c', '"a b"@c'),
        ('"a\\"b"@c', '"a\\"b"@c'),
        ('"a@b"@c', '"a@b"@c'),
        ("user+tag@c", "user+tag@c"),
        ("É@c", "é@c"),
        ("e\u0301@c", "é@c"),
        ("STRASSE@c", "strasse@c"),
        ("straße@c", "strasse@c"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"),
        ("a@bu\u0308cher.example", "a@xn--bcher-kva.example"),
        ("a@b\u3002test", "a@b.test"),
        ("a@[IPv6:2001:DB8:0:0::1]", "a@[ipv6:2001:db8::1]"),
        ("a@[ipv6:2001:db8::1]", "a@[ipv6:2001:db8::1]"),
    ],
)
def test_keys(text: str, key: str) -> None:
    """Attacks row 38: one mailbox has one key, in whatever case, form or quotes it is written."""
    mailbox = parse_mailbox(text)

    assert mailbox.key == key
    assert mailbox.domain_key == key.rpartition("@")[2]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal@a.test", "p\u0430ypal@a.test"),
        ("a@paypal.test", "a@p\u0430ypal.test"),
        ("user@a.test", "user+tag@a.test"),
        ('"a b"@c', '"ab"@c'),
        ("user@a.test", "user@a.test.b.test"),
        ("user@a.test", '"user@a.test"@b.test'),
    ],
)
def test_keys_of_different_mailboxes_differ(one: str, other: str) -> None:
    """Attacks row 38: homographs, tags and quoted tricks are other mailboxes."""
    assert parse_mailbox(one).key != parse_mailbox(other).key


atoms = st.text(
    st.characters(whitelist_categories=("Ll", "Lu", "Lo", "Nd", "Mn")), min_size=1, max_size=12
)
quoted = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12).map(
    lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
)
domains = st.sampled_from(["a.test", "Bücher.example", "[127.0.0.1]", "[IPv6:::1]"])


@given(atoms | quoted, domains)
def test_keys_are_stable(local_part: str, domain: str) -> None:
    """A key is itself a mailbox with the same key, in every normal form of the text."""
    text = f"{local_part}@{domain}"
    key = parse_mailbox(text).key

    assert parse_mailbox(key).key == key
    assert parse_mailbox(unicodedata.normalize("NFD", text)).key == key
    assert parse_mailbox(unicodedata.normalize("NFC", text)).key == key


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from([*'ab.@"\\[]:-_ é', "xn--", "IPv6:"]), max_size=20).map("".join)
)
def test_parsing_raises_nothing_but_its_own_error(text: str) -> None:
    """Any text: a mailbox that is written as it was read, or AddressError."""
    try:
        mailbox = parse_mailbox(text)
    except AddressError:
        return
    assert mailbox.address == text
    assert mailbox.key


@given(st.text(max_size=300))
def test_domain_key_raises_nothing_but_its_own_error(domain: str) -> None:
    """Any text: an ASCII key, or AddressError."""
    try:
        key = domain_key(domain)
    except AddressError:
        return
    assert key.isascii()
    assert key == key.lower()
