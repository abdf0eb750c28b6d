"""client.session without a socket: octets in all cuts, and octets of any kind."""

import ssl
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pillarbox.client.conversation import Manner
from pillarbox.client.errors import ClientError
from pillarbox.client.limits import Limits
from pillarbox.client.outgoing import prepare
from pillarbox.client.results import SendResult, SendState
from pillarbox.client.sending import Sending
from pillarbox.client.server import Server
from pillarbox.client.session import Session
from pillarbox.client.steps import Ended, Probe, Progress, Read, Script, Steps, T, Write
from pillarbox.client.verdicts import waiting_seconds
from pillarbox.explain.failures import FailureKind
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_ahead import Parcel
from pillarbox.smtp.client_replies import RawReply

SERVER = Server("mx.test", 587, is_implicit=False)
MESSAGE = b"Subject: x\r\n\r\nHi\r\n"
GREETING = b"220 mx.test\r\n250-mx.test\r\n250 PIPELINING\r\n"
TAKEN = b"250 ok\r\n250 ok\r\n550 5.1.1 nobody\r\n354 go\r\n"


def session(
    *, is_implicit: bool = False, watch: Callable[[RawReply], None] | None = None
) -> Session:
    """A session in the clear, as only a test has it, or by TLS."""
    manner = Manner("mx.test", is_implicit, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Limits.of(60))
    return Session(manner, ClientSettings("me.test", opportunistic=True, watch=watch))


