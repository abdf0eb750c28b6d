"""The next hop of the crash tests. What it takes is in the ledger before it answers.

What it does with a recipient is said by the name (letters.Kind); reports come by the null
reverse-path. It can be told to die at a point of the dialogue.
"""

import contextlib
import itertools
import random
import re
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import BinaryIO

from tests.crash.ledger import Event, Fault, Got, Ledger, Told
from tests.crash.letters import Kind, message_of, read_arrival, read_report
from tests.crash.moments import Moment, Moments
from tests.e2e.programs import free_port

SLOWEST_SECONDS = 0.2
SLOW_SHARE = 0.2
"""So many answers to the end of the content take up to so long."""

DEATH_SHARE = 0.3
"""So often a connection dies at a point where it is to die."""

_EHLO = "250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
_PATH = re.compile(rb":\s*<([^>]*)>")


class Point(StrEnum):
    """Where the sink dies."""

    BANNER = "banner"
    EHLO = "EHLO"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "354"
    END = "after the dot"
    INSIDE_REPLY = "inside the 250"


class _Dead(Exception):
    """The connection is cut."""


@dataclass(slots=True)
class _Transaction:
    reverse_path: str
    recipients: list[str] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)


class Sink:
    """Listens from its making to `close`. While `dies_at` is set connections die at that point."""

    def __init__(self, ledger: Ledger, moments: Moments, *, seed: str) -> None:
        self.port = free_port()
        self.dies_at: Point | None = None
        self.deaths = 0
        self.takes_all = False
        self.put_off_at: dict[str, list[float]] = defaultdict(list)
        """When a recipient of the kind PUT_OFF was tried."""
        self._ledger = ledger
        self._moments = moments
        self._seed = seed
        self._numbers = itertools.count(1)
        self._came_before: set[str] = set()
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number = next(self._numbers)
            threading.Thread(target=self._serve, args=(connection, number), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, _Dead), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection.makefile("rb") as lines:
                _Conversation(self, connection, lines, number).run()

    def may_die(self, point: Point, rng: random.Random) -> None:
        """Raise if this is where to die, by chance."""
        if self.dies_at is point and rng.random() < DEATH_SHARE:
            self.deaths += 1
            raise _Dead

    def reach(self, moment: Moment) -> None:
        """See Moments."""
        self._moments.reach(moment)

    def note(self, *events: Event) -> None:
        """See Ledger."""
        self._ledger.note(*events)

    def puts_off(self, kind: str, recipient: str) -> bool:
        """Whether this recipient is told to come again later."""
        if kind == Kind.PUT_OFF and not self.takes_all:
            self.put_off_at[recipient].append(time.monotonic())
            return True
        if kind != Kind.LATE or recipient in self._came_before:
            return False
        self._came_before.add(recipient)
        return True

    def chance(self, number: int) -> random.Random:
        """The random numbers of a connection."""
        return random.Random(f"{self._seed}/sink/{number}")


