"""Clients that send what no mail program would, and what the worker needs in the meantime."""

import base64
import contextlib
import re
import resource
import select
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

PATIENCE_SECONDS = 60.0
HASHES_AT_ONCE = 8
"""So many that each of the two threads has more than one."""
BLOCK = 1 << 16
MIB = 1 << 20


class Talker:
    """One connection that sends octets as they are, also when nobody wants them any more."""

    def __init__(self, service: Pillarbox, *, tls: bool = False, local: str = "127.0.0.1") -> None:
        port = service.tls_port if tls else service.starttls_port
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS, (local, 0))
        self._said = b""
        try:
            if tls:
                context = ssl.create_default_context(cafile=service.ca_file)
                self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
            self.greeting = self.reply()
        except OSError:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def reply(self) -> str:
        """One reply with all its lines; "" at the end of the connection."""
        while not (whole := re.match(rb"(?:\d{3}-.*\r\n)*\d{3} .*\r\n", self._said)):
            if not self._read():
                return ""
        self._said = self._said[whole.end() :]
        return whole[0].decode()

    def to_end(self) -> str:
        """All that comes until the other side closes."""
        while self._read():
            pass
        return self._said.decode()

    def _read(self) -> bool:
        try:
            octets = self.socket.recv(BLOCK)
        except (ConnectionError, ssl.SSLError):
            return False
        self._said += octets
        return bool(octets)

    def send(self, octets: bytes) -> bool:
        """Send all of it; False if the other side has closed. Replies are taken meanwhile."""
        view = memoryview(octets)
        while view:
            self.has_ended()
            try:
                view = view[self.socket.send(view[:BLOCK]) :]
            except (ConnectionError, ssl.SSLError):
                return False
        return True

    def send_many(self, octets: bytes, times: int) -> bool:
        """Send a block so many times; False if the other side has closed before the end."""
        return all(self.send(octets) for _ in range(times))

    def has_ended(self) -> bool:
        """Take the replies that are there; whether the other side has closed behind them.

        Nobody who floods a server waits for it, but a reply that is not read gets lost with a
        connection that is reset.
        """
        while select.select([self.socket], [], [], 0)[0]:
            if not self._read():
                return True
        return False

    def command(self, line: str) -> str:
        """Send a command line; its reply."""
        self.send(line.encode() + b"\r\n")
        return self.reply()

    def log_in(self, service: Pillarbox) -> "Talker":
        """EHLO and AUTH."""
        self.command("EHLO client.example")
        secret = base64.b64encode(f"\0{service.username}\0{service.password}".encode()).decode()
        assert self.command(f"AUTH PLAIN {secret}").startswith("235 ")
        return self

    def open(self, service: Pillarbox, mail: str = "", *, data: bool = True) -> "Talker":
        """A transaction up to the 354."""
        assert self.command(f"MAIL FROM:<{service.username}>{mail}").startswith("250 ")
        assert self.command("RCPT TO:<bob@next.example>").startswith("250 ")
        if data:
            assert self.command("DATA").startswith("354 ")
        return self


def fill_hash_threads(service: Pillarbox) -> None:
    """Have both threads that hash passwords do it often enough to have what they keep.

    A hash takes 19 MiB. That of the first one malloc maps and gives back; from then on it serves
    such pieces from the heap of the thread, which it does not cut back. A login is remembered for a
    minute, so the second hash would come, and stay, in the middle of what is measured.
    """
    with ExitStack() as stack:
        talkers = [
            stack.enter_context(Talker(service, tls=True, local=f"127.0.6.{number}"))
            for number in range(1, HASHES_AT_ONCE + 1)
        ]
        for talker in talkers:
            talker.command("EHLO client.example")
        for number, talker in enumerate(talkers):
            # Equal ones would share one hash.
            secret = base64.b64encode(f"\0nobody\0{number}".encode())
            talker.send(b"AUTH PLAIN " + secret + b"\r\n")
        assert {talker.reply()[:3] for talker in talkers} == {"535"}


