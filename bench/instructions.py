"""Instructions per message: a measure that nothing else on the machine disturbs.

    python -m bench.instructions [PROFILE …] [--messages N]

One worker of the service runs under callgrind (Debian: `apt-get install valgrind faketime`);
clients and the next hop run beside it and are not counted, nor is the kernel. Its clock is slowed
down as it is itself, or what it does each second would count fifty times; what is left of that is
measured first and taken off.

How many messages share a commit would be chance, and it shows in the figure. So the lock by which
workers take turns at writing is kept from this one until all sessions wait for their 250.
"""

import argparse
import fcntl
import shutil
import smtplib
import socket
import socketserver
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.callgrind_worker import PASSWORD, SENDER, Worker

LINE = b"x" * 74 + b"\r\n"
TAKEN = b"250 2.0.0 Taken\r\n"
TAKEN_CODE = 250
IDLE_SECONDS = 10.0
SHORTEST_TURN, LONGEST_TURN = 0.02, 5.0
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Profile:
    """A load, by the names of docs/performance.md. `share` is its part of the usual messages."""

    listener: str
    per_session: int
    size_octets: int = 4096
    recipients: int = 1
    share: float = 1.0


PROFILES = {
    "P1": Profile("plain", 1),
    "P2": Profile("plain", 100),
    "P3": Profile("starttls", 1, share=0.5),
    "P4": Profile("tls", 50),
    "P5": Profile("plain", 1, size_octets=1024 * 1024, share=0.1),
    "P8": Profile("plain", 1, recipients=20, share=0.25),
    "P9": Profile("plain", 20, size_octets=100 * 1024, share=0.5),
}


class NextHop(socketserver.ThreadingTCPServer):
    """Takes everything, and counts the recipients to whom it came."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.taken = 0
        self.changed = threading.Condition()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def wait_for(self, taken: int) -> None:
        """Until so many have come in all."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.taken >= taken, PATIENCE_SECONDS):
                raise TimeoutError(f"{self.taken} of {taken} came to the next hop")


class Session(socketserver.BaseRequestHandler):
    """One connection of the next hop; like most it answers a group of commands in one piece."""

    server: NextHop

    def handle(self) -> None:
        """Talk until the other side hangs up."""
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.request.sendall(b"220 hop.example ESMTP\r\n")
        self._in_content, self._recipients = False, 0
        waiting = b""
        while octets := self.request.recv(1 << 18):
            replies = []
            waiting += octets
            while (end := waiting.find(b"\r\n.\r\n" if self._in_content else b"\r\n")) >= 0:
                replies.append(self._answer(waiting[:end]))
                waiting = waiting[end + 5 :] if replies[-1] is TAKEN else waiting[end + 2 :]
            if replies:
                self.request.sendall(b"".join(replies))

    def _answer(self, octets: bytes) -> bytes:
        if self._in_content:
            self._in_content = False
            with self.server.changed:
                self.server.taken += self._recipients
                self.server.changed.notify_all()
            self._recipients = 0
            return TAKEN
        match octets[:4].upper():
            case b"EHLO":
                return (
                    b"250-hop.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 104857600\r\n"
                )
            case b"RCPT":
                self._recipients += 1
            case b"DATA":
                self._in_content = True
                return b"354 Go on\r\n"
        return b"250 2.1.0 OK\r\n"


