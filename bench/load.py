"""One process of the load generator: many sessions in one loop, with TLS and logins.

    python -m bench.load TASK

The task is JSON (see `Task`). The process says `ready`, begins at a line on its standard input,
and prints what came of it as JSON. Sessions that hold say `open` first and end at another line.
Sockets do not block, and there is neither a task nor a buffer for each line: this must cost less
than what it measures.
"""

import json
import select
import socket
import ssl
import sys
import time
from dataclasses import asdict, dataclass

from bench.dialogue import START_TLS, Counts, Script, UnexpectedReplyError, content_of, talk
from bench.profiles import Door

READ_OCTETS = 65536
SILENCE_SECONDS = 60
"""A service that says nothing for so long to anybody has failed."""


@dataclass(frozen=True, slots=True)
class Task:
    """So many messages, `sessions` at once, to a port of 127.0.0.1."""

    port: int
    messages: int
    sessions: int
    script: Script

    @classmethod
    def from_json(cls, text: str) -> "Task":
        """Read what `json.dumps(asdict(task))` wrote."""
        task = json.loads(text)
        script = task.pop("script")
        script |= {"door": Door(script["door"]), "recipients": tuple(script["recipients"])}
        return cls(script=Script(**script), **task)


class Client:
    """One connection: the dialogue over a socket that does not block."""

    def __init__(self, task: Task, content: bytes, messages: int, counts: Counts) -> None:
        self._dialogue = talk(task.script, content, messages, counts)
        self._counts = counts
        self._said = b""
        self._unsent = memoryview(b"")
        self._shakes_hands = False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.connect_ex(("127.0.0.1", task.port))
        self.number = self.socket.fileno()
        self._begun = False

    def wants(self) -> int:
        """What to wait for."""
        if self._unsent or not self._begun:
            return select.EPOLLIN | select.EPOLLOUT
        return select.EPOLLIN

    def go_on(self) -> bool:
        """Do what can be done without waiting; whether the session goes on."""
        try:
            if not self._begun:
                self._begun = True
                self._take(next(self._dialogue))
            elif self._shakes_hands:
                self._shake_hands()
            elif self._unsent:
                self._send()
            else:
                self._read()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            return True
        except StopIteration:
            self.socket.close()
            return False
        except (OSError, UnexpectedReplyError) as error:
            self._counts.failed(str(error))
            self.socket.close()
            return False
        return True

    def _read(self) -> None:
        octets = self.socket.recv(READ_OCTETS)
        self._said += octets
        if octets and not _is_whole(self._said):
            return
        reply, self._said = self._said, b""
        self._take(self._dialogue.send(reply))

    def _take(self, octets: bytes) -> None:
        """Do what the dialogue asks for."""
        if octets is START_TLS:
            self.socket = _CONTEXT.wrap_socket(
                self.socket, do_handshake_on_connect=False, server_hostname="localhost"
            )
            self._shakes_hands = True
            self._shake_hands()
        elif octets:
            self._unsent = memoryview(octets)
            self._send()

    def _shake_hands(self) -> None:
        assert isinstance(self.socket, ssl.SSLSocket)
        self.socket.do_handshake()
        self._shakes_hands = False
        self._take(next(self._dialogue))

    def _send(self) -> None:
        while self._unsent:
            self._unsent = self._unsent[self.socket.send(self._unsent) :]


def _is_whole(said: bytes) -> bool:
    """Whether this ends with the last line of a reply (RFC 5321 section 4.2.1)."""
    return said.endswith(b"\r\n") and said[said.rfind(b"\n", 0, -1) + 4 :][:1] != b"-"


def _context() -> ssl.SSLContext:
    """It measures, and does not guard anything: certificates are not checked."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


_CONTEXT = _context()


def send_all(task: Task, counts: Counts) -> list[Client]:
    """Run all sessions of a task; those that hold are given back open."""
    content = content_of(task.script)
    left, clients = task.messages, {}
    epoll = select.epoll()

    def begin() -> None:
        nonlocal left
        count = min(task.script.per_session, left)
        left -= count
        client = Client(task, content, count, counts)
        clients[client.number] = client
        epoll.register(client.number, client.wants())

    for _ in range(min(task.sessions, left)):
        begin()
    while clients:
        if task.script.holds and counts.ready + sum(counts.errors.values()) == task.sessions:
            break
        events = epoll.poll(SILENCE_SECONDS)
        if not events:
            counts.failed(f"nothing was said for {SILENCE_SECONDS} s")
            break
        for number, _ in events:
            client = clients[number]
            before = client.wants()
            if client.go_on():
                if client.wants() != before:
                    epoll.modify(number, client.wants())
                continue
            del clients[number]
            if left and not counts.errors:
                begin()
    return list(clients.values())


def main() -> None:
    """Say `ready`, wait for a line, work, say what came of it."""
    task = Task.from_json(sys.argv[1])
    counts = Counts()
    print("ready", flush=True)
    sys.stdin.readline()
    computed = time.process_time()
    begun = time.monotonic()
    clients = send_all(task, counts)
    ended = time.monotonic()
    computed = time.process_time() - computed
    if task.script.holds:
        print("open", flush=True)
        sys.stdin.readline()
        counts.ready = sum(_is_open(client.socket) for client in clients)
    said = {"begun": begun, "ended": ended, "cpu_seconds": computed, "counts": asdict(counts)}
    print(json.dumps(said), flush=True)


def _is_open(connection: socket.socket) -> bool:
    """Whether the other side has not closed."""
    try:
        return bool(connection.recv(1))
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        return False


if __name__ == "__main__":
    main()
