"""The line between a supervisor and its worker: a pair of sockets that keeps messages apart.

The supervisor asks for metrics and readiness, which it serves for all workers together. A worker
says for which lanes of others it has put mail; the supervisor hands that on. What gets lost costs
no mail: owners look into the store every few seconds all the same.

A message is one octet that says what it is, then its body. That of a question and of its answer
begins with the number of the question.
"""

import asyncio
import itertools
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

METRICS = b"M"
READINESS = b"R"
HOPS = b"H"
WAKE = b"W"

MESSAGE_OCTETS = 1024 * 1024
"""No message is larger; the text of all metrics has a tenth of this."""

_LANE_OCTETS = 8
_NUMBER_OCTETS = 4
_NUMBERS = 2 ** (8 * _NUMBER_OCTETS)
_GATHER_SECONDS = 0.005
_MOST_LANES = 1000


class Line:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        with suppress(OSError):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, MESSAGE_OCTETS)
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._on_message: Callable[[bytes, bytes], None] | None = None

    def listen(self, on_message: Callable[[bytes, bytes], None]) -> None:
        """From now on `on_message` is told the kind and the body of what comes."""
        self._on_message = on_message
        self._loop.add_reader(self._end.fileno(), self._readable)

    def send(self, kind: bytes, body: bytes = b"") -> None:
        """Say something; it is lost where the other end does not read."""
        with suppress(OSError):
            self._end.send(kind + body)

    def close(self) -> None:
        """Hang up."""
        if self._end.fileno() >= 0:
            self._loop.remove_reader(self._end.fileno())
            self._end.close()

    def _readable(self) -> None:
        try:
            message = self._end.recv(MESSAGE_OCTETS)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if message and self._on_message is not None:
            self._on_message(message[:1], message[1:])
        else:
            self.close()


class WorkerEnd:
    """The worker's end."""

    def __init__(self, end: socket.socket) -> None:
        self._answers: Mapping[bytes, Callable[[bytes], bytes]] = {}
        self._wake: Callable[[int], None] = _nothing
        self._lanes: set[int] = set()
        self._line = Line(end)

    def listen(
        self, answers: Mapping[bytes, Callable[[bytes], bytes]], wake: Callable[[int], None]
    ) -> None:
        """Answer what the supervisor asks, each kind with the details of the question; `wake` is
        told the lanes that other workers have put mail into."""
        self._answers = answers
        self._wake = wake
        self._line.listen(self._take)

    def wake_owner(self, lane_id: int) -> None:
        """There is mail in a lane of another worker."""
        if not self._lanes:
            asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._tell)
        if len(self._lanes) < _MOST_LANES:
            self._lanes.add(lane_id)

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _tell(self) -> None:
        lanes, self._lanes = self._lanes, set()
        self._line.send(WAKE, b"".join(lane.to_bytes(_LANE_OCTETS) for lane in lanes))

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == WAKE:
            for start in range(0, len(body), _LANE_OCTETS):
                self._wake(int.from_bytes(body[start : start + _LANE_OCTETS]))
        elif kind in self._answers:
            number, question = body[:_NUMBER_OCTETS], body[_NUMBER_OCTETS:]
            self._line.send(kind, number + self._answers[kind](question))


def _nothing(_lane_id: int) -> None:
    """Nobody has to be told yet."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question that is open."""

    number: bytes
    answer: asyncio.Future[bytes]


class SupervisorEnd:
    """The supervisor's end to one worker. `on_wake` is told what that worker says about lanes."""

    def __init__(self, end: socket.socket, on_wake: Callable[[bytes], None]) -> None:
        self._on_wake = on_wake
        self._asked: dict[tuple[bytes, bytes], _Asked] = {}
        self._numbers = itertools.count()
        self._line = Line(end)
        self._line.listen(self._take)

    async def ask(self, kind: bytes, seconds: float, question: bytes = b"") -> bytes | None:
        """What the worker answers; None if it does not in time. Who asks the same while it is asked
        gets the same answer."""
        key = kind, question
        asked = self._asked.get(key)
        if asked is None:
            number = (next(self._numbers) % _NUMBERS).to_bytes(_NUMBER_OCTETS)
            asked = self._asked[key] = _Asked(number, asyncio.get_running_loop().create_future())
            self._line.send(kind, number + question)
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(asked.answer)
        except TimeoutError:
            if self._asked.get(key) is asked:
                del self._asked[key]
            return None

    def wake(self, lanes: bytes) -> None:
        """Hand on what another worker said."""
        self._line.send(WAKE, lanes)

    def close(self) -> None:
        """Hang up."""
        self._line.close()

    def _take(self, kind: bytes, body: bytes) -> None:
        if kind == WAKE:
            self._on_wake(body)
            return
        number, answer = body[:_NUMBER_OCTETS], body[_NUMBER_OCTETS:]
        for key, asked in self._asked.items():
            if key[0] == kind and asked.number == number:
                del self._asked[key]
                asked.answer.set_result(answer)
                return