class Wire:
    """Carries out steps: each read gets the next piece, in the end the connection is closed.

    Those of `last` wait until the content was written. `is_quick`: an answer comes with the step
    that wrote what it answers. The server speaks before it has taken the last `slow` octets of the
    content.
    """

    def __init__(
        self, pieces: list[bytes], *, last: list[bytes], is_quick: bool = False, slow: int = 0
    ) -> None:
        self._pieces = pieces
        self._last = last
        self._is_quick = is_quick
        self._slow = slow
        self.written = b""
        self.waits: list[float] = []

    def run(self, steps: Steps[T]) -> T:
        """Carry out all steps."""
        try:
            step = next(steps)
            while True:
                step = steps.send(self._carry_out(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def _carry_out(self, step: object) -> Progress:
        match step:
            case Script():
                return self._follow(step)
            case Write():
                taken, unsent = self._cut(step)
                self.written += taken
                quick = self._is_quick and step.answer_seconds
                return replace(self._read(), unsent=unsent) if quick else Progress(unsent=unsent)
            case Read():
                self.waits.append(step.seconds)
                return self._read()
            case Probe():
                return Progress()
        raise AssertionError(step)

    def _cut(self, step: Write) -> tuple[bytes, bytes]:
        """What the server takes of it now, and the rest."""
        if not self._slow or MESSAGE not in step.octets:
            return step.octets, b""
        return step.octets[: -self._slow], step.octets[-self._slow :]

    def _follow(self, script: Script) -> Progress:
        for octets, *_ in script.turns:
            progress = self._carry_out(Write(octets, script.seconds, True, script.answer_seconds))
            if not script.hears(progress):
                return progress
        return Progress()

    def _read(self) -> Progress:
        if self.written.endswith(b"\r\n.\r\n"):
            self._pieces, self._last = [*self._pieces, *self._last], []
        while self._pieces:
            if piece := self._pieces.pop(0):
                return Progress(piece)
        return Progress(ended=Ended.CLOSED)


OK, GO = b"250 2.0.0 ok\r\n", b"354 go\r\n"
WISHED = (
    *([OK * 3], [OK * 4], [OK * 2 + GO, OK], [OK * 3 + GO, OK]),
    *([OK, OK, GO, OK], [OK, OK, OK, GO, OK]),
)
SAID = (
    *(OK, OK * 2, OK * 3, GO, b"550 5.1.1 no\r\n", b"452 4.5.3 less\r\n", b"421 4.3.2 bye\r\n"),
    *(b"530 5.7.0 who\r\n", b"250-a\r\n250 b\r\n", b"25", b"0 ok\r\n", b"hello\r\n"),
)


@given(
    st.sets(st.sampled_from(("PIPELINING", "CHUNKING", "SIZE"))),
    st.integers(1, 2),
    st.sampled_from([turns[:end] for turns in WISHED for end in range(len(turns) + 1)]),
    st.lists(st.sampled_from(SAID), max_size=4),
)
def test_scripts_change_nothing(
    offered: set[str], count: int, wished: list[bytes], said: list[bytes]
) -> None:
    """Whatever the server says: results, octets and the end are those of the way step by step,
    which a session goes that tells its replies to somebody."""
    hello = b"".join(b"250-%b\r\n" % word.encode() for word in ("mx", *offered))
    ends = []
    for watch in (None, lambda _: None):
        wire = Wire([b"220 x\r\n", hello + b"250 HELP\r\n", *wished, *said], last=[], is_quick=True)
        made = session(watch=watch)
        wire.run(made.open())
        addresses = [f"r{number}@x.test" for number in range(count)]
        outgoing = prepare(MESSAGE, sender="a@x.test", recipients=addresses)
        sending = Sending(outgoing, SERVER)
        wire.run(sending.run(made, is_reused=False, was_idle=False))
        sending.give_up(ClientError("not open"))
        result, core = sending.result(), made.core
        error = result.error and (type(result.error), str(result.error))
        stands = (core.phase, core.failure, core.transactions, core.replies)
        ends.append((result.recipients, error, wire.written, stands))

    assert ends[0] == ends[1]


@pytest.mark.parametrize("word", ["CHUNKING", "SIZE"])
def test_the_rest_is_written_where_the_answer_comes_first(word: str) -> None:
    """Else the next message would become the rest of this one's content."""
    said = [b"220 x\r\n", f"250-mx\r\n250-PIPELINING\r\n250 {word}\r\n".encode()]
    said += [OK * 3] if word == "CHUNKING" else [OK * 2 + GO, OK]
    ends = []
    for watch in (None, lambda _: None):
        wire = Wire(list(said), last=[], is_quick=True, slow=4)
        made = session(watch=watch)
        wire.run(made.open())
        outgoing = prepare(MESSAGE, sender="a@x.test", recipients=["b@x.test"])
        wire.run(Sending(outgoing, SERVER).run(made, is_reused=False, was_idle=False))
        ends.append(wire.written)

    assert MESSAGE in ends[0]
    assert ends[0] == ends[1]


def send(pieces: list[bytes], last: list[bytes]) -> tuple[SendResult, ClientError | None, bytes]:
    """Send a message to two recipients; what became of it, and what was written."""
    wire = Wire(pieces, last=last)
    made = session()
    wire.run(made.open())
    outgoing = prepare(MESSAGE, sender="a@x.test", recipients=["bob@x.test", "carol@x.test"])
    sending = Sending(outgoing, SERVER)
    if made.core.is_ready:
        wire.run(sending.run(made, is_reused=False, was_idle=False))
    if sending.pending:
        sending.give_up(ClientError("not open"))
    try:
        return sending.finish(), None, wire.written
    except ClientError as exc:
        error = exc
    assert error.result is not None
    return error.result, error, wire.written


def cuts(octets: bytes) -> list[list[bytes]]:
    """At once, singly, and in two pieces at every place."""
    halves = [[octets[:index], octets[index:]] for index in range(1, len(octets))]
    return [[octets], [octets[index : index + 1] for index in range(len(octets))], *halves]


@pytest.mark.parametrize(("more", "is_believed"), [([], True), ([b"250 2.0.0 taken\r\n"], False)])
def test_a_reply_behind_the_last_one_leaves_all_of_a_batch_in_doubt(
    more: list[bytes], is_believed: bool
) -> None:
    """Row 65: one too many came in front of it, and each 250 may be that of another command."""
    greeting, hello = GREETING.replace(b"250 PIPE", b"250-CHUNKING\r\n250 PIPE").split(b"\r\n", 1)
    wire = Wire([greeting + b"\r\n", hello, b"250 ok\r\n" * 7, *more], last=[])
    made = session()
    wire.run(made.open())
    one = prepare(MESSAGE, sender="a@x.test", recipients=["bob@x.test"])
    parcel = Parcel(one.envelope, one.recipients, MESSAGE)

    found = wire.run(made.transact_ahead([parcel, parcel]))

    assert [[reply is not None for reply in each] for each in found] == [[is_believed]] * 2


def test_replies_may_come_in_any_pieces() -> None:
    """Greeting, EHLO, the envelope and the confirmation; the result is the same."""
    answer = GREETING.split(b"\r\n", 1)
    for envelope in cuts(TAKEN):
        for confirmation in ([b"250 2.0.0 taken\r\n"], [b"%c" % octet for octet in b"250 x\r\n"]):
            pieces = [answer[0] + b"\r\n", answer[1], *envelope]
            result, error, written = send(pieces, confirmation)
            assert error is None
            assert [one.state for one in result] == [SendState.ACCEPTED, SendState.REFUSED]
            assert written.endswith(MESSAGE + b".\r\n")


OPEN = GREETING.split(b"\r\n", 1)
OPEN = [OPEN[0] + b"\r\n", OPEN[1]]
REPLIES = [b"220 x\r\n", b"250 ok\r\n", b"250-", b"354 go\r\n", b"421 x\r\n", b"550 x\r\n"]
PIECES = st.lists(st.one_of(st.binary(max_size=12), st.sampled_from(REPLIES)), max_size=8)
ENDS = st.lists(
    st.one_of(st.binary(max_size=12), st.sampled_from([b"250 ok\r\n", b"250", b"450 x\r\n"])),
    max_size=3,
)


AHEAD = [OPEN[0], b"250-mx.test\r\n250-CHUNKING\r\n250 PIPELINING\r\n"]


@given(st.sampled_from([[], OPEN, [*OPEN, TAKEN], AHEAD, [*AHEAD, b"250 ok\r\n"]]), PIECES, ENDS)
def test_whatever_comes_nobody_is_said_to_have_it_without_a_reply(
    lead: list[bytes], pieces: list[bytes], last: list[bytes]
) -> None:
    """Nothing else than a ClientError is raised; accepted only behind the content, by 2yz."""
    result, error, written = send([*lead, *pieces], last)

    whole = written.endswith((MESSAGE + b".\r\n", b" LAST\r\n" + MESSAGE))
    for one in result:
        if one.state is SendState.ACCEPTED:
            assert whole
            assert 200 <= one.code < 300
        elif one.state is SendState.UNKNOWN:
            assert whole
        else:
            assert one.code >= 400
    assert (error is None) is bool(result.accepted)


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([b"4", b"21 Too many", b" connections\r\n"], FailureKind.GREETING_REFUSED),
        ([b"421-Too", b" many\r", b"\n421 connections\r\n"], FailureKind.GREETING_REFUSED),
        ([b"421 Too many"], FailureKind.CONNECTION_LOST),
        ([b"4"], FailureKind.CONNECTION_LOST),
        ([b"2", b"20 mx.test\r\n"], FailureKind.NOT_TLS),
        ([b"4", b"50 mx.test\r\n"], FailureKind.NOT_TLS),
    ],
)
def test_words_in_place_of_tls_are_understood_in_pieces(
    pieces: list[bytes], kind: FailureKind
) -> None:
    """421 is a server that is too busy for TLS, whole or not; all else is a wrong port."""
    made = session(is_implicit=True)
    Wire(list(pieces), last=[]).run(made.open())

    assert made.core.failure is not None
    assert made.core.failure.kind is kind


