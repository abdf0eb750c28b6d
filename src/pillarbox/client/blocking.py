"""The wire of the blocking client: a socket, and nothing that runs beside it."""

import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeAlias

from pillarbox.client.session import Session
from pillarbox.client.steps import (
    READ_OCTETS,
    Ended,
    Probe,
    Progress,
    Pull,
    Read,
    Script,
    Step,
    Steps,
    T,
    Write,
)

ADDRESS_SECONDS = 5.0
"""For one address of a name, where there are others to try."""

_NOTHING = Progress()
_CLOSED = Progress(ended=Ended.CLOSED)
_TIMED_OUT = Progress(ended=Ended.TIMED_OUT)


def connect(host: str, port: int, *, seconds: float) -> socket.socket:
    """Connect to the first address that answers. Raises OSError."""
    deadline = time.monotonic() + seconds
    infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    error = OSError()
    for left, (family, kind, protocol, _, address) in zip(
        range(len(infos), 0, -1), infos, strict=True
    ):
        rest = deadline - time.monotonic()
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(max(min(rest, ADDRESS_SECONDS) if left > 1 else rest, 0.001))
            made.connect(address)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return made
        except OSError as exc:
            made.close()
            error = exc
    raise error


_Wait: TypeAlias = Callable[[float], object]
"""Waits for so many milliseconds; what it gives is true where something can be done."""


def _waits(connection: socket.socket) -> tuple[_Wait, _Wait]:
    """What waits for reading, and for reading or writing."""
    if not hasattr(select, "poll"):
        own = [connection]
        return (
            lambda wait: any(select.select(own, [], [], wait / 1000)),
            lambda wait: any(select.select(own, own, [], wait / 1000)),
        )
    reading, both = select.poll(), select.poll()
    reading.register(connection, select.POLLIN)
    both.register(connection, select.POLLIN | select.POLLOUT)
    return reading.poll, both.poll


class BlockingWire:
    """Carries out the steps of one session."""

    def __init__(self, connection: socket.socket) -> None:
        """Raises OSError for a connection that is over."""
        connection.setblocking(False)
        self._socket = connection
        try:
            self._peer: tuple[str, int] = connection.getpeername()[:2]
        except OSError:
            # It was reset before anybody could ask who it is.
            connection.close()
            raise
        self._deadline = 0.0
        self._is_broken = False
        self._wait_to_read, self._wait_for_both = _waits(connection)

    @property
    def local_address(self) -> str:
        """The address of this end."""
        return str(self._socket.getsockname()[0])

    @property
    def peer_address(self) -> str:
        """The address of the server."""
        return self._peer[0]

    def run(self, steps: Steps[T]) -> T:
        """Carry out all steps. Raises what reading a file of content raises."""
        try:
            step = next(steps)
            while True:
                step = steps.send(self._carry_out(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def peek(self) -> Progress:
        """Take what has come, without waiting."""
        # Asking costs less than an error that says that there is nothing.
        return self._receive() if self._wait_to_read(0) else _NOTHING

    def close(self) -> None:
        """Drop the connection."""
        self._socket.close()

    def leave(self, session: Session) -> None:
        """Say good-bye where the session stands, and close, without waiting for anything."""
        if session.core.is_ready:
            with suppress(OSError):
                self._socket.send(session.last_words())
        self._socket.close()

    def _carry_out(self, step: Step) -> Progress:
        match step:
            case Script():
                return self._follow(step)
            case Write():
                octets, seconds, is_fresh, answer_seconds = step
                return self._write(octets, seconds if is_fresh else self._left(), answer_seconds)
            case Read():
                return self._read(step.seconds if step.is_fresh else self._left())
            case Pull():
                return Progress(next(step.source, b""))
            case Probe():
                return self._probe(step)

    def _follow(self, script: Script) -> Progress:
        tls = script.tls
        for octets, _, _, is_content in script.turns:
            out = octets if tls is None else tls.seal(octets)
            seconds = script.content_seconds if is_content else script.answer_seconds
            progress = self._write(out, script.seconds, seconds)
            if not script.hears(progress):
                return progress
        return _NOTHING

    def _write(self, octets: bytes, seconds: float, answer_seconds: float) -> Progress:
        try:
            left = octets[self._socket.send(octets) :] if octets else b""
        except OSError:
            # Whatever it is, the next attempt meets it, too.
            left = octets
        if left:
            self._deadline = time.monotonic() + seconds
            progress = self._push(left)
            if progress is not _NOTHING:
                return progress
        return self._read(answer_seconds) if answer_seconds else _NOTHING

    def _push(self, octets: bytes) -> Progress:
        """Write up to the deadline what the server does not take at once."""
        view = memoryview(octets)
        while view and not self._is_broken:
            try:
                view = view[self._socket.send(view) :]
            except BlockingIOError:
                if not self._wait_for_both(self._left() * 1000):
                    return _TIMED_OUT
                heard = self._receive()
                if heard.came or heard.ended is not None:
                    return Progress(heard.came, bytes(view), heard.ended)
            except OSError:
                # What the server said before it closed still counts: it is read next.
                self._is_broken = True
        return _NOTHING

    def _read(self, seconds: float) -> Progress:
        """What comes within so many seconds from now, which are the limit for all that follows."""
        self._deadline = time.monotonic() + seconds
        return self._receive() if self._wait_to_read(seconds * 1000) else _TIMED_OUT

    def _left(self) -> float:
        """Seconds up to the deadline."""
        return max(self._deadline - time.monotonic(), 0.0)

    def _receive(self) -> Progress:
        """What is there now."""
        try:
            came = self._socket.recv(READ_OCTETS)
        except BlockingIOError:
            return _NOTHING
        except OSError:
            return _CLOSED
        return Progress(came) if came else _CLOSED

    def _probe(self, step: Probe) -> Progress:
        host, port = self._peer
        deadline = time.monotonic() + step.seconds
        try:
            with socket.create_connection((host, port), timeout=step.seconds) as other:
                other.sendall(step.octets)
                other.settimeout(max(deadline - time.monotonic(), 0.001))
                return Progress(other.recv(READ_OCTETS))
        except OSError:
            return Progress()