class Turns:
    """Another worker, as far as the one that is measured can see: it takes turns at writing, and
    its own last until there is nothing to be done by anybody before the next commit."""

    def __init__(self, folder: Path, is_quiet: Callable[[], bool]) -> None:
        self._lock = (folder / "pillarbox.sqlite3-turns").open("wb")
        self._is_quiet = is_quiet
        self._changed = threading.Condition()
        self._sessions = self._waiting = self._owed = 0
        threading.Thread(target=self._run, daemon=True).start()

    @contextmanager
    def session(self) -> Iterator[None]:
        """There is a session more."""
        self._count(sessions=1)
        try:
            yield
        finally:
            self._count(sessions=-1)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A session waits for its 250."""
        self._count(waiting=1)
        try:
            yield
        finally:
            self._count(waiting=-1)

    def _count(self, *, sessions: int = 0, waiting: int = 0) -> None:
        with self._changed:
            self._sessions += sessions
            self._waiting += waiting
            self._owed += min(waiting, 0)
            self._changed.notify_all()

    def _wants_commit(self) -> bool:
        return self._owed <= 0 and self._waiting >= self._sessions

    def _run(self) -> None:
        while True:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            with self._changed:
                self._changed.wait_for(self._wants_commit, LONGEST_TURN)
            while not self._is_quiet():
                time.sleep(SHORTEST_TURN)
            self._owed = self._waiting
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            time.sleep(SHORTEST_TURN)


class Load:
    """Sends mail of a profile over so many sessions at once."""

    def __init__(self, worker: Worker, hop: NextHop, folder: Path, sessions: int) -> None:
        self._worker, self._hop = worker, hop
        self._sessions = sessions
        self._turns = Turns(folder, worker.is_quiet)
        self._context = ssl.create_default_context(cafile=folder / "tls/ca.pem")
        self._expected = 0

    def send(self, profile: Profile, messages: int) -> None:
        """Send so many messages and wait until the next hop has them."""
        self._expected += messages * profile.recipients
        sessions = max(-(-messages // profile.per_session), self._sessions)
        with ThreadPoolExecutor(self._sessions) as pool:
            share = [messages // sessions + (i < messages % sessions) for i in range(sessions)]
            list(pool.map(lambda count: self._session(profile, count), share))
        self._hop.wait_for(self._expected)
        self._worker.wait_until_quiet()

    def _session(self, profile: Profile, messages: int) -> None:
        port = self._worker.ports[profile.listener]
        recipients = [f"user@d{number}.example" for number in range(profile.recipients)]
        head = f"From: {SENDER}\r\nTo: {recipients[0]}\r\nSubject: measured\r\n\r\n".encode()
        text = head + LINE * ((profile.size_octets - len(head)) // len(LINE)) + b".\r\n"
        with self._turns.session(), self._connect(profile, port) as client:
            client.ehlo()
            for _ in range(messages):
                client.mail(SENDER)
                for recipient in recipients:
                    client.rcpt(recipient)
                client.docmd("DATA")
                client.send(text)
                with self._turns.waiting():
                    code, reply = client.getreply()
                if code != TAKEN_CODE:
                    raise RuntimeError(reply.decode())

    def _connect(self, profile: Profile, port: int) -> smtplib.SMTP:
        name, seconds = "client.example", PATIENCE_SECONDS
        client = (
            smtplib.SMTP_SSL("localhost", port, name, timeout=seconds, context=self._context)
            if profile.listener == "tls"
            else smtplib.SMTP("localhost", port, name, timeout=seconds)
        )
        if profile.listener == "starttls":
            client.starttls(context=self._context)
        if profile.listener != "plain":
            client.login(SENDER, PASSWORD, initial_response_ok=True)
        return client


@contextmanager
def running(sessions: int) -> Iterator[tuple[Worker, Load]]:
    """A worker, and the load for it."""
    folder = Path(tempfile.mkdtemp(prefix="pillarbox-instructions-"))
    hop = NextHop()
    worker = Worker(folder, hop.server_address[1])
    try:
        yield worker, Load(worker, hop, folder, sessions)
    finally:
        worker.stop()
        hop.shutdown()
        shutil.rmtree(folder)


def measure(worker: Worker, load: Load, name: str, messages: int) -> None:
    """One line for one profile."""
    profile = PROFILES[name]
    messages = max(int(messages * profile.share), 20)
    load.send(profile, messages // 2)
    worker.zero()
    time.sleep(IDLE_SECONDS)
    idle = worker.counted() / IDLE_SECONDS
    before = worker.commits()
    worker.zero()
    begun = time.monotonic()
    load.send(profile, messages)
    seconds = time.monotonic() - begun
    counted = worker.counted() - idle * seconds
    commits, items = (now - then for now, then in zip(worker.commits(), before, strict=True))
    print(
        f"{name}  {counted / messages / 1e6:7.3f} M a message"
        f"  ({messages} messages, {items / commits:.1f} pieces of work a commit,"
        f" idle {idle / 1e6:.2f} M a second, {messages / seconds:.0f} a second)",
        flush=True,
    )


def main() -> None:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("profiles", nargs="*", choices=[[], *PROFILES], metavar="PROFILE")
    parser.add_argument("--messages", type=int, default=400)
    parser.add_argument("--sessions", type=int, default=10)
    options = parser.parse_args()
    with running(options.sessions) as (worker, load):
        for name in options.profiles or PROFILES:
            measure(worker, load, name, options.messages)


if __name__ == "__main__":
    main()
