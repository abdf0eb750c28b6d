"""Messages in files, which a program may send more than once, and others may write to meanwhile."""

import io
from pathlib import Path

import pytest
from tests.support.sending import Face
from tests.support.smtp_peer import Peer, serve
from tests.support.taking_peer import take_many

from pillarbox.client import ArgumentError, ConnectionLost, Mail

LETTER = b"Subject: x\n\n" + b"0123456789abcde\n" * 40_000
ENVELOPE = {"sender": "a@x.test", "recipients": "b@x.test"}


class Shrinking(io.BytesIO):
    """A file that somebody cuts when it has been read once."""

    def seek(self, place: int, whence: int = 0) -> int:
        """Go there; the second time to the beginning of the body, it is shorter."""
        if self.tell() == len(LETTER):
            self.truncate(len(LETTER) // 2)
        return super().seek(place, whence)


async def test_file_can_be_sent_again(face: Face, tmp_path: Path) -> None:
    """To the next one, in a batch, or after an attempt that failed half way: from where it stood,
    each time, and not from where the last attempt left it."""
    path = tmp_path / "letter.eml"
    path.write_bytes(b"skipped\n" + LETTER)

    async def cut(peer: Peer) -> None:
        await peer.greet()
        for _ in range(3):
            await peer.line()
            peer.send("250 ok" if len(peer.commands) < 4 else "354 go")
        await peer.some()
        peer.cut()

    async with serve(cut, take_many) as server:
        client = face.client(server.port)
        with path.open("rb") as file:
            file.seek(8)
            with pytest.raises(ConnectionLost):
                await face.send(client, file, **ENVELOPE)
            for _ in range(2):
                await face.send(client, file, **ENVELOPE)
            await face.send_all(client, [Mail(file, "a@x.test", "b@x.test") for _ in range(2)])
            assert file.tell() == 8
        await face.close(client)

    sent = LETTER.replace(b"\n", b"\r\n") + b".\r\n"
    assert [one == sent for one in server.peers[1].contents] == [True] * 4


async def test_file_without_a_message_is_refused_in_words(face: Face) -> None:
    """One that was read already sends no empty message."""
    file = io.BytesIO(LETTER)
    file.read()

    with pytest.raises(ArgumentError, match=r"stands at its end.*seek\(0\)"):
        await face.send(face.client(1), file, **ENVELOPE)


async def test_file_that_changed_meanwhile_is_not_sent_in_part(face: Face) -> None:
    """The server was told how long it is, and gets no end of it."""

    async def script(peer: Peer) -> None:
        await peer.greet("SIZE")
        for _ in range(3):
            await peer.line()
            peer.send("250 ok" if len(peer.commands) < 4 else "354 go")
        assert not (await peer.until_closed()).endswith(b"\r\n.\r\n")

    async with serve(script) as server:
        client = face.client(server.port)
        with pytest.raises(OSError, match="changed while it was sent"):
            await face.send(client, Shrinking(LETTER), **ENVELOPE)
        await face.close(client)
