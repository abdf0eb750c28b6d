"""One session with one server: ClientProtocol, TLS and content, as steps that a wire carries out.

Nothing that the server does raises: `core.failure` says why a session is over, and
`core.content_ended` whether it may have the message all the same.
"""

import ssl
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pillarbox.client.content import Content
from pillarbox.client.layer import TlsLayer, begins_tls
from pillarbox.client.options import Timeouts
from pillarbox.client.steps import (
    Ended,
    Probe,
    Progress,
    Pull,
    Read,
    Steps,
    Write,
)
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.mail.envelope import Envelope, Recipient
from pillarbox.mail.reply import Reply
from pillarbox.net.tls import hop_failure
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_ahead import MAX_RECIPIENTS, AheadProtocol, Parcel
from pillarbox.smtp.client_phase import Phase

SILENCE_SECONDS = 5.0
"""A server that says nothing for so long is looked at: it may be waiting for TLS."""

WHOLE_OCTETS = 256 * 1024
"""Content up to this leaves in one piece."""

AHEAD_OCTETS = 64 * 1024
"""Content up to this leaves together with its envelope, where a server that refuses the envelope
can be told so much for nothing."""

CHUNKING_OCTETS = 256 * 1024
"""Content from this size on goes by BDAT where that is offered."""

CHUNK_OCTETS = 1024 * 1024

QUIT_SECONDS = 5.0

_BUSY = b"421"


@dataclass(frozen=True, slots=True)
class Manner:
    """How sessions are held: TLS from the first octet or by STARTTLS, for which host, how long."""

    host: str
    is_implicit: bool
    context: ssl.SSLContext
    timeouts: Timeouts


