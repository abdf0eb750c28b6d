"""Taking connections from a listening socket by hand."""

import asyncio
import errno
import socket
from typing import cast

import pytest

from pillarbox.reception import tls_server
from pillarbox.reception.tls_server import TlsServer


class Taken:
    """A connection that only notes where its client is."""

    def __init__(self, addresses: "asyncio.Queue[str]") -> None:
        self._addresses = addresses

    def accepted(self, accepted: socket.socket, address: str) -> None:
        """Note the client and hang up."""
        self._addresses.put_nowait(address)
        accepted.close()


class Exhausted:
    """A listening socket whose first accept fails as if no file could be opened any more."""

    def __init__(self, bound: socket.socket) -> None:
        self._bound = bound
        self.failures = 1

    def accept(self) -> tuple[socket.socket, object]:
        """Fail, then work."""
        if self.failures:
            self.failures -= 1
            raise OSError(errno.EMFILE, "Too many open files")
        return self._bound.accept()

    def fileno(self) -> int:
        """The descriptor of the real one."""
        return self._bound.fileno()

    def close(self) -> None:
        """Close the real one."""
        self._bound.close()


def _bound() -> socket.socket:
    bound = socket.create_server(("127.0.0.1", 0))
    bound.setblocking(False)
    return bound


async def test_clients_are_taken_until_the_end() -> None:
    """Each with its address; nobody after the end."""
    addresses: asyncio.Queue[str] = asyncio.Queue()
    bound = _bound()
    port = bound.getsockname()[1]
    server = TlsServer(bound, lambda: Taken(addresses))

    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await addresses.get() == "127.0.0.1"
        writer.close()
    server.close()
    server.close()

    with pytest.raises(OSError, match="Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_server_recovers_from_too_many_open_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """It pauses, and takes the client that waited."""
    monkeypatch.setattr(tls_server, "PAUSE_SECONDS", 0.01)
    addresses: asyncio.Queue[str] = asyncio.Queue()
    exhausted = Exhausted(_bound())
    port = exhausted._bound.getsockname()[1]
    server = TlsServer(cast("socket.socket", exhausted), lambda: Taken(addresses))

    _, writer = await asyncio.open_connection("127.0.0.1", port)

    assert await addresses.get() == "127.0.0.1"
    assert exhausted.failures == 0
    writer.close()
    server.close()
