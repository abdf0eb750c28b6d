"""A Unix socket in the data folder by which commands ask the running service what only it knows.

Nobody but the user of the service and root can open it: what it tells names the domains that mail
goes to. A question is one line, the answer all that follows until the end.
"""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pillarbox.observe.log import log

NAME = "service.socket"
QUESTION_OCTETS = 256 * 1024
QUESTION_SECONDS = 5.0
ANSWER_SECONDS = 10.0
_BLOCK = 65_536


class ServiceSocket:
    """The service's end."""

    def __init__(self, folder: Path, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self._folder = folder
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; where that can not be, it costs the answers, never the mail."""
        try:
            bound = _bind(self._folder)
            self._server = await asyncio.start_unix_server(
                self._serve, sock=bound, limit=QUESTION_OCTETS
            )
        except OSError as error:
            log.error("service.socket_not_bound", folder=str(self._folder), cause=str(error))

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            (self._folder / NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question, one answer."""
        try:
            async with asyncio.timeout(QUESTION_SECONDS):
                question = await reader.readline()
            answer = await self._answer(question)
            async with asyncio.timeout(QUESTION_SECONDS):
                writer.write(answer)
                await writer.drain()
        except (TimeoutError, OSError, ValueError):
            # Whoever asked went away, or says what is no question.
            return
        finally:
            writer.close()


def _bind(folder: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        (folder / NAME).unlink()
    bound = socket.socket(socket.AF_UNIX)
    try:
        with _short(folder) as name:
            bound.bind(name)
            # Nobody can connect before it listens.
            (folder / NAME).chmod(0o600)
    except OSError:
        bound.close()
        raise
    return bound


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A name of the socket that fits its 108 octets, however long that of the folder is."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{NAME}"
    finally:
        os.close(descriptor)


def ask_service(folder: Path, question: bytes) -> bytes:
    """Ask the service that runs on this folder. Raises OSError: none does, or not for this user."""
    with socket.socket(socket.AF_UNIX) as end:
        end.settimeout(ANSWER_SECONDS)
        with _short(folder) as name:
            end.connect(name)
        end.sendall(question + b"\n")
        blocks = []
        while block := end.recv(_BLOCK):
            blocks.append(block)
    return b"".join(blocks)
