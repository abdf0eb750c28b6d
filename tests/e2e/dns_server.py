"""A DNS server for the service under test, in a thread."""

import socket
import threading
from contextlib import suppress

from tests.support.mail_world import World


class DnsServer:
    """Answers what its `world` says, from `start` to `stop`."""

    def __init__(self) -> None:
        self.world = World()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]

    def start(self) -> None:
        """Answer from now on."""
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        with suppress(OSError):
            # Wakes the thread, which then finds the socket closed.
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                question, sender = self._socket.recvfrom(4096)
                if question and (answer := self.world.answer(question)) is not None:
                    self._socket.sendto(answer, sender)
