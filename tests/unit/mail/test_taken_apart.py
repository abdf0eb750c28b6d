"""Messages without their attachments, and the attachments: nothing is lost between them."""

from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.mail.parts import MimeError, Part, PartScanner
from pillarbox.mail.taken_apart import Plan, draft_header, kept, take_apart
from pillarbox.mail.transfer import decoder_of

HEAD = b"From: me@here.test\r\nSubject: x\r\nMIME-Version: 1.0\r\n"
LIMIT = 2000


def scan(raw: bytes, block: int = 4096) -> list[Part]:
    """The parts, found in blocks of this size."""
    scanner = PartScanner()
    for at in range(0, len(raw), block):
        scanner.feed(raw[at : at + block])
    return scanner.end()


def plan(raw: bytes, limit: int = LIMIT) -> Plan:
    """What is taken out."""
    return take_apart(scan(raw), len(raw), limit)


def left(raw: bytes, made: Plan, block: int = 1000) -> Message:
    """What is left, read by another program."""
    blocks = range(0, len(raw), block)
    return message_from_bytes(b"".join(kept(made.cuts, at, raw[at : at + block]) for at in blocks))


def content(raw: bytes, part: Part, block: int = 100) -> bytes:
    """A file that was taken out."""
    decoder = decoder_of(part.encoding)
    assert decoder is not None
    encoded = raw[part.body_begin : part.end]
    pieces = [decoder.feed(encoded[at : at + block]) for at in range(0, len(encoded), block)]
    return b"".join([*pieces, decoder.end()])


def letter(*files: bytes, text: str = "Scan") -> EmailMessage:
    """With files a0.pdf, a1.pdf, …"""
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = "me@here.test", "r@far.test", "Scan"
    made.set_content(text)
    for number, octets in enumerate(files):
        made.add_attachment(
            octets, maintype="application", subtype="pdf", filename=f"a{number}.pdf"
        )
    return made


def leaves(message: Message) -> list[tuple[str, object]]:
    """Type and content of every part that has one."""
    parts = [part for part in message.walk() if not part.is_multipart()]
    return [(part.get_content_type(), part.get_payload(decode=True)) for part in parts]


def test_the_largest_goes_and_the_rest_stays_as_it_was() -> None:
    """No more than has to."""
    files = [b"a" * 500, bytes(range(256)) * 20, b"c" * 400]
    raw = letter(*files).as_bytes()

    made = plan(raw)

    assert [(part.name, part.media_type) for part in made.files] == [("a1.pdf", "application/pdf")]
    assert content(raw, made.files[0]) == files[1]
    assert made.files[0].size_octets == len(files[1])
    assert leaves(left(raw, made)) == [
        ("text/plain", b"Scan\r\n"),
        ("application/pdf", files[0]),
        ("application/pdf", files[2]),
    ]


@given(
    st.lists(st.binary(max_size=3000), min_size=1, max_size=5),
    st.integers(1, 70),
    st.integers(400, 4000),
)
def test_every_octet_is_in_the_rest_or_in_a_file(
    files: list[bytes], block: int, limit: int
) -> None:
    """However the blocks fall."""
    raw = letter(*files).as_bytes()
    parts = scan(raw, block)
    try:
        made = take_apart(parts, len(raw), limit)
    except MimeError:
        assert len(letter().as_bytes()) + 250 * len(files) > limit
        return

    taken = {part.name: content(raw, part, block) for part in made.files}
    rest = left(raw, made, block)
    stayed = {
        name: part.get_payload(decode=True) for part in rest.walk() if (name := part.get_filename())
    }
    assert {**stayed, **taken} == {f"a{number}.pdf": octets for number, octets in enumerate(files)}
    assert not set(taken) & set(stayed)
    assert [part.size_octets for part in made.files] == [len(octets) for octets in taken.values()]


def test_a_container_that_is_emptied_keeps_an_empty_text() -> None:
    """A scanner sends nothing but the scan; a multipart has at least one part."""
    raw = (
        HEAD + b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n'
        b"Content-Type: application/pdf\r\n\r\n" + b"x" * 3000 + b"\r\n--b--\r\n"
    )

    made = plan(raw)

    assert content(raw, made.files[0]) == b"x" * 3000
    assert leaves(left(raw, made)) == [("text/plain", b"")]


def test_a_message_that_is_a_file_leaves_an_empty_one() -> None:
    """Its header says no more what the content was."""
    raw = HEAD + b"Content-Type: application/pdf; name=s.pdf\r\n\r\n" + b"x" * 3000

    made = plan(raw)

    assert (made.is_bare, made.files[0].name) == (True, "s.pdf")
    rest = left(raw, made).as_bytes()
    assert draft_header(rest[:-1].replace(b"\n", b"\r\n"), 0, is_bare=True) == HEAD


