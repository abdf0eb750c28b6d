"""How the server takes content: DATA to its end, BDAT chunk by chunk, and what it throws away.

Content that is void (a bare line end, too large) is read to its real end all the same, so that no
octet of it is ever taken for a command; only then comes the refusal.
"""

from pillarbox.explain.refusals import Refusal
from pillarbox.mail.envelope import Body
from pillarbox.mail.reply import Reply, reply
from pillarbox.smtp.data import BdatReader, DataReader, Discard
from pillarbox.smtp.events import Content, ContentEnd, ContentStart
from pillarbox.smtp.server_state import TRANSITIONS, Session, State, Step

START_INPUT = reply(354, "", "Start mail input; end with <CRLF>.<CRLF>").encode()
CHUNK_TAKEN = reply(250, "2.0.0", "Chunk taken").encode()

_PATIENCE = 2
"""A chunk of more than this many times the size limit is not thrown away but ends the session:
nobody has a use for the time that it takes."""


MANY_CHUNKS = 1000
CHUNK_OCTETS = 512
"""From so many chunks on, chunks must have so many octets on average: each costs as much as a
command, and no program that means well sends such small ones."""


NO_RECIPIENT = "MAIL, RCPT, then DATA or BDAT; no recipient was taken: the reply to RCPT says why"
"""The order, for who goes on behind refused recipients: a program may show nothing but this."""

_DATA_BEGUN = Step.DATA_BEGUN


def begin_content(session: Session, *, more: bool) -> None:
    """DATA or the first BDAT of a transaction was accepted. `more`: there are octets behind it."""
    session.content_open = True
    if isinstance(session.reader, BdatReader):
        _begin_chunk(session, session.reader)
        return
    if more:
        # RFC 2920 3.1: DATA ends its group, so nobody knows what these octets are.
        session.hang_up(Refusal.EARLY_TALK)
        return
    session.reader = DataReader(session.size_limit_octets)
    session.state = TRANSITIONS[session.state][_DATA_BEGUN]
    session.out += START_INPUT


def read_data(session: Session, reader: DataReader, octets: bytes) -> bytes:
    """Take octets of DATA; gives back what came behind its end."""
    block = reader.feed(octets)
    if block:
        session.events.append(Content(block))
    elif reader.fault is not None:
        session.abort_content(reader.fault)
    if not reader.ended:
        return b""
    if reader.fault is None:
        _end(session, reader.size)
    else:
        _refuse_content(session, reader.fault)
        if reader.fault is Refusal.BARE_LINE_END:
            # What looks like smuggling ends the session: what follows may be meant for another.
            session.close()
    return reader.rest


def take_chunk(session: Session, chunk: tuple[int, bool]) -> None:
    """BDAT: the size of the chunk that follows, and whether it is the last one."""
    size, session.chunk_is_last = chunk
    if size > _PATIENCE * session.size_limit_octets:
        session.hang_up(Refusal.SIZE_EXCEEDED, limit=session.size_limit_octets)
    elif session.state is State.CHUNKS and isinstance(session.reader, BdatReader):
        session.reader.begin(size)
        _begin_chunk(session, session.reader)
    elif session.state is State.RCPT and session.envelope is not None:
        binary = session.envelope.body is Body.BINARY
        session.reader = BdatReader(session.size_limit_octets, binary=binary)
        session.reader.begin(size)
        session.ask(ContentStart())
    else:
        session.note(Refusal.BAD_SEQUENCE)
        order = NO_RECIPIENT if session.state is State.MAIL else "MAIL, RCPT, then BDAT"
        answer = Refusal.BAD_SEQUENCE.reply(session.session_id, order=order)
        discard(session, size, answer)


def _begin_chunk(session: Session, reader: BdatReader) -> None:
    session.state = TRANSITIONS[session.state][Step.CHUNK_BEGUN]
    session.chunks += 1
    if session.chunks > MANY_CHUNKS + reader.size // CHUNK_OCTETS:
        session.hang_up(Refusal.TOO_MANY_CHUNKS)
    elif reader.remaining == 0:
        session.count_idle()
    if not session.closing:
        _look_at_chunk(session, reader)


def read_chunk(session: Session, reader: BdatReader, octets: bytes) -> None:
    """Take octets of a chunk, not more than remain of it."""
    block = reader.feed(octets)
    if block:
        session.events.append(Content(block))
    _look_at_chunk(session, reader)


def _look_at_chunk(session: Session, reader: BdatReader) -> None:
    if reader.remaining == 0 and session.chunk_is_last:
        reader.finish()
    if reader.fault is not None:
        session.abort_content(reader.fault)
    if reader.remaining:
        return
    if reader.fault is not None:
        # RFC 3030 2: "the receiver-SMTP MUST accept and discard the associated message data
        # before sending the appropriate 5XX or 4XX code".
        _refuse_content(session, reader.fault)
    elif session.chunk_is_last:
        _end(session, reader.size)
    else:
        session.state = TRANSITIONS[session.state][Step.CHUNK_TAKEN]
        session.say(CHUNK_TAKEN)


def discard(session: Session, size: int, answer: Reply) -> None:
    """Throw away a chunk of this size, then answer with this refusal."""
    session.reader = reader = Discard(size, answer)
    discard_octets(session, reader, b"")


def discard_octets(session: Session, reader: Discard, octets: bytes) -> None:
    """Throw away octets of a refused chunk, not more than remain of it."""
    reader.remaining -= len(octets)
    if reader.remaining == 0:
        session.reader = None
        session.refuse_with(reader.answer)


def _end(session: Session, size: int) -> None:
    session.content_open = False
    session.awaiting = event = ContentEnd(size)
    session.events.append(event)


def _refuse_content(session: Session, fault: Refusal) -> None:
    session.abort_content(fault)
    session.end_transaction()
    session.refuse_command(fault, limit=session.size_limit_octets)