def worker(service: Pillarbox) -> int:
    """The process id of the worker that was started last."""
    return int(service.events("worker.started")[-1]["pid"])


def memory_octets(service: Pillarbox) -> int:
    """What the worker has in memory now (RSS)."""
    status = Path(f"/proc/{worker(service)}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def memory_needed(service: Pillarbox, work: Callable[[], None]) -> int:
    """How many octets more than before the worker had at most while this was done."""
    process = Path(f"/proc/{worker(service)}")
    # Forget the most that there was so far (proc(5)).
    (process / "clear_refs").write_text("5")
    before = memory_octets(service)
    work()
    most = (process / "status").read_text().partition("VmHWM:")[2].split()[0]
    return int(most) * 1024 - before


def refused(service: Pillarbox, refusal: str) -> float:
    """How often the metrics counted a refusal."""
    name = f'pillarbox_reception_refusals_total{{refusal="{refusal}"}} '
    lines = service.get("/metrics")[1].splitlines()
    return sum(float(line.removeprefix(name)) for line in lines if line.startswith(name))


def send_mail(service: Pillarbox, local: str) -> float:
    """A message from another address, as an honest client sends it; the seconds that it took."""
    context = ssl.create_default_context(cafile=service.ca_file)
    begun = time.monotonic()
    with smtplib.SMTP_SSL(
        "localhost",
        service.tls_port,
        context=context,
        timeout=PATIENCE_SECONDS,
        source_address=(local, 0),
    ) as client:
        client.login(service.username, service.password)
        text = f"From: {service.username}\r\nSubject: honest\r\n\r\nHello\r\n"
        client.sendmail(service.username, ["bob@next.example"], text)
    return time.monotonic() - begun


def connect_many(port: int, count: int, local: str) -> list[socket.socket]:
    """So many connections from one address; those that can not be made are left out."""
    connections = []
    for _ in range(count):
        with contextlib.suppress(OSError):
            connections.append(socket.create_connection(("127.0.0.1", port), 10, (local, 0)))
    return connections


def connect_from_many(port: int, count: int, *, addresses: int) -> list[socket.socket]:
    """So many connections from each of some addresses."""
    return [
        connection
        for number in range(1, addresses + 1)
        for connection in connect_many(port, count, f"127.0.1.{number}")
    ]


def flood_both_ports(service: Pillarbox) -> None:
    """200 connections to each, from four addresses; then wait until both serve again."""
    for port in (service.starttls_port, service.tls_port):
        connections = connect_from_many(port, 50, addresses=4)
        first_words(connections, 1)
        for connection in connections:
            connection.close()
        wait_until(lambda: _is_served(service), PATIENCE_SECONDS, "a client that is served again")


def _is_served(service: Pillarbox) -> bool:
    try:
        with Talker(service) as plain, Talker(service, tls=True) as encrypted:
            return plain.greeting == encrypted.greeting != ""
    except OSError:
        return False


def may_open(files: int) -> None:
    """Let the tests open so many files at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        assert hard >= files, f"ulimit -n {hard} is too low for this test"
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))


def first_words(connections: list[socket.socket], seconds: float) -> list[bytes]:
    """What each of the connections was told first: b"" if it was closed without a word, and
    b"..." if nothing came in this time."""
    words: dict[socket.socket, bytes] = {}
    deadline = time.monotonic() + seconds
    poll = select.poll()
    by_number = {one.fileno(): one for one in connections}
    for number in by_number:
        poll.register(number, select.POLLIN)
    while len(words) < len(connections) and (left := deadline - time.monotonic()) > 0:
        for number, _ in poll.poll(left * 1000):
            poll.unregister(number)
            try:
                words[by_number[number]] = by_number[number].recv(BLOCK)
            except OSError:
                words[by_number[number]] = b""
    return [words.get(one, b"...") for one in connections]