class _Conversation:
    """One connection."""

    def __init__(self, sink: Sink, connection: socket.socket, lines: BinaryIO, number: int) -> None:
        self._sink = sink
        self._connection = connection
        self._lines = lines
        self._number = number
        self._rng = sink.chance(number)
        self._transaction = _Transaction("")

    def run(self) -> None:
        """Serve it to its end."""
        self._sink.may_die(Point.BANNER, self._rng)
        self._say("220 sink.example ESMTP")
        for line in self._lines:
            verb = line[:4].upper()
            match verb:
                case b"EHLO":
                    self._sink.may_die(Point.EHLO, self._rng)
                    chunking = "250-CHUNKING\r\n" if self._rng.random() < 0.5 else ""
                    self._say(f"{_EHLO}{chunking}250 SIZE 10000000")
                case b"MAIL":
                    self._mail(line)
                case b"RCPT":
                    self._rcpt(line)
                case b"DATA":
                    self._data()
                case b"BDAT":
                    self._bdat(line)
                case b"QUIT":
                    self._say("221 2.0.0 Bye")
                    return
                case _:
                    self._say("250 2.0.0 OK")

    def _say(self, reply: str) -> None:
        self._connection.sendall(f"{reply}\r\n".encode())

    def _mail(self, line: bytes) -> None:
        self._sink.may_die(Point.MAIL, self._rng)
        self._sink.reach(Moment.MAIL)
        found = _PATH.search(line)
        self._transaction = _Transaction(found[1].decode() if found else "?")
        self._say("250 2.1.0 OK")

    def _rcpt(self, line: bytes) -> None:
        found = _PATH.search(line)
        recipient = found[1].decode() if found else "?"
        self._sink.may_die(Point.RCPT, self._rng)
        kind = recipient.partition("-")[0]
        if kind == Kind.REFUSED:
            self._say("550 5.1.1 No such user")
        elif self._sink.puts_off(kind, recipient):
            self._say("450 4.2.1 Come again later")
        else:
            self._transaction.recipients.append(recipient)
            self._say("250 2.1.5 OK")

    @property
    def _uuid(self) -> str:
        recipients = self._transaction.recipients
        return message_of(recipients[0]) if recipients else ""

    def _data(self) -> None:
        if not self._transaction.recipients:
            self._say("503 5.5.1 No recipients")
            return
        self._sink.may_die(Point.DATA, self._rng)
        self._sink.reach(Moment.CONTENT)
        self._say("354 Go on")
        for line in self._lines:
            if line == b".\r\n":
                self._take()
                return
            self._transaction.content.append(line[1:] if line[:1] == b"." else line)
        raise _Dead

    def _bdat(self, line: bytes) -> None:
        words = line.split()
        size, is_last = int(words[1]), len(words) > 2
        if not self._transaction.content:
            self._sink.may_die(Point.DATA, self._rng)
            self._sink.reach(Moment.CONTENT)
        octets = self._lines.read(size)
        if len(octets) < size:
            raise _Dead
        if not self._transaction.recipients:
            self._say("503 5.5.1 No recipients")
            return
        self._transaction.content.append(octets)
        if is_last:
            self._take()
        else:
            self._say("250 2.0.0 Chunk taken")

    def _take(self) -> None:
        """Note what came, answer; or die on the way."""
        sink, uuid = self._sink, self._uuid
        sink.reach(Moment.END)
        events = self._events(b"".join(self._transaction.content))
        self._transaction = _Transaction("")
        if self._rng.random() < SLOW_SHARE:
            time.sleep(self._rng.random() * SLOWEST_SECONDS)
        sink.note(*events)
        sink.reach(Moment.TAKEN)
        self._may_die_with_content(uuid)
        self._say("250 2.0.0 Taken")
        sink.reach(Moment.ANSWERED)

    def _events(self, octets: bytes) -> list[Event]:
        transaction = self._transaction
        if not transaction.reverse_path:
            report = read_report(octets)
            failed = report.failed if report else ["unreadable"]
            name = report.report_id if report else ""
            return [Told(message_of(each), each, name, self._number) for each in failed]
        found = read_arrival(octets)
        if found is None:
            return [Got("", each, "", "", "", self._number) for each in transaction.recipients]
        return [
            Got(found.uuid, each, found.digest, found.whole, found.added_id, self._number)
            for each in transaction.recipients
        ]

    def _may_die_with_content(self, uuid: str) -> None:
        """Die after the content was taken: the peer can not know it, so that is a fault which
        excuses one more copy of this message."""
        try:
            self._sink.may_die(Point.END, self._rng)
            self._sink.may_die(Point.INSIDE_REPLY, self._rng)
        except _Dead:
            now = time.monotonic()
            self._sink.note(Fault("reply lost", now, uuid, at=now))
            if self._sink.dies_at is Point.INSIDE_REPLY:
                self._connection.sendall(b"25")
            raise
