"""BDAT in the server: chunks, their faults, and the state that they leave (RFC 3030)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.reply import reply
from pillarbox.smtp.events import Content, ContentAbort, ContentEnd, ContentStart

if TYPE_CHECKING:
    from tests.unit.smtp.conftest import Sessions

Cuts = Callable[[bytes], list[list[bytes]]]

SEQUENCES = [
    (b"\n.\n", False),
    (b"\n.\r\n", False),
    (b"\n.\r", False),
    (b"\r.\r", False),
    (b"\r.\n", False),
    (b"\r.\r\n", False),
    (b"\r\n.\n", False),
    (b"\r\n.\r", False),
    (b"\r\n.\r\r\n", False),
    (b"\r\r\n.\r\r\n", False),
    (b"\r\n.\r\n", True),
    (b"\r\n\x00.\r\n", True),
    (b"\r\n.\x00\r\n", True),
    (b"\r\n .\r\n", True),
    (b"\r\n.\t\r\n", True),
    (b"\x85.\x85", True),
    (b"\xe2\x80\xa8.\xe2\x80\xa8", True),
    (b"\x0b.\x0b", True),
    (b"\x0c.\x0c", True),
]
"""The sequences of the end-of-data table, and whether all their line ends are CR LF."""

OK = b"250 2.0.0 Message taken\r\n"


def _bdat(content: bytes, *, last: bool = True) -> bytes:
    return b"BDAT %d%s\r\n%b" % (len(content), b" LAST" if last else b"", content)


@pytest.mark.parametrize(("sequence", "is_clean"), SEQUENCES)
def test_end_of_data_sequences_inside_a_chunk(
    sessions: Sessions, cuts: Cuts, sequence: bytes, *, is_clean: bool
) -> None:
    """Attacks row 1 and 2: stored as it is or refused 550 5.5.2, in all splittings."""
    content = b"text" + sequence + b"rest"
    for pieces in cuts(_bdat(content) + b"NOOP\r\n"):
        session = sessions.in_transaction()
        answers = session.send_all(iter(pieces))
        if is_clean:
            assert answers == OK + b"250 2.0.0 OK\r\n"
            assert [message[2] for message in session.messages] == [content]
        else:
            assert answers.startswith(b"550 5.5.2 ")
            assert answers.endswith(b"]\r\n250 2.0.0 OK\r\n")
            assert session.messages == []
            assert session.aborts == [ContentAbort(Refusal.BARE_LINE_END)]


@pytest.mark.parametrize(("sequence", "is_clean"), SEQUENCES)
def test_end_of_data_sequences_across_two_chunks(
    sessions: Sessions, sequence: bytes, *, is_clean: bool
) -> None:
    """Attacks row 1: the border of a chunk is no line end and hides none."""
    content = b"text" + sequence + b"rest"
    for cut in range(1, len(content)):
        session = sessions.in_transaction()
        wire = _bdat(content[:cut], last=False) + _bdat(content[cut:])
        codes = session.codes(wire)
        if is_clean:
            assert codes == [250, 250]
            assert session.messages[0][2] == content
        else:
            assert codes in ([250, 550], [550, 503])
            assert session.messages == []


@pytest.mark.parametrize("size", [4096, 65536])
@pytest.mark.parametrize(("sequence", "is_clean"), SEQUENCES)
def test_end_of_data_sequences_across_the_border_of_a_block(
    sessions: Sessions, sequence: bytes, size: int, *, is_clean: bool
) -> None:
    """Attacks row 1: straddling the read buffer inside BDAT."""
    for offset in range(size - len(sequence) - 3, size + 4):
        content = b"x" * offset + sequence + b"rest"
        session = sessions.in_transaction()
        session.send(b"BDAT %d LAST\r\n" % len(content))
        blocks = [content[start : start + size] for start in range(0, len(content), size)]
        answers = session.send_all(iter(blocks))
        assert answers[:9] == (b"250 2.0.0" if is_clean else b"550 5.5.2")


@pytest.mark.parametrize(("sequence", "is_clean"), SEQUENCES)
def test_end_of_data_sequences_just_before_the_size_limit(
    sessions: Sessions, sequence: bytes, *, is_clean: bool
) -> None:
    """Attacks row 1: in the last 20 octets before the limit and across it, in one chunk and two."""
    limit = 200
    for offset in range(limit - 20, limit + 3):
        content = b"x" * offset + sequence
        for wire in (_bdat(content), _bdat(content[:100], last=False) + _bdat(content[100:])):
            session = sessions.in_transaction(size_limit_octets=limit)
            *_, last = session.send(wire + b"NOOP\r\n").split(b"\r\n")[:-2]
            if is_clean and len(content) <= limit:
                assert last == OK.rstrip()
            else:
                assert last[:9] in (b"550 5.5.2", b"552 5.3.4")
                assert session.messages == []
            assert not session.protocol.closing


@pytest.mark.parametrize("content", [b"x\r", b"\r", b"\n", b"\nx"])
def test_a_bare_line_end_at_the_edge_of_content(sessions: Sessions, content: bytes) -> None:
    """A CR as the last octet of all, or an LF as the first, stands alone."""
    assert sessions.in_transaction().codes(_bdat(content)) == [550]
    assert sessions.in_transaction().codes(_bdat(content, last=False) + b"BDAT 0 LAST\r\n") in (
        [250, 550],
        [550, 503],
    )


def test_binary_content_is_kept_octet_for_octet(sessions: Sessions) -> None:
    """With BODY=BINARYMIME, CR and LF mean nothing (RFC 3030 section 3)."""
    content = bytes(range(256)) + b"\n.\n\r.\r\r\n.\r\n"
    session = sessions.in_transaction(b" BODY=BINARYMIME")

    assert session.codes(_bdat(content[:100], last=False) + _bdat(content[100:])) == [250, 250]
    assert session.messages[0][2] == content


def test_chunks_in_any_splitting(sessions: Sessions, cuts: Cuts) -> None:
    """Chunks, an empty last one and pipelined commands do not depend on how octets arrive."""
    wire = b"BDAT 5\r\nab\r\ncBDAT 3\r\nd\r\nBDAT 0 LAST\r\nQUIT\r\n"
    for pieces in cuts(wire):
        session = sessions.in_transaction()
        assert session.send_all(iter(pieces)) == (
            b"250 2.0.0 Chunk taken\r\n250 2.0.0 Chunk taken\r\n250 2.0.0 Message taken\r\n"
            b"221 2.0.0 Bye\r\n"
        )
        assert session.messages[0][2] == b"ab\r\ncd\r\n"
        assert session.count(ContentStart) == 1
        assert session.count(ContentEnd) == 1


def test_only_chunks_and_small_commands_may_follow_a_chunk(sessions: Sessions) -> None:
    """RFC 3030 section 2: DATA, MAIL and RCPT are out of sequence between chunks."""
    session = sessions.in_transaction()

    codes = session.codes(b"BDAT 1\r\nxNOOP\r\nMAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n")
    codes += session.codes(b"DATA\r\n")
    codes += session.codes(b"bdat 1 last\r\ny")

    assert codes == [250, 250, 503, 503, 503, 250]
    assert session.messages[0][2] == b"xy"


@pytest.mark.parametrize("end", [b"RSET\r\n", b"QUIT\r\n", b"EHLO x\r\n"])
def test_commands_that_end_the_transaction_drop_the_content(sessions: Sessions, end: bytes) -> None:
    """Content that is never finished is given up."""
    session = sessions.in_transaction()

    session.send(b"BDAT 1\r\nx" + end)

    assert session.aborts == [ContentAbort(None)]
    assert not session.protocol.in_transaction


@pytest.mark.parametrize(
    "command",
    [b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 1 FIRST", b"BDAT 1 LAST x", b"BDAT " + b"9" * 21],
)
def test_a_bad_bdat_ends_the_transaction_and_not_the_session(
    sessions: Sessions, command: bytes
) -> None:
    """Attacks row 6: 501, then DATA is 503, the session is alive, nothing of it is left."""
    for lead in (b"", b"BDAT 1\r\nx"):
        session = sessions.in_transaction()
        session.send(lead)

        assert session.codes(command + b"\r\n") == [501]

        assert session.codes(b"DATA\r\n") == [503]
        assert session.codes(b"RCPT TO:<b@b.test>\r\n") == [503]
        assert session.codes(b"MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\n") == [250, 250]
        assert session.codes(_bdat(b"whole")) == [250]
        assert [message[2] for message in session.messages] == [b"whole"]
        assert len(session.aborts) == bool(lead)


def test_octets_behind_a_bad_bdat_end_the_session(sessions: Sessions) -> None:
    """Attacks row 53: nobody knows whether they are content, so they are no commands."""
    session = sessions.in_transaction()

    assert session.codes(b"BDAT -1\r\nMAIL FROM:<x@y>\r\nQUIT\r\n") == [501]
    assert session.protocol.closing


@pytest.mark.parametrize("size", [10**12, 10**19, 2_000_001])
def test_an_absurd_chunk_ends_the_session(sessions: Sessions, size: int) -> None:
    """Attacks row 53: what nobody will wait for is refused at once with 552."""
    for session in (sessions.in_transaction(), sessions.ready(), sessions.connected()):
        assert session.codes(b"BDAT %d LAST\r\nxxx" % size) == [552]
        assert session.protocol.closing


def test_a_chunk_beyond_the_size_limit_is_thrown_away(sessions: Sessions, cuts: Cuts) -> None:
    """552 5.3.4 after the chunk; none of it is handed out or taken for a command."""
    wire = b"BDAT 8\r\n12345678BDAT 3 LAST\r\n\r\nxNOOP\r\n"
    for pieces in cuts(wire):
        session = sessions.in_transaction(size_limit_octets=10)
        answers = session.send_all(iter(pieces))
        assert [line[:3] for line in answers.split(b"\r\n")] == [b"250", b"552", b"250", b""]
        assert session.aborts == [ContentAbort(Refusal.SIZE_EXCEEDED)]
        assert session.codes(b"RCPT TO:<b@b.test>\r\n") == [503]


@pytest.mark.parametrize("content", [b"NOOP\r\nQUIT\r\n", b"x", b""])
def test_a_chunk_without_a_transaction_is_thrown_away(
    sessions: Sessions, cuts: Cuts, content: bytes
) -> None:
    """Attacks row 6 and 53: without MAIL, or without a recipient, octets are eaten, then 503."""
    for mail in (b"", b"MAIL FROM:<a@a.test>\r\n"):
        for pieces in cuts(_bdat(content, last=False) + b"VRFY x\r\n"):
            session = sessions.ready()
            session.send(mail)
            answers = session.send_all(iter(pieces))
            assert [line[:3] for line in answers.split(b"\r\n")] == [b"503", b"252", b""]
            assert session.count(ContentStart) == 0


def test_a_chunk_before_login_is_thrown_away(sessions: Sessions) -> None:
    """Attacks row 37: BDAT opens no way around the login."""
    session = sessions.connected(require_tls=True)

    assert session.codes(_bdat(b"NOOP\r\n")) == [503]


def test_a_first_chunk_refused_by_the_shell_is_thrown_away(sessions: Sessions, cuts: Cuts) -> None:
    """The refusal comes behind the chunk, later chunks of the group are eaten as well."""
    wire = b"BDAT 6\r\nNOOP\r\nBDAT 0\r\nBDAT 6 LAST\r\nNOOP\r\nVRFY x\r\n"
    for pieces in cuts(wire):
        session = sessions.in_transaction()
        session.refusals[ContentStart] = reply(452, "4.3.1", "Full")
        answers = session.send_all(iter(pieces))
        codes = [line[:3] for line in answers.split(b"\r\n")]
        assert codes == [b"452", b"503", b"503", b"252", b""]
        assert session.count(Content) == 0
        assert not session.protocol.in_transaction


def test_the_end_refused_by_the_shell_ends_the_transaction(sessions: Sessions) -> None:
    """Attacks row 7: as with DATA."""
    session = sessions.in_transaction()
    session.refusals[ContentEnd] = reply(550, "5.7.60", "No")

    assert session.codes(_bdat(b"x") + _bdat(b"y") + b"RCPT TO:<b@b.test>\r\n") == [550, 503, 503]


def test_empty_chunks_without_end_end_the_session(sessions: Sessions) -> None:
    """Attacks row 53: a million of `BDAT 0` gets 421 long before."""
    session = sessions.in_transaction()

    codes = session.codes(b"BDAT 0\r\n" * 1000)

    assert codes[-1] == 421
    assert len(codes) < 110
    assert session.events[-1] == ContentAbort(None)


@pytest.mark.parametrize("octets", [1, 100, 500])
def test_row_53_small_chunks_without_end_end_the_session(sessions: Sessions, octets: int) -> None:
    """A message of a million chunks: 421 after a thousand or some more, and nothing is kept."""
    session = sessions.in_transaction(size_limit_octets=50_000_000)

    codes = session.codes(b"BDAT %d\r\n%b" % (octets, b"x" * octets) * 50_000)

    assert codes[-1] == 421
    assert 1000 < len(codes) < 50_000
    assert session.events[-1] == ContentAbort(None)


def test_row_53_chunks_of_a_usual_size_may_be_many(sessions: Sessions) -> None:
    """A large message in chunks of a kilobyte."""
    session = sessions.in_transaction(size_limit_octets=50_000_000)

    codes = session.codes(b"BDAT 1024\r\n%b" % (b"x" * 1024) * 5000 + b"BDAT 0 LAST\r\n")

    assert set(codes) == {250}
    assert len(session.messages[0][2]) == 5000 * 1024


def test_a_chunk_that_never_comes_can_be_given_up(sessions: Sessions) -> None:
    """Attacks row 53: abort() ends the wait."""
    session = sessions.in_transaction()
    session.send(b"BDAT 1000 LAST\r\nx")

    session.protocol.abort(Refusal.TIMEOUT.reply("ID"))

    assert session.send(b"y").startswith(b"421 4.4.2 ")
    assert session.aborts == [ContentAbort(None)]


def test_shutdown_between_chunks_drops_the_content(sessions: Sessions) -> None:
    """A message that is not whole is given up; the client sends it again."""
    session = sessions.in_transaction()
    session.send(b"BDAT 4\r\nab")
    session.protocol.shutdown(reply(421, "4.3.2", "Bye"))
    assert not session.protocol.closing

    answers = session.send(b"cd")

    assert answers == b"250 2.0.0 Chunk taken\r\n421 4.3.2 Bye\r\n"
    assert session.aborts == [ContentAbort(None)]
