"""What servers answer, against the client library: messages that left before their answers, each of
which must have the result that the answers to it alone allow."""

import ssl
from itertools import islice

from tests.fuzz.draw import Draw
from tests.support.wire import cut

from pillarbox.client.batch import Batch
from pillarbox.client.conversation import Manner
from pillarbox.client.errors import ClientError
from pillarbox.client.limits import Limits
from pillarbox.client.outgoing import Mail
from pillarbox.client.results import RecipientResult, SendState
from pillarbox.client.server import Server
from pillarbox.client.session import Session
from pillarbox.client.steps import Ended, Progress, Read, Script, Steps, T, Write
from pillarbox.errors import RemoteProtocolError
from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_replies import RawReply, ReplyParser

_CONTENT = b"Subject: x\r\n\r\n.Hi\r\n"
_SERVER = Server("mx.test", 587, is_implicit=False)
_MANNER = Manner("mx.test", False, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Limits.of(60))
_OPEN = (b"220 mx.test\r\n", b"250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
_REPEATED = {452, 552}
_WANTS_LOGIN = {503, 530, 538}
_STEPS = 2000


class _Wire:
    """Gives out what the server says, piece by piece, and ends. `is_quick`: what answers to octets
    comes with the step that wrote them."""

    def __init__(self, pieces: list[bytes], ended: Ended, *, is_quick: bool) -> None:
        self._pieces = [*_OPEN, *pieces]
        self._ended = ended
        self._is_quick = is_quick
        self._steps = 0
        self.written = b""

    def run(self, steps: Steps[T]) -> T:
        """Carry out all steps, of which there must not be too many."""
        try:
            step = next(steps)
            while True:
                self._steps += 1
                assert self._steps < _STEPS
                assert isinstance(step, Write | Read | Script)
                if isinstance(step, Script):
                    step = steps.send(self._follow(step))
                elif isinstance(step, Write):
                    step = steps.send(self._write(step.octets, step.answer_seconds))
                else:
                    step = steps.send(self._read())
        except StopIteration as end:
            result: T = end.value
            return result

    def _follow(self, script: Script) -> Progress:
        for octets, *_ in script.turns:
            progress = self._write(octets, script.answer_seconds)
            if not script.hears(progress):
                return progress
        return Progress()

    def _write(self, octets: bytes, answer_seconds: float) -> Progress:
        self.written += octets
        return self._read() if self._is_quick and answer_seconds > 0 else Progress()

    def _read(self) -> Progress:
        return Progress(self._pieces.pop(0)) if self._pieces else Progress(ended=self._ended)


def ahead(octets: bytes) -> None:
    """Replies to messages that left in one piece; in any pieces, and then the end."""
    draw = Draw(octets)
    counts = [1 + draw.number(2) for _ in range(1 + draw.number(3))]
    ended = Ended.CLOSED if draw.flag() else Ended.TIMED_OUT
    is_reused = draw.flag()
    sizes = draw.sizes()
    said = draw.rest()
    pieces = [piece for piece in cut(said, sizes) if piece]
    wire = _Wire(pieces, ended, is_quick=len(said) % 2 == 0)
    session = Session(_MANNER, ClientSettings("me.test", opportunistic=True))
    wire.run(session.open())
    batch = Batch(len(counts))
    for count in counts:
        addresses = [f"r{number}@x.test" for number in range(count)]
        batch.add(Mail(_CONTENT, "a@t1.test", addresses), _SERVER)
    wire.run(batch.run(session, is_reused=is_reused, was_idle=False, left=100))
    is_stale = is_reused and session.core.was_stale
    batch.give_up(ClientError("the session is over"))
    results = batch.results()

    assert [len(result.recipients) for result in results] == counts
    assert all((result.error is None) is bool(result.accepted) for result in results)
    replies = _replies(said)
    if is_stale or any(raw.code in _REPEATED for raw in replies):
        assert not is_stale or not any(result.accepted for result in results)
        return
    failure = session.core.failure
    is_broken = failure is not None and failure.kind is FailureKind.PROTOCOL_BROKEN
    left = iter(replies)
    for number, result in enumerate(results):
        lead = list(islice(left, 2 if number else 1))
        mail = lead[-1] if len(lead) == 1 + bool(number) else None
        rcpts = list(islice(left, len(result.recipients)))
        final = next(left, None)
        for place, one in enumerate(result.recipients):
            rcpt = rcpts[place] if place < len(rcpts) else None
            _judge(one, (mail, rcpt, final), replies, is_broken=is_broken)


def _replies(said: bytes) -> list[RawReply]:
    """All that are whole, up to what is none."""
    parser = ReplyParser()
    parser.feed(said)
    found: list[RawReply] = []
    try:
        while (raw := parser.next_reply()) is not None:
            found.append(raw)
    except RemoteProtocolError:
        pass
    return found


def _judge(
    one: RecipientResult,
    to_it: tuple[RawReply | None, ...],
    replies: list[RawReply],
    *,
    is_broken: bool,
) -> None:
    """Accepted only by three replies of its own; refused by one of them, or by a server that said
    that it goes, or that wants a login; unknown only where one is missing, or all are in doubt."""
    own = [raw for raw in to_it if raw is not None]
    match one.state:
        case SendState.ACCEPTED:
            assert len(own) == 3
            assert all(200 <= raw.code < 300 for raw in own)
        case SendState.REFUSED if one.said_by_server:
            assert any(raw.code == one.code >= 400 for raw in own)
        case SendState.REFUSED:
            codes = {raw.code for raw in replies}
            assert 421 in codes or codes & _WANTS_LOGIN
        case SendState.UNKNOWN:
            assert is_broken or len(own) < 3
