"""A server that takes mail and throws it away, quick enough to measure clients by.

It says its port on standard output, and serves until its standard input ends. Replies to all that
came in one read leave in one write, as a server with PIPELINING does. `--delay` is added to each
of its answers: what a round trip over a network takes.
"""

import argparse
import asyncio
import ssl
import sys
from collections import deque
from typing import cast

import uvloop

_END_OF_DATA = b"\r\n.\r\n"
_HELLO = b"250-sink.example\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n"
_REPLIES = {
    b"MAIL": b"250 2.1.0 ok\r\n",
    b"RCPT": b"250 2.1.5 ok\r\n",
    b"RSET": b"250 2.0.0 ok\r\n",
    b"NOOP": b"250 2.0.0 ok\r\n",
    b"DATA": b"354 go\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
_TAKEN = b"250 2.0.0 taken\r\n"


class Sink(asyncio.Protocol):
    """One connection."""

    def __init__(self, extensions: bytes, delay_seconds: float) -> None:
        self._replies = {**_REPLIES, b"EHLO": _HELLO + extensions}
        self._delay = delay_seconds
        self._transport: asyncio.Transport
        self._buffer = b""
        self._left = 0
        """Octets of a chunk that are still to come."""
        self._is_data = False
        self._late: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._say(b"220 sink.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer all that is there."""
        if self._left:
            taken = min(self._left, len(data))
            self._left -= taken
            if self._left:
                return
            data = data[taken:]
            said = [_TAKEN]
        else:
            said = []
        buffer = self._buffer + data if self._buffer else data
        start = self._read(buffer, said)
        self._buffer = buffer[start:]
        if said:
            self._say(b"".join(said))

    def _read(self, buffer: bytes, said: list[bytes]) -> int:
        """Take commands and content; gives where what is not complete begins."""
        start, size = 0, len(buffer)
        while start < size:
            if self._is_data:
                end = buffer.find(_END_OF_DATA, start)
                if end < 0:
                    # No more than what may be the beginning of its end is kept.
                    return max(start, size - len(_END_OF_DATA) + 1)
                self._is_data = False
                said.append(_TAKEN)
                start = end + len(_END_OF_DATA)
                continue
            end = buffer.find(b"\n", start)
            if end < 0:
                return start
            verb = buffer[start : start + 4].upper()
            if verb == b"BDAT":
                octets = int(buffer[start:end].split()[1])
                start = end + 1 + octets
                if start > size:
                    self._left = start - size
                    return size
                said.append(_TAKEN)
                continue
            said.append(self._replies.get(verb, b"502 5.5.1 what?\r\n"))
            self._is_data = verb == b"DATA"
            start = end + 1
        return start

    def _say(self, octets: bytes) -> None:
        if not self._delay:
            self._transport.write(octets)
            return
        self._late.append(octets)
        asyncio.get_running_loop().call_later(self._delay, self._say_late)

    def _say_late(self) -> None:
        octets = self._late.popleft()
        if not self._transport.is_closing():
            self._transport.write(octets)


async def _serve(options: argparse.Namespace) -> None:
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate, options.key)
    words = ["CHUNKING", "PIPELINING"] if options.extended else []
    extensions = b"".join(b"250-%b\r\n" % word.encode() for word in words) + b"250 DSN\r\n"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Sink(extensions, options.delay / 1000), "127.0.0.1", 0, ssl=context
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main(words: list[str]) -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extended", action="store_true", help="offer PIPELINING and CHUNKING")
    parser.add_argument("--delay", type=float, default=0.0, metavar="MS", help="of each answer")
    parser.add_argument("--certificate", default="", help="speak TLS from the first octet")
    parser.add_argument("--key", default="")
    uvloop.run(_serve(parser.parse_args(words)))


if __name__ == "__main__":
    main(sys.argv[1:])
