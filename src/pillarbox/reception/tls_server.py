"""Takes connections for a listener with TLS from the first octet.

The servers of the event loops keep a failed handshake to themselves. This one hands over the
socket, so that the connection sees why it failed, can be refused before it costs a handshake, and
uses the certificate of the moment.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Protocol

from pillarbox.observe.log import log
from pillarbox.reception.own_look import address_of

ACCEPTED_AT_ONCE = 100
"""Then others get their turn."""

PAUSE_SECONDS = 1.0
"""After an error such as too many open files."""


class Accepting(Protocol):
    """A connection that begins with a socket."""

    def accepted(self, accepted: socket.socket, address: str) -> None:
        """A client has connected."""
        ...


class TlsServer:
    """Serves one bound and listening socket until `close`."""

    def __init__(self, bound: socket.socket, connect: Callable[[], Accepting]) -> None:
        self._bound = bound
        self._connect = connect
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self._resume()

    def close(self) -> None:
        """Take no more connections."""
        if not self._is_closed:
            self._is_closed = True
            self._loop.remove_reader(self._bound.fileno())
            self._bound.close()

    def _resume(self) -> None:
        if not self._is_closed:
            self._loop.add_reader(self._bound.fileno(), self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                accepted, peer = self._bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("reception.accept_failed", cause=str(error))
                self._loop.remove_reader(self._bound.fileno())
                self._loop.call_later(PAUSE_SECONDS, self._resume)
                return
            accepted.setblocking(False)
            self._connect().accepted(accepted, address_of(peer, accepted.getsockname))
