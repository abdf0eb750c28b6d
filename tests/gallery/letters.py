"""Messages that receivers hold something against. Each is one short entry: what differs from a good
one."""

import re
import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import cache

import dkim
from cryptography.hazmat.primitives import serialization
from tests.gallery.certificates import key_of
from tests.gallery.domains import ADDRESS, DMARC, DOMAIN, GOOD, KEY, SPF, text
from tests.gallery.exhibits import Exhibit, Letter

_NOW = time.time()
_STRICT = "v=DMARC1; p=reject; rua=mailto:dmarc@corp.com"
_FIELDS: Mapping[str, str] = {
    "From": "Printer <printer@corp.com>",
    "To": "ann@other.com",
    "Subject": "Report",
    "Date": formatdate(_NOW - 600),
    "Message-ID": "<1.2@corp.com>",
}
_BODY = b"Hello\r\nthere\r\n"
_MIME = {"MIME-Version": "1.0", "Content-Type": "text/plain; charset=utf-8"}


def _octets(changes: Mapping[str, str | None], body: bytes, before: bytes = b"") -> bytes:
    """A message that is good but for these fields; one that is None is not there."""
    fields = {**_FIELDS, **changes}
    lines = [f"{name}: {value}\r\n" for name, value in fields.items() if value is not None]
    return before + "".join(lines).encode("utf-8", "surrogateescape") + b"\r\n" + body


@cache
def _private(kind: str) -> bytes:
    return key_of(kind).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _signed(
    octets: bytes,
    domain: str = DOMAIN,
    key: str = "rsa2048",
    *,
    length: bool = False,
    names: tuple[bytes, ...] = (),
) -> bytes:
    """The message with a signature of the library before it, over fields of these names or the
    usual ones."""
    field = dkim.sign(
        octets,
        b"default",
        domain.encode(),
        _private(key),
        canonicalize=(b"relaxed", b"relaxed"),
        length=length,
        include_headers=names or None,
    )
    return bytes(field) + octets


def _hop(server: str, seconds: float, sender: str = "client.corp.com") -> bytes:
    """A Received field of a server that had the message so many seconds after it was written."""
    date = formatdate(_NOW - 600 + seconds)
    return (
        f"Received: from {sender} (unknown [11.9.9.9])\r\n\tby {server} (by itself; Postfix) with"
        f" ESMTPS id 4C; {date}\r\n"
    ).encode()


def _found(results: str) -> bytes:
    return f"Authentication-Results: mx.other.com; {results}\r\n".encode()


def _of(name: str, first: str, octets: bytes, **more: object) -> Exhibit:
    """A message of a good domain; `records` are what differs from it."""
    changes = more.pop("records", {})
    assert isinstance(changes, dict)
    records = {at: said for at, said in {**GOOD, **changes}.items() if said}
    letter = Letter(octets, records, **more)  # type: ignore[arg-type] # its fields
    return Exhibit(name, first, letter=letter)


def _with(name: str, first: str, body: bytes = _BODY, /, **fields: str | None) -> Exhibit:
    """The same, by what differs in its fields; it is signed."""
    changes = {key.replace("_", "-"): value for key, value in fields.items()}
    return _of(name, first, _signed(_octets(changes, body)))


GOOD_LETTER = _octets({}, _BODY)
SIGNED = _signed(GOOD_LETTER)
_CLICKS = {
    "List-Unsubscribe": "<https://corp.com/u/1>, <mailto:u@corp.com>",
    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
}
_ENDED = re.sub(rb"; s=default;", b"; s=default; t=1700000000; x=1700000060;", SIGNED, count=1)