class Session:
    """One session. Between two calls nothing happens."""

    def __init__(
        self, manner: Manner, settings: ClientSettings, note: Callable[[str], object] | None = None
    ) -> None:
        self._manner = manner
        self._timeouts = manner.timeouts
        self._note = note
        self._tls: TlsLayer | None = None
        self._size = 0
        self.core = AheadProtocol(settings)

    # -- what is done -------------------------------------------------------------------------

    def open(self) -> Steps[None]:
        """Greeting, encryption, login: READY, or CLOSED with a failure."""
        core = self.core
        if self._manner.is_implicit:
            core.tls = yield from self._shake_hands(FailureKind.NOT_TLS)
            if core.is_closed:
                return
            # By TLS 1.2 the greeting may come in one piece with the end of the handshake.
            self._hear(b"")
        else:
            yield from self._await_greeting()
        yield from self._converse()
        if core.phase is Phase.HANDSHAKE:
            tls = yield from self._shake_hands(FailureKind.TLS_INJECTED)
            if core.is_closed:
                return
            core.tls_started(tls)
            yield from self._converse()

    def transact(
        self,
        envelope: Envelope,
        recipients: Sequence[Recipient],
        content: Content,
        *,
        is_careful: bool = False,
    ) -> Steps[list[Reply | None]]:
        """One transaction; `envelope` was made to fit. Gives the reply that decided about each
        recipient. `is_careful`: no content leaves before the server has answered."""
        if not is_careful and self.takes_whole(recipients, content):
            parcel = Parcel(envelope, recipients, content.ended)
            return (yield from self.transact_ahead([parcel]))[0]
        core = self.core
        self._size = content.size
        chunked = core.capabilities.chunking and content.size >= CHUNKING_OCTETS
        is_short = content.is_at_hand and content.size <= WHOLE_OCTETS and not chunked
        whole = (content.head,) if is_short else ()
        core.begin(envelope, recipients, size=content.size, whole=whole, chunked=chunked)
        yield from self._converse()
        if core.phase is Phase.CONTENT:
            yield from self._send_content(content)
            yield from self._converse()
        return core.verdicts()

    def takes_whole(self, recipients: Sequence[Recipient], content: Content) -> bool:
        """Whether such a message can leave together with its envelope."""
        return (
            self.core.takes_whole
            and content.is_at_hand
            and 0 < content.size <= AHEAD_OCTETS
            and len(recipients) <= MAX_RECIPIENTS
        )

    def transact_ahead(self, parcels: Sequence[Parcel]) -> Steps[list[list[Reply | None]]]:
        """Messages that leave at once, with all that belongs to them. Gives for each what
        transact() gives."""
        core = self.core
        pieces = core.begin_whole(parcels)
        self._size = sum(len(parcel.content) for parcel in parcels)
        if self._note is not None:
            for commands, content in zip(pieces[::2], pieces[1::2], strict=True):
                self._show(commands)
                self._show_content(len(content))
        yield from self._ask(b"".join(pieces))
        yield from self._converse()
        return core.outcomes()

    def hears(self, meanwhile: Progress) -> bool:
        """Whether a kept session can still be used: what the server said meanwhile counts."""
        if meanwhile.came or meanwhile.ended is not None:
            self._take(meanwhile)
        return self.core.is_ready

    def quit(self) -> Steps[None]:
        """Say good-bye."""
        self.core.quit()
        yield from self._converse()
        if self._tls is not None:
            yield Write(self._tls.farewell(), QUIT_SECONDS)

    def last_words(self) -> bytes:
        """The octets of a good-bye that waits for no answer."""
        self.core.quit()
        out = self.core.data_to_send()
        return out if self._tls is None else self._tls.seal(out)

    # -- reading and writing ------------------------------------------------------------------

    def _converse(self) -> Steps[None]:
        """Write what the core has to say and read, until the next move is ours."""
        core = self.core
        while True:
            out = core.data_to_send()
            if out and self._note is not None:
                self._show(out)
            if not core.is_waiting:
                if out:
                    yield from self._write(out)
                return
            yield from self._ask(out)

    def _ask(self, out: bytes) -> Steps[None]:
        """Write, if there is something, and read until a whole reply has come: octets that trickle
        in buy no time."""
        core, seconds = self.core, self._limit()
        replies = core.replies
        is_fresh = True
        if out:
            is_fresh = yield from self._write(out, seconds)
        while core.replies == replies and core.is_waiting:
            self._take((yield Read(seconds, is_fresh)))
            is_fresh = False

    def _limit(self) -> float:
        match self.core.phase:
            case Phase.CONFIRMATION:
                return self._timeouts.confirmation_of(self._size)
            case Phase.QUIT:
                return min(QUIT_SECONDS, self._timeouts.reply)
            case _:
                # What was written behind the command may still be on its way.
                on_its_way = self._size if self.core.content_ended else 0
                return self._timeouts.reply + on_its_way / self._timeouts.octets_per_second

    def _await_greeting(self) -> Steps[None]:
        """A server that is silent may be one that waits for TLS: another connection shows it."""
        core = self.core
        seconds = self._timeouts.reply
        first = yield Read(min(SILENCE_SECONDS, seconds / 2))
        if begins_tls(first.came) or (
            first.ended is not None and (yield from self._finds_tls(seconds))
        ):
            core.handshake_failed(Failure(FailureKind.TLS_FIRST))
        elif first.ended is not Ended.TIMED_OUT:
            self._take(first)

    def _finds_tls(self, seconds: float) -> Steps[bool]:
        layer = TlsLayer(self._manner.context, self._manner.host)
        layer.shake_hands()
        answer = yield Probe(layer.pending(), min(SILENCE_SECONDS, seconds))
        return begins_tls(answer.came)

    def _take(self, progress: Progress) -> None:
        core = self.core
        if progress.came:
            self._hear(progress.came)
        if progress.ended is Ended.CLOSED:
            core.connection_lost()
        elif progress.ended is Ended.TIMED_OUT:
            core.timed_out()

    def _hear(self, came: bytes) -> None:
        core, tls = self.core, self._tls
        if tls is not None:
            came = tls.unseal(came)
        if came:
            core.receive(came)
        if tls is not None and tls.is_over:
            core.connection_lost()

    def _write(self, octets: bytes, answer_seconds: float = 0.0) -> Steps[bool]:
        """Write, and take what is said meanwhile; with `answer_seconds` wait for so long for the
        first octets of an answer. Gives whether the time for an answer has not begun yet."""
        if self._tls is not None:
            octets = self._tls.seal(octets)
        is_fresh = True
        while True:
            progress = yield Write(octets, self._timeouts.block, is_fresh, answer_seconds)
            self._take(progress)
            octets = progress.unsent
            if not octets or self.core.is_closed:
                return not answer_seconds
            is_fresh = False

    # -- TLS ----------------------------------------------------------------------------------

    def _shake_hands(self, in_the_clear: FailureKind) -> Steps[str]:
        """Shake hands; gives the description. `in_the_clear`: what it means where the server
        answers with words."""
        try:
            layer = TlsLayer(self._manner.context, self._manner.host)
        except ValueError as exc:
            self.core.handshake_failed(Failure(FailureKind.HANDSHAKE_FAILED, str(exc)))
            return ""
        failure = yield from self._run_handshake(layer, in_the_clear)
        if failure is not None:
            self.core.handshake_failed(failure)
            return ""
        self._tls = layer
        return layer.description

    def _run_handshake(self, layer: TlsLayer, in_the_clear: FailureKind) -> Steps[Failure | None]:
        is_first = True
        while True:
            try:
                is_done = layer.shake_hands()
            except ssl.SSLError as exc:
                yield Write(layer.pending(), QUIT_SECONDS)
                return hop_failure(exc)
            if out := layer.pending():
                yield Write(out, self._timeouts.block)
            if is_done:
                return None
            progress = yield Read(self._timeouts.reply, is_first)
            if progress.ended is not None:
                is_late = progress.ended is Ended.TIMED_OUT
                why = "it took too long" if is_late else "the connection was cut"
                return Failure(FailureKind.HANDSHAKE_FAILED, why)
            if is_first and not begins_tls(progress.came):
                return (yield from self._refusal(progress)) or Failure(in_the_clear)
            is_first = False
            layer.feed(progress.came)

    def _refusal(self, progress: Progress) -> Steps[Failure | None]:
        """A server that is too busy for TLS may say 421 in the clear: RFC 5321 section 3.8 lets it
        do so at any time, and on this port nothing is wrong."""
        core = self.core
        if core.phase is not Phase.GREETING:
            return None
        said = progress.came
        while said[:3] == _BUSY[: len(said)]:
            self._take(progress)
            if core.failure is not None:
                break
            progress = yield Read(self._timeouts.reply, is_fresh=False)
            said += progress.came
        return core.failure

    # -- content ------------------------------------------------------------------------------

    def _send_content(self, content: Content) -> Steps[None]:
        core = self.core
        if core.takes_chunks:
            yield from self._send_chunks(content)
            return
        source = content.blocks()
        while block := (yield from self._next(content, source)):
            yield from self._write(core.content(block))
            if core.phase is not Phase.CONTENT:
                return
        self._show_content()
        yield from self._write(core.end_content())

    def _send_chunks(self, content: Content) -> Steps[None]:
        """Chunks of some blocks each; a refusal is heard before the next one leaves."""
        core = self.core
        source = content.blocks()
        following = yield from self._next(content, source)
        while True:
            blocks: list[bytes] = []
            size = 0
            while following and size < CHUNK_OCTETS:
                blocks.append(following)
                size += len(following)
                following = yield from self._next(content, source)
            head, chunk = core.chunk(b"".join(blocks), last=not following)
            self._show_content()
            yield from self._write(head)
            view = memoryview(chunk)
            for start in range(0, size, WHOLE_OCTETS):
                yield from self._write(bytes(view[start : start + WHOLE_OCTETS]))
            yield from self._converse()
            if core.phase is not Phase.CONTENT:
                return

    def _next(self, content: Content, source: Iterator[bytes]) -> Steps[bytes]:
        if content.is_at_hand:
            return next(source, b"")
        return (yield Pull(source)).came

    # -- what is shown ------------------------------------------------------------------------

    def _show(self, out: bytes) -> None:
        """Tell the transcript; what belongs to a login is not told."""
        if self._note is None:
            return
        phase = self.core.phase
        if phase is Phase.CONFIRMATION:
            self._show_content()
            return
        for line in out.decode("utf-8", "replace").splitlines():
            if phase is Phase.LOGIN:
                verb = line.split(" ")[:2] if line.startswith("AUTH ") else []
                self._note("C: " + " ".join([*verb, "********"]))
            else:
                self._note(f"C: {line}")

    def _show_content(self, octets: int | None = None) -> None:
        if self._note is not None:
            self._note(f"C: ({self._size if octets is None else octets} octets of content)")
