"""The clients: threads that submit one message after the other, whatever happens to the service.

What a client does is decided by its own random numbers, so a seed repeats it.
"""

import contextlib
import random
import smtplib
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from tests.crash.ledger import Final, Ledger, Sent
from tests.crash.letters import Kind, Letter, compose
from tests.crash.moments import Moment, Moments
from tests.e2e.letters import SENDER
from tests.e2e.service import Pillarbox

REPLY_SECONDS = 30.0
AGAIN_SECONDS = 0.05
"""After a session that could not be begun or was cut."""

MIXED: Mapping[Kind, float] = {Kind.TAKEN: 0.88, Kind.LATE: 0.06, Kind.REFUSED: 0.06}
"""What the sink does with the recipients of a mixed load."""


@dataclass(frozen=True, slots=True)
class Load:
    """What clients do. `pause_seconds` is the longest pause between two messages of a client."""

    clients: int = 6
    pause_seconds: float = 0.2
    kinds: Mapping[Kind, float] = field(default_factory=lambda: MIXED)
    most_recipients: int = 3


class Clients:
    """`with Clients(...) as clients:` runs them; at the end they finish what they are at."""

    def __init__(
        self, service: Pillarbox, ledger: Ledger, moments: Moments, *, seed: str, load: Load
    ) -> None:
        self._service = service
        self._ledger = ledger
        self._moments = moments
        self._load = load
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self.acknowledged = 0
        self.sent = 0
        self.limit: int | None = None
        self.failure: Exception | None = None
        self._context = ssl.create_default_context(cafile=service.ca_file)
        self._threads = [
            threading.Thread(
                target=self._run, args=(random.Random(f"{seed}/client/{number}"),), daemon=True
            )
            for number in range(load.clients)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin nothing more and wait for what is under way."""
        self._stopping.set()
        self.join()

    def join(self) -> None:
        """Wait for the end; a client that failed by itself fails the test."""
        for thread in self._threads:
            thread.join(REPLY_SECONDS * 2)
        if self.failure is not None:
            raise self.failure

    def send(self, count: int) -> None:
        """Send so many messages, wait until all of them are answered, and end."""
        self.limit = count
        with self:
            self.join()

    def _run(self, rng: random.Random) -> None:
        try:
            while not self._stopping.is_set() and self._may_send():
                try:
                    self._session(rng)
                except (OSError, smtplib.SMTPException):
                    self._stopping.wait(AGAIN_SECONDS)
        except Exception as error:  # noqa: BLE001 - told by join
            self.failure = error

    def _may_send(self) -> bool:
        return self.limit is None or self.sent < self.limit

    def _session(self, rng: random.Random) -> None:
        """One session with one message or several."""
        messages = 1 if rng.random() < 0.5 else rng.randint(2, 8)
        with contextlib.closing(self._connect(rng)) as client:
            for _ in range(messages):
                if self._stopping.wait(rng.random() * self._load.pause_seconds):
                    return
                with self._lock:
                    if not self._may_send():
                        return
                    self.sent += 1
                self._submit(client, self._compose(rng), by_bdat=rng.random() < 0.3)
            client.quit()

    def _compose(self, rng: random.Random) -> Letter:
        """The next letter."""
        load = self._load
        return compose(rng, kinds=load.kinds, most_recipients=load.most_recipients)

    def _connect(self, rng: random.Random) -> smtplib.SMTP:
        service = self._service
        client: smtplib.SMTP
        if rng.random() < 0.5:
            client = smtplib.SMTP_SSL(
                "localhost", service.tls_port, timeout=REPLY_SECONDS, context=self._context
            )
        else:
            client = smtplib.SMTP("localhost", service.starttls_port, timeout=REPLY_SECONDS)
        try:
            if not isinstance(client, smtplib.SMTP_SSL):
                client.starttls(context=self._context)
            client.login(service.username, service.password)
        except BaseException:
            client.close()
            raise
        return client

    def _submit(self, client: smtplib.SMTP, letter: Letter, *, by_bdat: bool) -> None:
        """One transaction. What is refused before the content is not in the ledger."""
        _expect(client.docmd(f"MAIL FROM:<{SENDER}>"), 250)
        for recipient in letter.recipients:
            _expect(client.docmd(f"RCPT TO:<{recipient}>"), 250)
        sent = Sent(letter.uuid, letter.recipients, letter.digest)
        if by_bdat:
            self._send_chunks(client, letter, sent)
        else:
            _expect(client.docmd("DATA"), 354)
            stuffed = letter.octets.replace(b"\r\n.", b"\r\n..")
            client.send(stuffed)
            self._ledger.note(sent)
            client.send(b".\r\n")
        code, _ = client.getreply()
        if not 200 <= code < 600:
            # smtplib's word for a connection that was cut.
            raise smtplib.SMTPServerDisconnected
        if code < 300:
            self._moments.reach(Moment.ACKNOWLEDGED)
            self.acknowledged += 1
        self._ledger.note(Final(letter.uuid, code))

    def _send_chunks(self, client: smtplib.SMTP, letter: Letter, sent: Sent) -> None:
        middle = len(letter.octets) // 2
        client.send(b"BDAT %d\r\n%b" % (middle, letter.octets[:middle]))
        _expect(client.getreply(), 250)
        self._ledger.note(sent)
        rest = letter.octets[middle:]
        client.send(b"BDAT %d LAST\r\n%b" % (len(rest), rest))


def _expect(reply: tuple[int, bytes], code: int) -> None:
    if reply[0] != code:
        raise smtplib.SMTPResponseException(*reply)
