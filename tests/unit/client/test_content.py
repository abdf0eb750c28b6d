"""What goes out for octets and files: CRLF alone, no Bcc, and the same however it is cut
(client.content, client.outgoing)."""

import io
from email import message_from_bytes
from email.message import EmailMessage
from email.mime.text import MIMEText
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.sending import Face, letter
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import ArgumentError, MessageUnsuitable
from pillarbox.client import content as content_module
from pillarbox.client.content import Content, of_file, of_octets
from pillarbox.client.outgoing import prepare

LINES = st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b"a", b".", b" x", b"Bcc: e", b"bcc :", b"To: b", b"\xc3"]
    ),
    max_size=30,
).map(b"".join)


def whole(content: Content) -> bytes:
    """All octets of it."""
    return b"".join(content.blocks())


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are read a few octets at a time."""
    monkeypatch.setattr(content_module, "BLOCK_OCTETS", 3)


@given(LINES)
def test_octets_and_files_become_the_same(octets: bytes) -> None:
    """Size, octets and whether they are ASCII; every line ends in CRLF."""
    content = of_octets(octets)
    file = of_file(io.BytesIO(octets))

    assert whole(content) == whole(file) == whole(file)
    assert content.size == file.size == len(whole(content))
    assert content.is_ascii == file.is_ascii == whole(content).isascii()
    assert content.header == file.header
    assert whole(content).replace(b"\r\n", b"").count(b"\n") == 0
    assert b"\r" not in whole(content).replace(b"\r\n", b"")


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(
    "octets",
    [
        b"A: b\r\n\r\nx\ry\nz\r\n\r",
        b"A: b\n\nx\r\r\n\r\n\ny",
        b"\r\nbody\r\n",
        b"A: b",
        b"A: b\r\nBcc: c,\r\n d\r\nE: f\r\n\r\nBcc: stays\r\n",
        b"",
    ],
)
def test_a_file_may_be_cut_anywhere(octets: bytes) -> None:
    """Between CR and LF, inside of the header, at its end."""
    assert whole(of_file(io.BytesIO(octets))) == whole(of_octets(octets))


@given(LINES, LINES)
def test_no_bcc_is_left_in_the_header(before: bytes, body: bytes) -> None:
    """In any case, with blanks, folded; the body keeps what looks like one."""
    octets = b"To: a@x.test\r\nBCC:\r\n e@x.test\r\n" + before + b"\r\n\r\n" + body

    found = of_octets(octets)

    for line in found.header.lower().split(b"\r\n"):
        assert not line.replace(b" ", b"").startswith((b"bcc:", b"resent-bcc:"))
    assert b"e@x.test" not in found.header


@pytest.mark.parametrize("field", [b"Bcc : eve@x.test", b"Resent-Bcc\t: eve@x.test"])
def test_a_bcc_with_a_blank_before_its_colon_is_left_out(field: bytes) -> None:
    """RFC 5322 section 4.5.8: the old form has blanks there, and whoever gets it reads it."""
    content = of_octets(b"To: bob@x.test\r\n" + field + b"\r\n\r\nHi\r\n")

    assert whole(content) == b"To: bob@x.test\r\n\r\nHi\r\n"


def test_a_file_is_sent_from_where_it_stands(tmp_path: Path) -> None:
    """What a program has read of it already is not part of the message."""
    path = tmp_path / "message.eml"
    path.write_bytes(b"skipped\nA: b\n\nbody\n")
    with path.open("rb") as file:
        file.readline()
        assert whole(of_file(file)) == b"A: b\r\n\r\nbody\r\n"


class _Pipe(io.RawIOBase):
    """Octets that come once."""

    def __init__(self, octets: bytes) -> None:
        self._rest = octets

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        size = len(self._rest) if size < 0 else size
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


def test_what_comes_once_is_kept() -> None:
    """A pipe is copied, so that it can be sent again on another connection."""
    content = of_file(_Pipe(b"A: b\n\nbody\n"))  # type: ignore[arg-type]

    assert whole(content) == whole(content) == b"A: b\r\n\r\nbody\r\n"
    content.discard()


def test_a_text_file_is_refused() -> None:
    """With what to write instead."""
    with pytest.raises(ArgumentError, match="binary"):
        prepare(io.StringIO("A: b\n\n"), sender="a@x.test", recipients="b@x.test")  # type: ignore[arg-type]


async def test_a_large_file_is_streamed(face: Face, tmp_path: Path) -> None:
    """Over DATA, dots doubled, in pieces; SIZE says how much comes."""
    path = tmp_path / "message.eml"
    path.write_bytes(b"Subject: x\n\n" + b".dot\n" * 300_000)
    size = len(b"Subject: x\r\n\r\n") + 300_000 * 6

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "SIZE 10000000")
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        with path.open("rb") as file:
            await face.send_one(server.port, file, sender="a@x.test", recipients="b@x.test")

    assert f"MAIL FROM:<a@x.test> SIZE={size}" in server.commands
    assert server.peers[0].contents[0] == (
        b"Subject: x\r\n\r\n" + b"..dot\r\n" * 300_000 + b".\r\n"
    )


async def test_a_large_message_goes_in_chunks(face: Face) -> None:
    """RFC 3030: as it is, without doubled dots, each chunk confirmed before the next."""
    message = b"Subject: x\r\n\r\n" + b".dot\r\n" * 400_000
    chunks: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "CHUNKING")
        for _ in range(2):
            await peer.line()
            peer.send("250 ok")
        while True:
            words = (await peer.expect("BDAT")).split()
            chunks.append(await peer.octets(int(words[1])))
            peer.send("250 2.0.0 taken")
            if words[2:]:
                break
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        result = await face.send_one(server.port, message, sender="a@x.test", recipients="b@x.test")

    assert result.is_complete
    assert len(chunks) == 3
    assert b"".join(chunks) == message


async def test_a_refused_chunk_is_the_last(face: Face) -> None:
    """The rest is not sent."""
    message = b"Subject: x\r\n\r\n" + b"text\r\n" * 400_000

    async def script(peer: Peer) -> None:
        await peer.greet("CHUNKING")
        for _ in range(2):
            await peer.line()
            peer.send("250 ok")
        words = (await peer.expect("BDAT")).split()
        await peer.octets(int(words[1]))
        peer.send("552 5.3.4 enough")
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        with pytest.raises(Exception, match="enough"):
            await face.send_one(server.port, message, sender="a@x.test", recipients="b@x.test")


async def test_a_message_over_the_limit_is_not_sent(face: Face) -> None:
    """SIZE is looked at before (RFC 1870)."""

    async def script(peer: Peer) -> None:
        await peer.greet("SIZE 100")
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        with pytest.raises(MessageUnsuitable) as raised:
            await face.send_one(
                server.port, b"X: y\r\n\r\n" + b"z" * 100, sender="a@x.test", recipients="b@x.test"
            )

    assert raised.value.code == "too-large"
    assert "100" in str(raised.value)


def international() -> EmailMessage:
    """A message in UTF-8, with ASCII alone in its addresses."""
    message = letter(Subject="Grüße")
    message.set_content("Grüße aus Köln\n", cte="8bit")
    return message


async def test_eight_bits_are_encoded_for_a_server_that_takes_seven(face: Face) -> None:
    """RFC 6152: converted, where the message can be; octets are an error that says so."""

    async def take(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async def see_nothing(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(take, see_nothing) as server:
        result = await face.send_one(server.port, international())
        octets = international().as_bytes()
        with pytest.raises(MessageUnsuitable) as raised:
            await face.send_one(server.port, octets)

    assert result.is_complete
    assert server.peers[0].contents[0].isascii()
    assert raised.value.code == "eight-bit-not-taken"


async def test_an_international_recipient_needs_smtputf8(face: Face) -> None:
    """Who can be told without it gets the message; the other one is refused, and not changed."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "8BITMIME")
        await peer.take_message()
        await peer.expect("QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        result = await face.send_one(
            server.port,
            b"X: y\r\n\r\n",
            sender="a@x.test",
            recipients=["bob@bücher.example", "jörg@x.test"],
        )

    assert result["bob@bücher.example"].is_accepted
    assert result["jörg@x.test"].enhanced_code == "5.6.7"
    assert not result["jörg@x.test"].said_by_server
    assert "RCPT TO:<bob@xn--bcher-kva.example>" in server.commands


