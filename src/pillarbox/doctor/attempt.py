"""One session with one port in one way of encryption, step by step. It records and never judges."""

import asyncio
import time

from pillarbox.client.look import Door, Sight, Watcher, look
from pillarbox.diagnosis.facts import Attempt, Stage, Step
from pillarbox.doctor.talk import CONNECT_SECONDS, Means, Place
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.net.reach import in_words, stream_failure
from pillarbox.net.streams import PlainStream
from pillarbox.smtp.client_phase import Phase

KEPT_OCTETS = 16_384
"""So much of what a server says in one stage is kept."""

_STAGES = {
    Phase.GREETING: Stage.BANNER,
    Phase.HELLO: Stage.EHLO,
    Phase.STARTTLS: Stage.STARTTLS,
    Phase.HANDSHAKE: Stage.TLS,
    Phase.READY: Stage.AUTH,
}


class _Record(Watcher):
    """The steps so far; the last one is open."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.stage = Stage.TCP
        self._heard = bytearray()
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    def notice(self, phase: Phase) -> None:
        """A phase of the protocol begins: the step before it went well."""
        stage = _STAGES[phase]
        if stage is Stage.EHLO and any(step.stage is Stage.EHLO for step in self.steps):
            # After STARTTLS it is said again; what is offered under TLS are the logins.
            stage = Stage.AUTH
        if stage is not self.stage:
            self.end(is_ok=True)
            self.stage = stage

    def hear(self, octets: bytes) -> None:
        """Keep what the server says, within bounds."""
        self._heard += octets[: KEPT_OCTETS - len(self._heard)]

    def end(self, *, is_ok: bool, detail: str = "") -> None:
        """The open step is over."""
        now = self._clock()
        milliseconds = round((now - self._began) * 1000)
        self.steps.append(Step(self.stage, is_ok, milliseconds, detail, bytes(self._heard)))
        self._heard.clear()
        self._began = now


async def attempt(place: Place, means: Means) -> Attempt:
    """Go as far as it goes without a login. Raises nothing."""
    record, began_at = _Record(), time.time()
    sight = Sight()
    try:
        sight = await _session(place, means, record)
        failure = sight.failure
    except TimeoutError:
        failure = _timed_out(record.stage)
    except OSError as exc:
        failure = stream_failure(exc)
    if failure is None:
        record.end(is_ok=True, detail=" ".join(sight.mechanisms) or "no login")
    else:
        record.end(is_ok=False, detail=in_words(failure))
    return Attempt(
        address=place.address,
        port=place.port,
        encryption=place.encryption,
        steps=tuple(record.steps),
        failure=failure,
        mechanisms=sight.mechanisms,
        before_tls=sight.before_tls,
        began_at=began_at,
    )


async def _session(place: Place, means: Means, record: _Record) -> Sight:
    async with asyncio.timeout(CONNECT_SECONDS):
        plain = PlainStream(*await means.connect(place.address, place.port))
    try:
        async with asyncio.timeout(means.session_seconds):
            door = Door(place.host, place.encryption, means.trust)
            return await look(plain, door, watcher=record)
    finally:
        plain.close()


def _timed_out(stage: Stage) -> Failure:
    match stage:
        case Stage.TCP:
            return Failure(FailureKind.CONNECTION_TIMED_OUT)
        case Stage.TLS:
            return Failure(FailureKind.HANDSHAKE_FAILED, "it took too long")
        case _:
            return Failure(FailureKind.REPLY_TIMED_OUT, stage.value)


def left_waiting(place: Place) -> Attempt:
    """What is recorded of an attempt that was given up because the port works the other way: it
    took the connection and said nothing."""
    return Attempt(
        place.address,
        place.port,
        place.encryption,
        (Step(Stage.TCP, True, 0), Step(Stage.BANNER, False, 0, "given up")),
        Failure(FailureKind.REPLY_TIMED_OUT, "given up"),
    )
