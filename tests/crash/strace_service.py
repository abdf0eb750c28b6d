"""A service whose worker strace watches, and a client that notes what it was told.

The client speaks without TLS, on a listener that trusts 127.0.0.1, so that replies can be read in a
trace. What it was told stands outside of the service, in `Sent`; what arrived, at the next hop.
"""

import contextlib
import http.client
import smtplib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from pysqlite3 import dbapi2 as sqlite
from tests.crash.strace_calls import Call
from tests.e2e.next_hop import NextHop
from tests.e2e.programs import free_port
from tests.e2e.service import START_SECONDS, Pillarbox
from tests.e2e.waiting import wait_until

from pillarbox.mail.spooled import CHUNK_OCTETS, INLINE_OCTETS

DELIVERY_SECONDS = 60.0
CLIENT_SECONDS = 60.0
SMALL_OCTETS = 1_000
MIDDLE_OCTETS = CHUNK_OCTETS + 300_000
"""Its content goes to a file, all at once."""
LARGE_OCTETS = INLINE_OCTETS + 100_000
"""It goes to a file in chunks, while it comes in."""

_PLAIN_LISTENER = """
[[listeners]]
name = "plain"
address = "127.0.0.1"
port = {port}
tls = "none"
network_login = true
"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and the last reply that its client read; `code` 0: none was read."""

    marker: str
    recipients: tuple[str, ...]
    octets: bytes
    code: int
    text: str

    @property
    def is_acknowledged(self) -> bool:
        """Whether the service took responsibility."""
        return self.code == 250

    @property
    def is_refused(self) -> bool:
        """Whether it may never be delivered (RFC 5321 4.2.5)."""
        return self.code >= 400


def compose(marker: str, size_octets: int) -> bytes:
    """A message whose every line names it, so that a foreign or missing piece shows."""
    lines = [f"From: app@sender.example\r\nSubject: {marker}\r\n\r\n"]
    lines += [f"{marker} {number:06}\r\n" for number in range(size_octets // (len(marker) + 9))]
    return "".join(lines).encode()


class WatchedPillarbox(Pillarbox):
    """Sends all mail to `hop`; `submit` hands a message in."""

    def __init__(self, folder: Path, hop: NextHop, more_configuration: str = "") -> None:
        self.plain_port = free_port()
        plain = _PLAIN_LISTENER.format(port=self.plain_port)
        super().__init__(folder, plain + more_configuration)
        self.hop = hop
        trusted = ("--label", "plain", "--network", "127.0.0.1/32")
        self.admin("credential", "add", self.username, *trusted)
        self.admin("route", "add", "--smarthost", f"127.0.0.1:{hop.port}", "--tls", "none")

    @property
    def supervisor(self) -> int:
        """The process id of the supervisor."""
        assert self._process is not None
        return self._process.pid

    @property
    def worker(self) -> int:
        """The process id of the worker that was started last."""
        return int(self.events("worker.started")[-1]["pid"])

    @property
    def database(self) -> Path:
        """SQLite's file."""
        return self.folder / "pillarbox.sqlite3"

    def submit(self, size_octets: int = SMALL_OCTETS, recipients: int = 2) -> Sent:
        """Send one message; whatever happens, what its client was told."""
        marker = uuid4().hex
        addresses = tuple(f"r{number}.{marker}@next.example" for number in range(recipients))
        octets = compose(marker, size_octets)
        code, text = 0, b""
        # The service may be killed at any moment.
        with contextlib.suppress(OSError, smtplib.SMTPServerDisconnected):
            code, text = self._talk(addresses, octets)
        return Sent(marker, addresses, octets, code, text.decode())

    def _talk(self, recipients: Sequence[str], octets: bytes) -> tuple[int, bytes]:
        client = smtplib.SMTP("127.0.0.1", self.plain_port, timeout=CLIENT_SECONDS)
        try:
            client.ehlo()
            commands = [f"MAIL FROM:<{self.username}>"]
            commands += [f"RCPT TO:<{recipient}>" for recipient in recipients]
            for command in (*commands, "DATA"):
                code, text = client.docmd(command)
                if code not in {250, 354}:
                    return code, text
            # No line of ours begins with a dot.
            client.send(octets + b".\r\n")
            return client.getreply()
        finally:
            client.close()

    def takes_mail(self) -> bool:
        """Whether it says that it is ready."""
        try:
            return self.get("/readyz")[0] == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def wait_until_ready(self) -> None:
        """Wait until it takes mail."""
        wait_until(self.takes_mail, START_SECONDS, f"readiness\n{self.log[-4000:]}")

    def wait_for_successor(self, worker: int) -> None:
        """Wait until another worker than this one takes mail."""
        wait_until(lambda: self.worker != worker, START_SECONDS, f"the end of worker {worker}")
        self.wait_until_ready()

    def synced(self, calls: Sequence[Call]) -> Path | None:
        """What was synced last, of the database and its log. The database: the log was copied into
        it, and what was delivered is recorded."""
        files = {str(self.database), f"{self.database}-wal"}
        syncs = [call for call in calls if call.name == "fsync" and call.succeeded]
        ours = [call for call in syncs if call.path in files]
        return Path(max(ours, key=lambda call: call.ended).path) if ours else None

    def wait_until_settled(self) -> None:
        """Wait until no message in the store is open. Otherwise the next fault would hit the
        messages of the last one, too."""
        wait_until(lambda: self._open_messages() == 0, DELIVERY_SECONDS, "an empty spool")

    def _open_messages(self) -> int:
        with closing(sqlite.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            query = "SELECT count(*) FROM message WHERE finished_at IS NULL"
            count: int = connection.execute(query).fetchone()[0]
            return count

    def queue(self) -> list[object]:
        """What waits, as an administrator sees it."""
        waiting: list[object] = self.admin_json("queue", "list")
        return waiting


@contextlib.contextmanager
def watched(
    folder: Path, more_configuration: str = "", *, environment: Mapping[str, str] | None = None
) -> Iterator[WatchedPillarbox]:
    """A running service and its next hop, which listens."""
    hop = NextHop()
    service = WatchedPillarbox(folder, hop, more_configuration)
    service.environment |= environment or {}
    try:
        hop.open()
        service.start()
        yield service
    finally:
        service.stop()
        hop.shut()


def check_delivered(
    hop: NextHop, sent: Sent, *, most_copies: int = 1, seconds: float = DELIVERY_SECONDS
) -> None:
    """D1 to D5 for one message of which the service has had all the time that it needs."""
    marker = sent.marker.encode()
    if sent.is_acknowledged:
        hop.wait_for(marker, seconds)
    if sent.is_refused:
        assert hop.copies(marker) == 0, f"refused with {sent.code}, and delivered: {sent.text}"
    copies = [taken for taken in list(hop.taken) if marker in taken.octets]
    assert len(copies) <= most_copies, f"{len(copies)} copies of {sent.marker}"
    for taken in copies:
        assert sorted(taken.recipients) == [f"<{address}>" for address in sorted(sent.recipients)]
        assert taken.octets.endswith(sent.octets), f"{sent.marker} was changed"
