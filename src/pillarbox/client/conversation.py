"""The conversation with one server: greeting, TLS, login, octets there and back. As steps that a
wire carries out.

Nothing that the server does raises: `core.failure` says why a session is over.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from pillarbox.client.layer import TlsLayer, begins_tls
from pillarbox.client.limits import QUIT_SECONDS, Limits
from pillarbox.client.steps import Ended, Probe, Progress, Read, Steps, Write
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.tls import hop_failure
from pillarbox.smtp.client import ClientSettings
from pillarbox.smtp.client_ahead import AheadProtocol
from pillarbox.smtp.client_phase import STANDING, Phase

SILENCE_SECONDS = 5.0
"""A server that says nothing for so long is looked at: it may be waiting for TLS."""

_BUSY = b"421"


@dataclass(frozen=True, slots=True)
class Manner:
    """How sessions are held: TLS from the first octet or by STARTTLS, for which host, how long."""

    host: str
    is_implicit: bool
    context: ssl.SSLContext
    limits: Limits


class Conversation:
    """What is said, whatever it is about. Between two calls nothing happens."""

    def __init__(
        self, manner: Manner, settings: ClientSettings, note: Callable[[str], object] | None = None
    ) -> None:
        self._manner = manner
        self._limits = manner.limits
        self._note = note
        self._tls: TlsLayer | None = None
        self._size = 0
        self.core = AheadProtocol(settings)

    def open(self) -> Steps[None]:
        """Greeting, encryption, login: READY, or CLOSED with a failure."""
        core = self.core
        if self._manner.is_implicit:
            core.tls = yield from self._shake_hands(FailureKind.NOT_TLS)
            if core.is_closed:
                return
            # By TLS 1.2 the greeting may come in one piece with the end of the handshake.
            self._take(Progress())
        else:
            yield from self._await_greeting()
        yield from self._converse()
        if core.phase is Phase.HANDSHAKE:
            tls = yield from self._shake_hands(FailureKind.TLS_INJECTED)
            if core.is_closed:
                return
            core.tls_started(tls)
            yield from self._converse()

    def hears(self, meanwhile: Progress) -> bool:
        """Whether a session that was kept ready can still be used: what the server said meanwhile
        counts."""
        if not meanwhile.came and meanwhile.ended is None:
            return True
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
            if core.phase in STANDING:
                if out:
                    yield from self._write(out)
                return
            yield from self._ask(out)

    def _ask(self, out: bytes) -> Steps[None]:
        """Write, if there is something, and read until a whole reply has come."""
        core, seconds = self.core, self._limit()
        replies = core.replies
        if out and self._tls is not None:
            out = self._tls.seal(out)
        progress = yield (
            Write(out, self._limits.block, answer_seconds=seconds) if out else Read(seconds)
        )
        self._take(progress)
        yield from self._hear_out(replies, progress.unsent, seconds)

    def _hear_out(self, replies: int, unsent: bytes, seconds: float) -> Steps[None]:
        """Write the rest, and read until there was more than so many replies: octets that trickle
        in buy no time."""
        core = self.core
        while unsent and not core.is_closed:
            progress = yield Write(unsent, self._limits.block, False, seconds)
            self._take(progress)
            unsent = progress.unsent
        while core.replies == replies and core.is_waiting:
            self._take((yield Read(seconds, is_fresh=False)))

    def _limit(self) -> float:
        match self.core.phase:
            case Phase.CONFIRMATION:
                return self._limits.confirmation_of(self._size)
            case Phase.QUIT:
                return self._limits.farewell
            case _:
                return self._limits.reply_of(self._size if self.core.content_ended else 0)

    def _await_greeting(self) -> Steps[None]:
        """A server that is silent may be one that waits for TLS: another connection shows it. All
        of it takes no longer than the limit for an answer."""
        core = self.core
        seconds = self._limits.reply
        silence, probe = min(SILENCE_SECONDS, seconds / 4), min(SILENCE_SECONDS, seconds / 2)
        first = yield Read(silence)
        if begins_tls(first.came) or (
            first.ended is not None and (yield from self._finds_tls(probe))
        ):
            core.handshake_failed(Failure(FailureKind.TLS_FIRST))
        elif first.ended is Ended.TIMED_OUT:
            self._take((yield Read(seconds - silence - probe)))
        else:
            self._take(first)

    def _finds_tls(self, seconds: float) -> Steps[bool]:
        layer = TlsLayer(self._manner.context, self._manner.host)
        layer.shake_hands()
        answer = yield Probe(layer.pending(), seconds)
        return begins_tls(answer.came)

    def _take(self, progress: Progress) -> None:
        came = progress.came
        if self._tls is not None:
            came = self._tls.unseal(came)
        self._heed(came, progress.ended)

    def _heed(self, came: bytes, ended: Ended | None) -> None:
        core, tls = self.core, self._tls
        if came:
            core.receive(came)
        if ended is Ended.TIMED_OUT:
            core.timed_out()
        elif ended is Ended.CLOSED or (tls is not None and tls.is_over):
            core.connection_lost()

    def _write(self, octets: bytes) -> Steps[None]:
        """Write, and take what is said meanwhile."""
        if self._tls is not None:
            octets = self._tls.seal(octets)
        is_fresh = True
        while octets:
            progress = yield Write(octets, self._limits.block, is_fresh)
            self._take(progress)
            octets = b"" if self.core.is_closed else progress.unsent
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
                yield Write(out, self._limits.block)
            if is_done:
                return None
            progress = yield Read(self._limits.reply, is_first)
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
            progress = yield Read(self._limits.reply, is_fresh=False)
            said += progress.came
        return core.failure

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
