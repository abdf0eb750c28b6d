"""The content on its way to a next hop, and next hops that can not take it."""

import asyncio
from dataclasses import replace

import pytest
from tests.support.outgoing import (
    DEFERRED,
    DELIVERED,
    FAILED,
    PREFIX,
    Chunks,
    attempt,
    message,
    states,
    stored,
)
from tests.support.smtp_peer import Peer, serve
from tests.support.wire import HARMLESS_ENDS
from tests.unit.delivery.conftest import CourierMaker

from pillarbox.errors import SpoolUnavailable
from pillarbox.mail.address import parse_mailbox
from pillarbox.mail.dsn import Report, compose
from pillarbox.mail.dsn_words import Action, ReportedRecipient
from pillarbox.mail.envelope import Body, Envelope, Recipient, Ret
from pillarbox.mail.reply import reply
from pillarbox.mail.spooled import SpooledRecipient


async def test_row_2_content_can_not_become_a_second_message(courier_to: CourierMaker) -> None:
    """Dots at the beginning of lines are doubled; the sink sees one message (row 2)."""
    content = b".\r\nMAIL FROM:<evil@x.test>\r\n\r\n.\r\nQUIT\r\n"

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        assert await peer.line() in ("", "QUIT")
        peer.send("221 bye")

    async with serve(script) as server:
        courier = courier_to(server.port)
        await attempt(courier, message(content))
        await courier.close()

    (octets,) = server.peers[0].contents
    assert (
        octets == PREFIX + content.replace(b"\r\n.", b"\r\n..").replace(b".", b"..", 1) + b".\r\n"
    )
    assert octets.count(b"\n") == octets.count(b"\r\n") == octets.count(b"\r")


SEQUENCES_WITHOUT_BARE_LINE_ENDS = (b"\r\n.\r\n", *HARMLESS_ENDS)
"""What the table of ends of data leaves over once a CR or LF that stands alone was refused; by
BDAT even a line of one dot comes in."""


async def test_row_2_no_sequence_ends_the_content_in_any_splitting(
    courier_to: CourierMaker,
) -> None:
    """From memory, and from the store in two chunks cut at every place (row 2)."""
    sent = []

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "8BITMIME")
        while True:
            await peer.take_message()

    async with serve(script) as server:
        courier = courier_to(server.port)
        for sequence in SEQUENCES_WITHOUT_BARE_LINE_ENDS:
            content = b"a" + sequence + b"MAIL FROM:<evil@x.test>\r\n"
            whole, cuts = message(content), range(1, len(sequence) + 2)
            parts = [stored(content[:cut], content[cut:]) for cut in cuts]
            for made, source in [(whole, Chunks()), *parts]:
                made.envelope = replace(made.envelope, body=Body.EIGHT_BIT)
                result = await courier.attempt(made, made.recipients, source)
                assert states(result) == {0: DELIVERED}
                sent.append(PREFIX + content.replace(b"\r\n.", b"\r\n..") + b".\r\n")

    (peer,) = server.peers
    assert peer.contents == sent
    assert not any("evil" in command for command in peer.commands)


async def test_large_content_comes_from_the_store(courier_to: CourierMaker) -> None:
    """Chunk by chunk, dots doubled across their borders."""
    chunks = [b"a" * 99_998 + b"\r\n", b".b" + b"c" * 300_000 + b"\r", b"\n.", b"end\r\n"]

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    made, source = stored(*chunks)
    async with serve(script) as server:
        result = await courier_to(server.port).attempt(made, made.recipients, source)

    assert states(result) == {0: DELIVERED}
    whole = PREFIX + b"".join(chunks)
    assert server.peers[0].contents == [whole.replace(b"\r\n.", b"\r\n..") + b".\r\n"]