FORM = (
    _of("no header", "MESSAGE-NO-HEADER", b"hello there\r\n"),
    _of("a line that is no field", "MESSAGE-ODD-LINE", b"Hello there\r\n" + SIGNED),
    _of("no From", "MESSAGE-FROM-NONE", _octets({"From": None}, _BODY)),
    _of("a From that is none", "MESSAGE-FROM-SYNTAX", _octets({"From": "Me, you"}, _BODY)),
    _with("two authors", "MESSAGE-FROM-SEVERAL", From="a@corp.com, b@corp.com"),
    _of("a sender of the own network", "MESSAGE-FROM-LOCAL", _octets({"From": "root@nas"}, _BODY)),
    _of("two subjects", "MESSAGE-FIELD-TWICE", b"Subject: Hi\r\n" + SIGNED),
    _of("two From", "MESSAGE-FIELD-TWICE", b"From: x@y.com\r\n" + GOOD_LETTER),
    _with("no Date", "MESSAGE-DATE-NONE", Date=None),
    _with("a Date that is none", "MESSAGE-DATE-SYNTAX", Date="26.11.2026 9 Uhr"),
    _with("a Date of tomorrow", "MESSAGE-DATE-OFF", Date=formatdate(_NOW + 86_400)),
    _of(
        "a Date in another zone",
        "MESSAGE-DATE-OFF",
        _hop("mx.other.com", 7300) + SIGNED,
    ),
    _of("no Message-ID", "MESSAGE-ID-NONE", _octets({"Message-ID": None}, _BODY)),
    _of("a Message-ID without brackets", "MESSAGE-ID-SYNTAX", _octets({"Message-ID": "1"}, _BODY)),
    _of(
        "no recipient",
        "MESSAGE-NO-RECIPIENT",
        _signed(_octets({"To": None}, _BODY)),
    ),
    _of("no subject", "MESSAGE-NO-SUBJECT", _signed(_octets({"Subject": None}, _BODY))),
    _with("a Bcc that all can read", "MESSAGE-BCC-SHOWN", Bcc="boss@corp.com"),
    _with("an umlaut in the subject", "MESSAGE-HEADER-UTF8", Subject="Grüße"),
    _of("Latin-1 in the subject", "MESSAGE-HEADER-8BIT", b"Comments: Gr\xfc\xdfe\r\n" + SIGNED),
    _with("a charset that is none", "MESSAGE-ENCODED-WORD", Subject="=??q?a?="),
    _with("a blank in an encoded word", "MESSAGE-ENCODED-WORD", Subject="=?utf-8?q?a b?="),
    _with("a long encoded word", "MESSAGE-ENCODED-WORD", Subject=f"=?utf-8?q?{'a' * 80}?="),
    _of("a bare LF", "MESSAGE-BARE-LINE-END", GOOD_LETTER + b"one\ntwo\r\n"),
    _of("a NUL", "MESSAGE-NUL", _signed(GOOD_LETTER + b"a\0b\r\n")),
    _with("a long line", "MESSAGE-LINE-LONG", b"x" * 999 + b"\r\n"),
    _of("octets without MIME", "MESSAGE-NO-MIME", _signed(GOOD_LETTER + "ü\r\n".encode())),
    _with("octets that are not said", "MESSAGE-BODY-8BIT", "ü\r\n".encode(), **_MIME),
    _with(
        "a text without its charset",
        "MESSAGE-CHARSET-NONE",
        "ü\r\n".encode(),
        **{**_MIME, "Content-Type": "text/plain", "Content-Transfer-Encoding": "8bit"},
    ),
    _with(
        "a multipart that does not end",
        "MESSAGE-MIME-BROKEN",
        b"--b\r\nContent-Type: text/plain\r\n",
        **{**_MIME, "Content-Type": "multipart/mixed; boundary=b"},
    ),
    _with(
        "HTML alone",
        "MESSAGE-HTML-ALONE",
        b"<p>Hi\r\n",
        **{**_MIME, "Content-Type": "text/html; charset=utf-8"},
    ),
    _of("26 MB", "MESSAGE-LARGE", GOOD_LETTER + (b"x" * 98 + b"\r\n") * 260_000),
)

BULK = (
    _with("a newsletter without a way out", "MESSAGE-UNSUBSCRIBE-NONE", Precedence="bulk"),
    _of("mail to many", "MESSAGE-UNSUBSCRIBE-NONE", SIGNED, is_bulk=True),
    _with("a way out that is none", "MESSAGE-UNSUBSCRIBE-SYNTAX", List_Unsubscribe="corp.com/u"),
    _with(
        "a way out by mail", "MESSAGE-UNSUBSCRIBE-CLICKS", List_Unsubscribe="<mailto:u@corp.com>"
    ),
    _with(
        "a way out by two clicks",
        "MESSAGE-UNSUBSCRIBE-CLICKS",
        List_Unsubscribe="<https://corp.com/u/1>",
    ),
    _of(
        "a way out that is not signed",
        "MESSAGE-UNSUBSCRIBE-UNSIGNED",
        "".join(f"{name}: {value}\r\n" for name, value in _CLICKS.items()).encode() + SIGNED,
    ),
)

