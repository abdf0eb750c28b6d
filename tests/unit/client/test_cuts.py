"""A connection that is cut at every step: each recipient is accepted, refused or unknown, and never
said to be accepted where it is not."""

from dataclasses import dataclass, replace

import pytest
from tests.support.sending import Certified, Face, letter
from tests.support.smtp_peer import Peer, serve

from pillarbox.client import (
    ClientError,
    ConnectionLost,
    SendResult,
    SendState,
    TlsError,
    Unconfirmed,
)

LONG = b"Subject: x\r\n\r\n" + b"0123456789\r\n" * 40_000
"""Larger than what leaves in one piece, and than what goes by CHUNKING."""

SHORT = b"Subject: x\r\n\r\nHi\r\n"


class _Cut(Exception):
    """The server goes."""


@dataclass(frozen=True)
class Manner:
    """How the message is sent."""

    message: bytes
    tls: Certified | None = None
    """With STARTTLS and a login."""
    chunking: bool = False
    pipelining: bool = False


class Cutter:
    """Takes a message from a client, and cuts the connection after so many of its steps.

    `took` says whether it had the whole message then; a server that said so is `confirmed`.
    """

    def __init__(self, steps: int, manner: Manner) -> None:
        self._left = steps
        self._manner = manner
        self.took = self.confirmed = self.ended = False

    async def serve(self, peer: Peer) -> None:
        """A session with one message to two recipients."""
        try:
            await self._serve(peer)
            self.ended = True
        except _Cut:
            peer.cut()

    def _step(self) -> None:
        if not self._left:
            raise _Cut
        self._left -= 1

    async def _serve(self, peer: Peer) -> None:
        manner = self._manner
        self._step()
        peer.send("220 peer.test")
        self._step()
        if manner.tls is not None:
            await self._secure(peer, manner.tls)
        extensions = ["CHUNKING"] * manner.chunking + ["PIPELINING"] * manner.pipelining
        await peer.hello("AUTH LOGIN", *extensions)
        if manner.tls is not None:
            for answer in ("334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "235 in"):
                await peer.line()
                self._step()
                peer.send(answer)
        await self._take(peer)

    async def _secure(self, peer: Peer, certified: Certified) -> None:
        await peer.hello("STARTTLS")
        await peer.expect("STARTTLS")
        self._step()
        peer.send("220 go")
        self._step()
        await peer.start_tls(certified.context)
        self._step()

    async def _take(self, peer: Peer) -> None:
        await peer.expect("MAIL")
        self._step()
        peer.send("250 ok")
        await peer.expect("RCPT")
        self._step()
        peer.send("250 ok")
        await peer.expect("RCPT")
        self._step()
        peer.send("550 5.1.1 nobody")
        await (self._take_chunks(peer) if self._manner.chunking else self._take_data(peer))
        await peer.expect("QUIT")
        self._step()
        peer.send("221 bye")

    async def _take_data(self, peer: Peer) -> None:
        await peer.expect("DATA")
        self._step()
        peer.send("354 go")
        self._step()
        await peer.octets(len(SHORT) - 2)
        self._step()
        await peer.content()
        self._confirm(peer)

    async def _take_chunks(self, peer: Peer) -> None:
        while True:
            words = (await peer.expect("BDAT")).split()
            self._step()
            await peer.octets(int(words[1]))
            if words[2:] == ["LAST"]:
                break
            self._step()
            peer.send("250 chunk")
        self._confirm(peer)

    def _confirm(self, peer: Peer) -> None:
        self.took = True
        self._step()
        peer.send_raw(b"250-2.0.0 tak")
        self._step()
        peer.send_raw(b"en\r\n250 2.0.0 taken\r\n")
        self.confirmed = True
        self._step()


async def cut_after(
    steps: int, face: Face, manner: Manner
) -> tuple[Cutter, SendResult, ClientError | None]:
    """Send a message to a server that cuts; what it saw, and what the client says."""
    cutter = Cutter(steps, manner)
    options = {} if manner.tls is None else {"auth": ("u", "p"), "ca_file": manner.tls.ca_file}
    error = None
    async with serve(cutter.serve) as server:
        try:
            result = await face.send_one(
                server.port,
                manner.message,
                sender="a@t1.test",
                recipients=["bob@x.test", "carol@x.test"],
                **options,
            )
        except ClientError as exc:
            error = exc
    found = result if error is None else error.result
    assert found is not None
    return cutter, found, error


def judge(cutter: Cutter, result: SendResult, error: ClientError | None) -> None:
    """Accepted where the server said so; unknown where it may have all and said nothing; else
    refused, and then it does not have all."""
    bob, carol = result["bob@x.test"], result["carol@x.test"]
    assert carol.state is not SendState.ACCEPTED
    if carol.said_by_server:
        assert carol.code == 550
    if cutter.confirmed:
        assert bob.state is SendState.ACCEPTED
    elif bob.state is SendState.UNKNOWN:
        assert isinstance(error, Unconfirmed)
        assert not bob.is_transient
    else:
        assert bob.state is SendState.REFUSED
        assert not cutter.took
        assert bob.is_transient
        assert isinstance(error, ConnectionLost | TlsError)


@pytest.mark.parametrize(
    ("manner", "is_secure"),
    [
        (Manner(SHORT, pipelining=True), True),
        (Manner(SHORT), False),
        (Manner(LONG, pipelining=True), False),
        (Manner(LONG * 4, chunking=True, pipelining=True), False),
        (Manner(SHORT, chunking=True, pipelining=True), True),
        (Manner(SHORT, chunking=True, pipelining=True), False),
    ],
    ids=["tls", "one by one", "long", "chunks", "ahead by tls", "ahead"],
)
async def test_a_cut_at_every_step_is_told_as_what_it_is(
    face: Face, certified: Certified, manner: Manner, *, is_secure: bool
) -> None:
    """From the connection to the answer to QUIT; all three states are seen on the way."""
    if is_secure:
        manner = replace(manner, tls=certified)
    seen: set[SendState] = set()
    steps = 0
    while True:
        cutter, result, error = await cut_after(steps, face, manner)
        judge(cutter, result, error)
        seen.add(result["bob@x.test"].state)
        if cutter.ended:
            break
        steps += 1

    assert seen == set(SendState)
    assert steps > 9


async def test_message_in_parts_of_which_one_is_in_doubt_is_not_to_be_sent_again(
    face: Face,
) -> None:
    """The server breaks the rules behind the content of the first part: the others may be tried
    later, but who sends all of it again may make a copy."""

    async def script(peer: Peer) -> None:
        await peer.greet("LIMITS RCPTMAX=1")
        for reply in ("250 ok", "250 ok", "354 go"):
            await peer.line()
            peer.send(reply)
        await peer.content()
        peer.send("what?")
        await peer.until_closed()

    async with serve(script) as server:
        with pytest.raises(Unconfirmed) as raised:
            await face.send_one(server.port, letter())

    assert not raised.value.is_transient
    assert raised.value.result is not None
    states = [one.state for one in raised.value.result]
    assert states == [SendState.UNKNOWN, SendState.REFUSED]
