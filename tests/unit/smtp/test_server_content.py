"""DATA in the server: its end, its faults, and the state that they leave."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from tests.support.wire import BARE_ENDS, HARMLESS_ENDS

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import Content, ContentAbort, ContentEnd, ContentStart

if TYPE_CHECKING:
    from tests.support.smtp_session import Driver
    from tests.unit.smtp.conftest import Sessions

Cuts = Callable[[bytes], list[list[bytes]]]

END = b"\r\n.\r\n"
OK = b"250 2.0.0 Message taken\r\n"
REFUSED = b"550 5.5.2 The message has a CR or LF that stands alone"


def _unstuffed(content: bytes) -> bytes:
    lines = content.split(b"\r\n")
    return b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)


def _data(session: Driver) -> Driver:
    assert session.codes(b"DATA\r\n") == [354]
    return session


def _check_refused_at_the_end(session: Driver, pieces: list[bytes]) -> None:
    """All but the last octet is swallowed without a word; then 550 and the session is over."""
    *before, last = pieces
    assert session.send_all(iter(before)) == b""
    assert session.send(last[:-1]) == b""
    answer = session.send(last[-1:])
    assert answer.startswith(REFUSED)
    assert answer.count(b"\r\n") == 1
    assert session.protocol.closing
    assert session.aborts == [ContentAbort(Refusal.BARE_LINE_END)]
    assert session.messages == []


@pytest.mark.parametrize("sequence", [*BARE_ENDS, b".\n", b".\r", b"\n", b"\r"])
def test_no_odd_sequence_ends_data(sessions: Sessions, cuts: Cuts, sequence: bytes) -> None:
    """Attacks row 1: in all splittings; 550 5.5.2 and close after the real end."""
    for lead in (b"", b"text\r\n", b"text"):
        for pieces in cuts(lead + sequence + b"MAIL FROM:<x@y>\r\nrest" + END):
            _check_refused_at_the_end(_data(sessions.in_transaction()), pieces)


@pytest.mark.parametrize("sequence", HARMLESS_ENDS)
def test_harmless_sequences_are_content(sessions: Sessions, cuts: Cuts, sequence: bytes) -> None:
    """Attacks row 1: what has no bare line end does not end DATA and is kept octet for octet."""
    content = b"text" + sequence + b"rest"
    for pieces in cuts(content + END):
        session = _data(sessions.in_transaction())
        assert session.send_all(iter(pieces)) == OK
        assert [message[2] for message in session.messages] == [_unstuffed(content) + b"\r\n"]


@pytest.mark.parametrize("size", [4096, 65536])
@pytest.mark.parametrize("sequence", [*BARE_ENDS, *HARMLESS_ENDS, b"\r\n..\r\n"])
def test_sequences_across_the_border_of_a_block(
    sessions: Sessions, sequence: bytes, size: int
) -> None:
    """Attacks row 1: straddling the read buffer, at every offset from 3 before to 3 behind."""
    for offset in range(size - len(sequence) - 3, size + 4):
        content = b"x" * offset + sequence + b"rest"
        wire = content + END
        blocks = [wire[start : start + size] for start in range(0, len(wire), size)]
        session = _data(sessions.in_transaction())
        if sequence in BARE_ENDS:
            _check_refused_at_the_end(session, blocks)
        else:
            assert session.send_all(iter(blocks)) == OK
            assert session.messages[0][2] == _unstuffed(content) + b"\r\n"


@pytest.mark.parametrize("sequence", [*BARE_ENDS, *HARMLESS_ENDS])
def test_sequences_just_before_the_size_limit(sessions: Sessions, sequence: bytes) -> None:
    """Attacks row 1: in the last 20 octets before the limit and across it, none ends DATA."""
    limit = 200
    for offset in range(limit - 20, limit + 3):
        wire = b"x" * offset + sequence + b"MAIL FROM:<x@y>\r\n" + b"y" * 50 + END
        for pieces in ([wire], [wire[index : index + 1] for index in range(len(wire))]):
            session = _data(sessions.in_transaction(size_limit_octets=limit))
            *before, last = [*pieces[:-1], pieces[-1][:-1], pieces[-1][-1:]]
            assert session.send_all(iter(before)) == b""
            answer = session.send(last)
            assert answer[:9] in (b"550 5.5.2", b"552 5.3.4")
            assert answer.startswith(b"550") == (sequence in BARE_ENDS)
            assert session.messages == []


@pytest.mark.parametrize(
    ("wire", "content"),
    [
        (b".\r\n", b""),
        (b"..x\r\n.\r\n", b".x\r\n"),
        (b".x\r\n.\r\n", b"x\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"a\r\n..\r\n.\r\n", b"a\r\n.\r\n"),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n\r\n\r\n.\r\n", b"a\r\n\r\n\r\n"),
        (b"....\r\n...\r\n..\r\n.\r\n", b"...\r\n..\r\n.\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
        (b"a\r\n.b\r\n.\r\n", b"a\r\nb\r\n"),
    ],
)
def test_legal_content(sessions: Sessions, cuts: Cuts, wire: bytes, content: bytes) -> None:
    """The controls of attacks row 1: stuffed dots and the empty message pass."""
    for pieces in cuts(wire):
        session = _data(sessions.in_transaction())
        assert session.send_all(iter(pieces)) == OK
        assert [message[2] for message in session.messages] == [content]


def test_the_size_limit_counts_content(sessions: Sessions) -> None:
    """Exactly the limit passes, one octet more does not: 552 5.3.4, and the session goes on."""
    for octets, code in ((1000, 250), (1001, 552)):
        session = _data(sessions.in_transaction(size_limit_octets=1000))
        wire = b"..\r\n" + b"x" * (octets - 5) + END
        assert session.codes(wire) == [code]
        assert not session.protocol.closing


def test_a_lie_about_the_size_is_cut_at_the_limit(sessions: Sessions) -> None:
    """Attacks row 54: nothing is handed out beyond the limit; 552 comes at the end."""
    session = _data(sessions.in_transaction(b" SIZE=10", size_limit_octets=100_000))
    block = b"x" * 998 + b"\r\n"

    answers = [session.send(block * 64) for _ in range(40)] + [session.send(b".\r\n")]

    assert b"".join(answers).startswith(b"552 5.3.4 ")
    handed_out = sum(len(e.octets) for e in session.events if isinstance(e, Content))
    assert handed_out <= 100_000
    assert session.aborts == [ContentAbort(Refusal.SIZE_EXCEEDED)]


def test_a_line_of_many_megabytes_keeps_no_memory(sessions: Sessions) -> None:
    """Attacks row 48: content without line ends flows through and is refused at the end."""
    session = _data(sessions.in_transaction(size_limit_octets=1000))

    for _ in range(100):
        assert session.send(b"x" * 65536) == b""
        assert len(session.protocol.unread) == 0
        assert session.protocol.reader is not None

    assert session.codes(END) == [552]


def test_content_refused_by_the_shell_ends_the_transaction(sessions: Sessions) -> None:
    """Attacks row 7: afterwards RCPT and DATA are out of sequence, MAIL is asked again."""
    session = _data(sessions.in_transaction())
    session.refusals[ContentEnd] = reply(550, "5.7.60", "Not as this sender")

    assert session.codes(b"From: x\r\n.\r\n") == [550]

    assert session.codes(b"RCPT TO:<b@b.test>\r\n") == [503]
    assert session.codes(b"DATA\r\n") == [503]
    assert session.protocol.recipients == []
    mails = session.mails
    assert session.codes(b"MAIL FROM:<c@a.test>\r\n") == [250]
    assert session.mails == mails + 1


@pytest.mark.parametrize("content", [b"x" * 300 + END])
def test_content_refused_by_the_core_ends_the_transaction(
    sessions: Sessions, content: bytes
) -> None:
    """Attacks row 7: the same where the core refuses."""
    session = _data(sessions.in_transaction(size_limit_octets=200))

    assert session.codes(content) == [552]

    assert session.codes(b"RCPT TO:<b@b.test>\r\n") == [503]
    assert session.codes(b"DATA\r\n") == [503]
    assert session.codes(b"MAIL FROM:<c@a.test>\r\n") == [250]


def test_data_refused_by_the_shell_ends_the_transaction(sessions: Sessions) -> None:
    """No content follows a refused DATA, and the next transaction begins with MAIL."""
    session = sessions.in_transaction()
    session.refusals[ContentStart] = reply(451, "4.3.0", "Later")

    assert session.codes(b"DATA\r\n") == [451]
    assert session.codes(b"DATA\r\n") == [503]


def test_data_without_recipients_is_out_of_sequence(sessions: Sessions) -> None:
    """DATA needs MAIL and a recipient that was accepted (RFC 5321 3.3)."""
    session = sessions.ready()

    assert session.codes(b"DATA\r\n") == [503]
    assert session.codes(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<>\r\nDATA\r\n") == [250, 501, 503]
    assert session.codes(b"RCPT TO:<b@b.test>\r\n") == [250]


@pytest.mark.parametrize("content", [b"DATA\r\n", b"BDAT 3 LAST\r\nabc"])
def test_content_without_a_recipient_is_refused_by_a_reply_that_names_rcpt(
    sessions: Sessions, content: bytes
) -> None:
    """Programs that go on behind a refused recipient show this reply to their user."""
    session = sessions.ready()
    session.send(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<nobody>\r\n")

    answer = session.send(content)

    assert answer.startswith(b"503 5.5.1 ")
    assert b"no recipient was taken: the reply to RCPT says why" in answer


def test_binary_content_needs_bdat(sessions: Sessions) -> None:
    """RFC 3030 section 3: DATA after BODY=BINARYMIME is 503; BDAT then still works."""
    session = sessions.in_transaction(b" BODY=BINARYMIME")

    assert session.codes(b"DATA\r\n") == [503]
    assert session.codes(b"BDAT 3 LAST\r\n\n\r\x00") == [250]
    assert session.messages[0][2] == b"\n\r\x00"


def test_several_messages_in_one_session(sessions: Sessions) -> None:
    """Each message has its own envelope and content; MAIL may follow the end at once."""
    session = sessions.ready()
    for number in range(5):
        session.send(b"MAIL FROM:<a%d@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n" % number)
        assert session.codes(b"%d\r\n.\r\nNOOP\r\n" % number) == [250, 250]

    assert [message[2] for message in session.messages] == [b"%d\r\n" % n for n in range(5)]
    senders = [message[0].reverse_path for message in session.messages]
    assert [str(sender) for sender in senders] == [f"a{n}@a.test" for n in range(5)]