VOUCHING = (
    _of(
        "delivered without a signature",
        "MESSAGE-DKIM-NONE",
        _hop("mx.other.com", 1) + GOOD_LETTER,
        records={DMARC: text("v=DMARC1; p=none; rua=mailto:d@corp.com")},
    ),
    _of("a footer behind the signature", "MESSAGE-DKIM-BODY", SIGNED + b"Disclaimer\r\n"),
    _of(
        "a subject that was changed",
        "MESSAGE-DKIM-WRONG",
        SIGNED.replace(b"Report", b"[EXT] Report"),
    ),
    _of("signed with another key", "MESSAGE-DKIM-WRONG", _signed(GOOD_LETTER, key="rsa2048-2")),
    _of("a key that is not published", "DKIM-MISSING", SIGNED, records={KEY: ""}),
    _of("a signature without a name", "MESSAGE-DKIM-SYNTAX", SIGNED.replace(b"; s=default", b"")),
    _of(
        "a signature with SHA-1",
        "MESSAGE-DKIM-SHA1",
        SIGNED.replace(b"a=rsa-sha256", b"a=rsa-sha1"),
    ),
    _of("a signature that ended", "MESSAGE-DKIM-EXPIRED", _ENDED),
    _of(
        "a part of the body",
        "MESSAGE-DKIM-LENGTH",
        _signed(GOOD_LETTER, length=True),
    ),
    _of(
        "a DNS without an answer",
        "MESSAGE-DKIM-UNVERIFIED",
        SIGNED,
        broken=("default._domainkey.corp.com",),
    ),
    _of(
        "an address that SPF does not name",
        "MESSAGE-SPF",
        SIGNED,
        address=ADDRESS,
    ),
    _of(
        "signed by somebody else",
        "MESSAGE-DMARC-FAIL",
        _signed(GOOD_LETTER, "sender.com"),
        sender="bounce@sender.com",
        records={
            "default._domainkey.sender.com TXT": GOOD[KEY],
            DMARC: text(_STRICT),
        },
    ),
    _of(
        "SPF alone",
        "MESSAGE-DMARC-SPF-ALONE",
        GOOD_LETTER,
        address=ADDRESS,
        records={SPF: text(f"v=spf1 ip4:{ADDRESS} -all")},
    ),
    _of("no DMARC of the author", "DMARC-NONE", SIGNED, records={DMARC: ""}),
)

WAY = (
    _of(
        "a circle",
        "MESSAGE-LOOP",
        b"".join(_hop(f"mx{n % 2}.other.com", 9 - n) for n in range(8)) + SIGNED,
    ),
    _of(
        "a long way",
        "MESSAGE-MANY-HOPS",
        b"".join(_hop(f"mx{n}.other.com", 30 - n) for n in range(25)) + SIGNED,
    ),
    _of(
        "an hour in a queue",
        "MESSAGE-SLOW-HOP",
        _hop("mx.other.com", 3600) + _hop("out.corp.com", 1) + SIGNED,
    ),
    _of(
        "clocks that differ",
        "MESSAGE-HOP-CLOCK",
        _hop("mx.other.com", 0) + _hop("out.corp.com", 200) + SIGNED,
    ),
    _of(
        "SPF that failed there",
        "MESSAGE-RESULT",
        _found("spf=softfail smtp.mailfrom=corp.com") + _hop("mx.other.com", 1) + SIGNED,
    ),
    _of(
        "Microsoft that does not believe it",
        "MESSAGE-RESULT",
        b"Authentication-Results: spf=none (sender IP is 11.9.9.9; x) smtp.mailfrom=corp.com;\r\n"
        b" compauth=fail reason=001\r\n" + _hop("mx.other.com", 1) + SIGNED,
    ),
    _of(
        "spam to Microsoft",
        "MESSAGE-SPAM",
        b"X-Forefront-Antispam-Report: CIP:11.9.9.9;SFV:SPM;SCL:5;\r\n"
        + _hop("mx.other.com", 1)
        + SIGNED,
    ),
    _of("spam to SpamAssassin", "MESSAGE-SPAM", b"X-Spam-Flag: YES\r\n" + SIGNED),
)

DELIVERED = (
    b"Return-Path: <printer@corp.com>\r\n"
    + _found("dkim=pass header.d=corp.com; spf=pass; dmarc=pass (p=reject)")
    + _hop("mx.other.com", 3)
    + _hop("out.corp.com", 1)
    + SIGNED
)

LETTERS = (*FORM, *BULK, *VOUCHING, *WAY)

CLEAN_LETTERS = (
    _of("a message to be sent", "", SIGNED),
    _of("a message saved on Unix", "", SIGNED.replace(b"\r\n", b"\n")),
    _of("a message in a mailbox file", "", b"From x Thu Nov 26 2026\r\n" + SIGNED),
    _of(
        "a message that was delivered",
        "",
        DELIVERED,
        address=ADDRESS,
        records={SPF: text(f"v=spf1 ip4:{ADDRESS} -all")},
    ),
    _of(
        "results that somebody before wrote",
        "",
        _found("dmarc=pass header.from=corp.com")
        + _hop("mx.other.com", 1)
        + b"Authentication-Results: mx.corp.com; dmarc=fail; spf=fail\r\n"
        + SIGNED,
    ),
    _of(
        "a message in parts",
        "",
        _signed(
            _octets(
                {**_MIME, "Content-Type": "multipart/alternative; boundary=b"},
                b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
                b"Content-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc\r\n--b\r\n"
                b"Content-Type: text/html\r\n\r\n<p>\r\n--b--\r\n",
            )
        ),
    ),
    _of(
        "a newsletter",
        "",
        _signed(
            _octets({**_CLICKS, "Precedence": "bulk"}, _BODY),
            names=(b"from", *(name.lower().encode() for name in _CLICKS)),
        ),
        is_bulk=True,
    ),
    _of(
        "a signature of another beside the own",
        "",
        _signed(SIGNED, "esp.com"),
        records={"default._domainkey.esp.com TXT": GOOD[KEY]},
    ),
)