@pytest.mark.parametrize("body", [Body.SEVEN_BIT, Body.BINARY])
async def test_of_an_empty_message_what_we_put_before_it_is_sent(
    courier_to: CourierMaker, body: Body
) -> None:
    """Nothing of it is in the store, but it has a header: a client that sends only the end of data
    gets one with From, Date and Message-ID."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "CHUNKING", "BINARYMIME")
        if body is Body.SEVEN_BIT:
            await peer.take_message()
            return
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        peer.send("250 ok", "250 ok")
        await peer.expect(f"BDAT {len(PREFIX)} LAST")
        peer.contents.append(await peer.octets(len(PREFIX)) + b".\r\n")
        peer.send("250 ok")

    made, source = stored()
    made.envelope = replace(made.envelope, body=body)
    async with serve(script) as server:
        result = await courier_to(server.port).attempt(made, made.recipients, source)

    assert states(result) == {0: DELIVERED}
    assert server.peers[0].contents == [PREFIX + b".\r\n"]


async def test_a_slow_next_hop_holds_the_content_back(courier_to: CourierMaker) -> None:
    """Memory is bounded: chunks are read from the store only as fast as the next hop takes them."""
    block = b"x" * 998 + b"\r\n"
    read: list[int] = []
    stalled = asyncio.Event()
    go_on = asyncio.Event()

    class Slow(Chunks):
        async def chunk(self, number: int) -> bytes:
            read.append(number)
            return block * 262

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.pause()
        peer.send("250 ok", "250 ok", "354 go")
        await go_on.wait()
        peer.resume()
        await peer.content()
        peer.send("250 done")

    made = message(block * 262 * 64)
    made.content, made.chunks = None, 64
    async with serve(script) as server, asyncio.TaskGroup() as group:
        courier = courier_to(server.port)
        running = group.create_task(courier.attempt(made, made.recipients, Slow()))
        while not stalled.is_set():
            before = len(read)
            await asyncio.to_thread(lambda: None)
            connection = courier._connection
            if connection is not None and connection._paused and len(read) == before:
                stalled.set()
        assert 0 < len(read) < 40
        go_on.set()
        result = await running

    assert states(result) == {0: DELIVERED}
    assert read == list(range(64))


@pytest.mark.parametrize("chunks", [[b"a\r\n", None], [b"a\r\n", b"b"], [b"a\r\n", b"bcd\r\n"]])
async def test_content_that_is_not_whole_never_ends(
    courier_to: CourierMaker, chunks: list[bytes | None]
) -> None:
    """The store fails, or has less or more than it should: no dot, so no message; and it raises."""
    closed = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "250 ok", "354 go")
        octets = await peer.until_closed()
        assert b"\r\n.\r\n" not in octets
        closed.set()

    made, _ = stored(b"a\r\n", b"b\r\n")
    async with serve(script) as server:
        courier = courier_to(server.port)
        with pytest.raises(SpoolUnavailable):
            await courier.attempt(made, made.recipients, Chunks(chunks))
        assert not courier.is_open
        await asyncio.wait_for(closed.wait(), 10)


async def test_an_early_refusal_of_large_content_counts(courier_to: CourierMaker) -> None:
    """A server that hangs up in the middle with its reason: that reason is the outcome."""
    refused = asyncio.Event()

    class Endless(Chunks):
        async def chunk(self, number: int) -> bytes:
            if number == 3:
                await refused.wait()
            return b"x" * 998 + b"\r\n"

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.expect("MAIL")
        await peer.expect("RCPT")
        await peer.expect("DATA")
        peer.send("250 ok", "250 ok", "354 go")
        await peer.octets(1000)
        peer.send("552 5.3.4 too large")
        refused.set()
        await peer.until_closed()

    made = message(b"x" * 10)
    made.content, made.chunks, made.size_octets = None, 2000, len(PREFIX) + 2_000_000
    async with serve(script) as server:
        result = await courier_to(server.port).attempt(made, made.recipients, Endless())

    assert states(result) == {0: FAILED}
    assert result.outcomes[0].reply.code == 552


async def test_binary_content_goes_by_bdat(courier_to: CourierMaker) -> None:
    """RFC 3030: octets as they are, chunk by chunk."""
    chunks = [b"\0\n.\r\n", b"\r.\n"]

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "CHUNKING", "BINARYMIME")
        await peer.expect("MAIL FROM:<u1@t1.test> BODY=BINARYMIME")
        await peer.expect("RCPT")
        peer.send("250 ok", "250 ok")
        octets = b""
        while True:
            command = await peer.expect("BDAT ")
            octets += await peer.octets(int(command.split()[1]))
            peer.send("250 got it")
            if command.endswith("LAST"):
                break
        peer.contents.append(octets)

    made, source = stored(*chunks)
    made.envelope = replace(made.envelope, body=Body.BINARY)
    async with serve(script) as server:
        result = await courier_to(server.port).attempt(made, made.recipients, source)

    assert states(result) == {0: DELIVERED}
    assert server.peers[0].contents == [PREFIX + b"".join(chunks)]


async def test_one_reply_too_many_delivers_to_nobody(courier_to: CourierMaker) -> None:
    """The second 250 to the first recipient is none to the second one, who was not named yet."""

    async def script(peer: Peer) -> None:
        await peer.greet("CHUNKING", "BINARYMIME")
        await peer.expect("MAIL")
        peer.send("250 ok")
        await peer.expect("RCPT TO:<r0@far.test>")
        peer.send("250 ok", "250 ok")
        if (await peer.line()).startswith("BDAT"):
            peer.send("250 taken for r0 alone")

    made, source = stored(b"\0\r\n")
    made.envelope = replace(made.envelope, body=Body.BINARY)
    made.recipients = message(recipients=2).recipients
    async with serve(script) as server:
        result = await courier_to(server.port).attempt(made, made.recipients, source)

    assert states(result) == {0: DEFERRED, 1: DEFERRED}


@pytest.mark.parametrize(
    ("envelope", "content", "enhanced"),
    [
        ({"body": Body.BINARY}, b"\0", "5.6.3"),
        ({"body": Body.EIGHT_BIT}, b"Subject: x\r\n\r\n\xc3\xa4\r\n", "5.6.3"),
        ({"smtputf8": True}, b"Subject: \xc3\xa4\r\n\r\nx\r\n", "5.6.7"),
        ({"smtputf8": True, "reverse_path": parse_mailbox("jörg@t1.test")}, b"\r\nx\r\n", "5.6.7"),
        ({}, b"x" * 5000 + b"\r\n", "5.3.4"),
    ],
)
async def test_what_the_next_hop_can_not_take_fails(
    courier_to: CourierMaker, envelope: dict[str, object], content: bytes, enhanced: str
) -> None:
    """RFC 6152 3, RFC 6531 3.2, RFC 3030, RFC 1870: no MAIL, and the session stays usable."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING", "SIZE 4000")
        await peer.take_message()

    async with serve(script) as server:
        courier = courier_to(server.port)
        result = await attempt(courier, message(content, recipients=2, **envelope))
        after = await attempt(courier, message())

    assert states(result) == {0: FAILED, 1: FAILED}
    assert {outcome.reply.enhanced for outcome in result.outcomes} == {enhanced}
    assert {outcome.remote_host for outcome in result.outcomes} == {""}
    assert states(after) == {0: DELIVERED}
    assert sum(line.startswith("MAIL") for line in server.commands) == 1