def test_the_answer_to_large_content_gets_more_time() -> None:
    """What was written may still be on its way: a second for each 4 KiB beside the usual limit;
    with a limit that was given for each answer, five times as much."""
    wire = Wire([*OPEN, b"250 ok\r\n250 ok\r\n354 go\r\n"], last=[b"250 ok\r\n"])
    made = session()
    wire.run(made.open())
    message = b"Subject: x\r\n\r\n" + b"text\r\n" * 100_000
    outgoing = prepare(message, sender="a@x.test", recipients="bob@x.test")

    wire.run(Sending(outgoing, SERVER).run(made, is_reused=False, was_idle=False))

    assert wire.waits[-2:] == [60.0, 300.0 + len(message) / 4096]
    assert Limits.of(2).confirmation_of(0) == 10


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Greylisted, try again in 300 seconds", 300),
        ("please wait for 5 minutes", 300),
        ("retry after 2h", 7200),
        ("come back in about 10 min", 600),
        ("try again within 999999 hours", 86_400),
        ("try again later", None),
        ("in 2026 we closed", None),
        ("wait 0 seconds", None),
    ],
)
def test_a_reply_may_say_how_long_to_wait(text: str, seconds: float | None) -> None:
    """What it says counts, up to a day."""
    assert waiting_seconds(text) == seconds


@given(st.text(max_size=300))
def test_any_text_has_a_wait_or_none(text: str) -> None:
    """Never more than a day, never nothing."""
    found = waiting_seconds(text)
    assert found is None or 0 < found <= 86_400


@pytest.mark.parametrize("limit", [1.0, 60.0])
def test_a_silent_server_is_waited_for_no_longer_than_the_limit(limit: float) -> None:
    """Though it is looked at by another connection meanwhile."""
    manner = Manner("mx.test", False, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), Limits.of(limit))
    silent = Session(manner, ClientSettings("me.test"))
    steps = silent.open()
    waited = 0.0

    step: object = next(steps)
    while isinstance(step, Read | Probe):
        waited += step.seconds
        ended = Ended.TIMED_OUT if isinstance(step, Read) else None
        step = _next(steps, Progress(ended=ended))

    assert waited == limit
    assert not silent.core.is_ready


def _next(steps: Steps[None], progress: Progress) -> object:
    """The next step; None at the end."""
    try:
        return steps.send(progress)
    except StopIteration:
        return None
