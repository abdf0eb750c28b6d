"""A next hop whose answers the test decides: it can be shut, refuse, or hold a reply back.

What it takes is written to memory before the 250 goes out, so it counts even if the peer dies.
"""

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import BinaryIO

from tests.e2e.programs import free_port
from tests.e2e.waiting import wait_until

GREETING, END = "greeting", "."
"""As names of moments: before the greeting, and after the end of the content."""

_EHLO = b"250-next-hop.example\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n"
_USUAL = {
    GREETING: b"220 next-hop.example ESMTP\r\n",
    "EHLO": _EHLO,
    "DATA": b"354 Go on\r\n",
    "QUIT": b"221 2.0.0 Bye\r\n",
}


@dataclass(slots=True)
class Taken:
    """A message that was taken: its envelope and content, dots unstuffed."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    octets: bytes = b""


class NextHop:
    """Listens on `port` after `open`, until `shut`.

    `replies[moment]` is used up before the usual answers; a moment is a verb, GREETING or END.
    With `tls` it speaks TLS from the first octet, with `offers_login` it announces AUTH. With
    `starttls` it behaves as smtp.office365.com: STARTTLS, and AUTH by XOAUTH2 behind it; `logins`
    are the responses that came.
    """

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = free_port()
        self.taken: list[Taken] = []
        self.replies: dict[str, deque[bytes]] = {}
        self.offers_login = False
        self.tls: ssl.SSLContext | None = None
        self.starttls: ssl.SSLContext | None = None
        self.logins: list[bytes] = []
        self.held_at = ""
        self.reached = threading.Event()
        self._go_on = threading.Event()
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []
        self._counting = threading.Lock()
        self._open = 0
        self.most_connections = 0
        """So many were open at the same time."""
        self.clients: set[str] = set()
        """Addresses that connections came from."""
        self.begun: list[float] = []
        """When each mail transaction began, in seconds."""

    def open(self) -> None:
        """Listen from now on."""
        self._listener = socket.create_server((self.address, self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def hold(self, moment: str) -> None:
        """Keep every reply of this moment back until `let_go`; `reached` says that one is."""
        self.reached.clear()
        self._go_on.clear()
        self.held_at = moment

    def go_on(self) -> None:
        """Answer at once from now on, those who wait, too."""
        self.held_at = ""
        self._go_on.set()

    def let_go(self) -> None:
        """Answer at once from now on; connections that wait are cut."""
        self._cut()
        self.go_on()

    def shut(self) -> None:
        """Stop listening and cut all connections."""
        if self._listener is not None:
            # close() alone would leave the thread in accept().
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None
        self.let_go()

    def copies(self, text: bytes) -> int:
        """How many messages with this text were taken."""
        return sum(text in message.octets for message in self.taken)

    def wait_for(self, text: bytes, seconds: float) -> Taken:
        """The first message with this text."""
        wait_until(lambda: self.copies(text), seconds, f"{text!r} at the next hop")
        return next(message for message in self.taken if text in message.octets)

    def _cut(self) -> None:
        for connection in self._connections:
            with contextlib.suppress(OSError):
                # That of SSLSocket would first let its thread read TLS as plain text.
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        self._connections.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                return
            self.clients.add(peer[0])
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with self._counting:
            self._open += 1
            self.most_connections = max(self.most_connections, self._open)
        with contextlib.suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as lines:
                self._answer(connection, GREETING)
                self._talk(connection, lines)
        with self._counting:
            self._open -= 1

    def _talk(self, connection: socket.socket, lines: BinaryIO) -> None:
        message = Taken("")
        for line in lines:
            verb = b"".join(line.split(maxsplit=1)[:1]).upper().decode()
            argument = line.partition(b":")[2].strip().decode()
            match verb:
                case "MAIL":
                    self.begun.append(time.monotonic())
                    message = Taken(argument)
                    self._answer(connection, verb)
                case "RCPT":
                    if self._answer(connection, verb):
                        message.recipients.append(argument)
                case "DATA":
                    if self._answer(connection, verb):
                        self._take(connection, lines, message)
                case "STARTTLS" if self.starttls is not None:
                    self._answer(connection, verb)
                    self._start_tls(connection, self.starttls)
                    return
                case "AUTH" if self.starttls is not None:
                    self._log_in(connection, lines, line.split())
                case _:
                    self._answer(connection, verb)

    def _start_tls(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        with (
            context.wrap_socket(connection, server_side=True) as secured,
            secured.makefile("rb") as lines,
        ):
            self._connections.append(secured)
            self._talk(secured, lines)

    def _log_in(self, connection: socket.socket, lines: BinaryIO, words: list[bytes]) -> None:
        response = words[2] if len(words) > 2 else b""
        if not response:
            connection.sendall(b"334 \r\n")
            response = lines.readline().strip()
        self.logins.append(base64.b64decode(response))
        self._answer(connection, "AUTH")

    def _take(self, connection: socket.socket, lines: BinaryIO, message: Taken) -> None:
        content = []
        for line in lines:
            if line == b".\r\n":
                break
            content.append(line.removeprefix(b"."))
        else:
            return
        message.octets = b"".join(content)
        if self._next_reply(END)[:1] == b"2":
            self.taken.append(message)
        self._answer(connection, END)

    def _next_reply(self, moment: str) -> bytes:
        waiting = self.replies.get(moment)
        if waiting:
            return waiting[0]
        if moment == "AUTH":
            return b"235 2.7.0 Authentication successful\r\n"
        if moment == "EHLO" and self.starttls is not None:
            return _EHLO.replace(b"250-8BITMIME", b"250-STARTTLS\r\n250-AUTH LOGIN XOAUTH2")
        if moment == "EHLO" and self.offers_login:
            return _EHLO.replace(b"250-8BITMIME", b"250-AUTH PLAIN LOGIN\r\n250-8BITMIME")
        return _USUAL.get(moment, b"250 2.0.0 OK\r\n")

    def _answer(self, connection: socket.socket, moment: str) -> bool:
        """Send the reply, perhaps late; whether it was a positive one."""
        reply = self._next_reply(moment)
        waiting = self.replies.get(moment)
        if waiting:
            waiting.popleft()
        if self.held_at == moment:
            self.reached.set()
            self._go_on.wait(60)
        connection.sendall(reply)
        return reply[:1] in b"23"