async def test_ascii_marked_as_more_is_sent_as_what_it_is(courier_to: CourierMaker) -> None:
    """Clients say BODY=8BITMIME and SMTPUTF8 because they were offered them; from memory and from
    the store."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()
        await peer.take_message()

    marked, source = stored(b"Subject: x\r\n", b"\r\nHi\r\n")
    marked.envelope = replace(marked.envelope, body=Body.EIGHT_BIT, smtputf8=True)
    async with serve(script) as server:
        courier = courier_to(server.port)
        results = [
            await attempt(courier, message(body=Body.EIGHT_BIT, smtputf8=True)),
            await courier.attempt(marked, marked.recipients, source),
        ]

    assert [states(result) for result in results] == [{0: DELIVERED}] * 2
    assert server.commands.count("MAIL FROM:<u1@t1.test>") == 2


@pytest.mark.parametrize("sender", ["ann@here.test", "ann@b\u00fccher.test"])
async def test_report_that_gives_8_bit_content_back_reaches_its_sender(
    courier_to: CourierMaker, sender: str
) -> None:
    """Such a hop has just refused the message for its 8 bits: its sender has no other way."""
    bob = Recipient(0, parse_mailbox("bob@far.test"))
    refused = reply(554, "5.6.3", "Only 7-bit mail")
    asked = Envelope(parse_mailbox(sender), Body.EIGHT_BIT, smtputf8=not sender.isascii())
    composed = compose(
        Report(
            *("relay.test", 1, 2, 0, 0, replace(asked, ret=Ret.FULL)),
            (ReportedRecipient(bob, Action.FAILED, refused),),
            b"Subject: x\r\nMIME-Version: 1.0\r\n\r\n\xc3\xa4\r\n",
            is_complete=True,
        )
    )
    report = replace(message(composed.content), envelope=composed.envelope)
    report.recipients = [SpooledRecipient(Recipient(0, parse_mailbox(sender)), 1, 0)]

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    async with serve(script) as server:
        result = await attempt(courier_to(server.port), report)

    assert states(result) == {0: DELIVERED}


async def test_an_international_recipient_fails_alone(courier_to: CourierMaker) -> None:
    """RFC 6531 3.2: without SMTPUTF8 it can not be named; the others get their mail."""

    async def script(peer: Peer) -> None:
        await peer.greet("PIPELINING")
        await peer.take_message()

    made = message(smtputf8=True)
    made.recipients = [
        SpooledRecipient(Recipient(n, parse_mailbox(address)), 1, 0)
        for n, address in enumerate(["jörg@far.test", "r@bücher.test"])
    ]
    async with serve(script) as server:
        result = await attempt(courier_to(server.port), made)

    assert states(result) == {0: FAILED, 1: DELIVERED}
    assert "RCPT TO:<r@xn--bcher-kva.test>" in server.commands