def test_a_picture_in_the_text_goes_with_its_id() -> None:
    """The HTML stays, and names it."""
    html = EmailMessage(policy=SMTP)
    html["From"] = "me@here.test"
    html.set_content("see")
    html.add_alternative("<img src='cid:p@here'>", subtype="html")
    body = html.get_body(("html",))
    assert isinstance(body, EmailMessage)
    body.add_related(b"x" * 3000, maintype="image", subtype="png", cid="<p@here>")
    raw = html.as_bytes()

    (part,) = plan(raw).files

    assert (part.media_type, part.content_id) == ("image/png", "p@here")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("multipart/signed; boundary=b", "signed or encrypted"),
        ("multipart/encrypted; boundary=b", "signed or encrypted"),
        ("application/pkcs7-mime; name=smime.p7m", "signed or encrypted"),
        ("text/plain", "no attachments"),
        ("message/rfc822", "no attachments"),
        ("multipart/report; boundary=b", "no attachments"),
        ("multipart/alternative; boundary=b", "no attachments"),
    ],
)
def test_what_belongs_together_stays_together(kind: str, words: str) -> None:
    """A signature, a report, a message in a message, one text in two forms."""
    part = b"--b\r\nContent-Type: application/pdf\r\n\r\n" + b"x" * 3000 + b"\r\n--b--\r\n"
    raw = HEAD + b"Content-Type: " + kind.encode() + b"\r\n\r\n" + part

    with pytest.raises(MimeError, match=words):
        plan(raw)


def test_a_signed_part_is_not_looked_into() -> None:
    """What stands beside it can go."""
    inner = b"--i\r\nContent-Type: application/pdf\r\n\r\n" + b"x" * 900 + b"\r\n--i--"
    raw = (
        HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: multipart/signed; boundary=i\r\n\r\n" + inner + b"\r\n"
        b"--b\r\nContent-Type: application/zip\r\n\r\n" + b"z" * 3000 + b"\r\n--b--\r\n"
    )

    assert [part.media_type for part in plan(raw).files] == ["application/zip"]


@pytest.mark.parametrize(
    "encoded", [b"no base64!" * 300, b"QUI=QUI=" * 300, b"=" * 3000], ids=["text", "two", "pad"]
)
def test_what_can_not_be_decoded_by_everybody_stays(encoded: bytes) -> None:
    """Where programs would find different files in it."""
    raw = (
        HEAD
        + b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + encoded
    )

    for block in (4, 4096):
        with pytest.raises(MimeError, match="no attachments"):
            take_apart(scan(raw, block), len(raw), LIMIT)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        (b"attachment; filename=plain.pdf", "plain.pdf"),
        (b"attachment; filename*=utf-8''%C3%A4.pdf", "\u00e4.pdf"),
        (b'attachment; filename="=?utf-8?B?w6QucGRm?="', "\u00e4.pdf"),
        (b'attachment; filename="C:\\\\scans\\\\a.pdf"', "a.pdf"),
        (b'attachment; filename="../../a.pdf"', "a.pdf"),
        ('attachment; filename="\u00e4.pdf"'.encode(), "\u00e4.pdf"),
        (b"attachment", ""),
    ],
)
def test_names_are_read_in_all_their_forms(field: bytes, name: str) -> None:
    """RFC 2231, what many programs do in its place, and without a path."""
    raw = HEAD + b"Content-Type: application/pdf\r\nContent-Disposition: " + field
    raw += b"\r\n\r\n" + b"x" * 3000

    assert plan(raw).files[0].name == name


def test_a_signature_of_the_sender_is_not_broken() -> None:
    """DKIM: the message can not go so. Our own, which stands in front, is left out."""
    signed = b"DKIM-Signature: v=1;\r\n a=rsa-sha256\r\n"

    assert draft_header(signed + HEAD, len(signed), is_bare=False) == HEAD
    with pytest.raises(MimeError, match="DKIM"):
        draft_header(HEAD + signed, 10, is_bare=False)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (HEAD, "ends in the header"),
        (HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: y\r\n--b--", "header"),
        (
            HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX\r\n\r\n\r\n--b--",
            "no field",
        ),
        (HEAD + b"Content-Type: text/plain\r\nContent-type: image/png\r\n\r\n", "twice"),
        (
            HEAD + b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 1002,
            "more than 1000",
        ),
    ],
)
def test_what_programs_read_differently_is_refused(raw: bytes, words: str) -> None:
    """And what would cost memory without a bound."""
    with pytest.raises(MimeError, match=words):
        scan(raw)