def named(message: Any) -> list[str]:
    """To whom it goes by its header."""
    return [one.forward_path.address for one in prepare(message).recipients]


def test_raw_utf8_in_a_header_names_the_same_mailboxes() -> None:
    """RFC 6532: octets, and what the old policy of the email package made of such."""
    octets = "From: jörg@x.test\r\nTo: änn@y.test, bob@bücher.test\r\n\r\nhello\r\n".encode()

    assert named(octets) == named(message_from_bytes(octets)) == ["änn@y.test", "bob@bücher.test"]
    sender = prepare(octets).envelope.reverse_path
    assert sender is not None
    assert sender.address == "jörg@x.test"


def test_octets_that_are_no_utf8_make_no_other_address() -> None:
    """In an address they are refused; in a name they do no harm."""
    with pytest.raises(ArgumentError):
        prepare("From: a@x.test\nTo: jörg@y.test\n\nhello\n".encode("latin-1"))
    assert named("From: a@x.test\nTo: Jörg <b@y.test>\n\nhello\n".encode("latin-1")) == ["b@y.test"]


@pytest.mark.parametrize("field", ["b@y.test; c@y.test", "b@y.test c@y.test", "Ann b@y.test"])
def test_a_recipient_that_the_email_package_drops_is_not_forgotten(field: str) -> None:
    """It reads as far as it can: c@y.test would get nothing, and nobody would know."""
    message = letter()
    message.replace_header("To", field)

    with pytest.raises(ArgumentError, match="field To"):
        prepare(message)
    assert prepare(message, recipients=["c@y.test"]).recipients


@pytest.mark.parametrize(
    "field",
    ['"=?utf-8?q?J=C3=B6rg?=" <b@y.test>', "Dr. X. <b@y.test>", "b@y.test,", "Foo <b@y.test"],
)
def test_what_is_merely_written_badly_is_sent(field: str) -> None:
    """The address is clear."""
    message = letter()
    message.replace_header("To", field)

    assert named(message) == ["b@y.test"]


@pytest.mark.parametrize(("subject", "text"), [("x\nBcc: e@x.test", "x"), ("x", "na\ud800ve")])
def test_a_message_that_can_not_be_written_is_an_argument_error(subject: str, text: str) -> None:
    """So a batch goes on behind it: the email package has errors of its own for that."""
    message = MIMEText("x")
    message["From"], message["To"], message["Subject"] = "a@x.test", "b@y.test", subject
    message.set_payload(text)

    with pytest.raises(ArgumentError, match="can not be written"):
        prepare(message)
