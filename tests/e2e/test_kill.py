"""kill -9 of the whole service between its 250 and the delivery: nothing is lost.

The oracle stands outside of the service: the ledger of this process says what was acknowledged,
the next hop what it took.
"""

import os
import smtplib
import ssl
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from tests.e2e.next_hop import END, GREETING, NextHop
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until

DELIVERY_SECONDS = 60.0
NOBODY_LISTENS = "nobody listens"
AT_ONCE = "at once"

COPIES = {NOBODY_LISTENS: {1}, GREETING: {1}, "RCPT": {1}, END: {2}, AT_ONCE: {1, 2}}
"""How many copies the next hop may get: a second one only where the service could not know that
the first was taken, because it died between the end of the content and the reply."""


class Ledger:
    """What the service acknowledged, synced to a file of its own."""

    def __init__(self, file: Path) -> None:
        self._file = file.open("ab")
        self.markers: list[str] = []

    def note(self, marker: str) -> None:
        """The client has read the 250."""
        self.markers.append(marker)
        self._file.write(f"{marker}\n".encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Nothing more is noted."""
        self._file.close()


@pytest.fixture(scope="module")
def hop() -> Iterator[NextHop]:
    """The next hop of all rounds."""
    next_hop = NextHop()
    try:
        yield next_hop
    finally:
        next_hop.shut()


@pytest.fixture(autouse=True)
def _begin_anew(service: Pillarbox, hop: NextHop) -> Iterator[None]:
    """Before every round the service runs and nobody listens, whatever became of the last one."""
    if not service.is_running:
        service.start()
    yield
    hop.shut()


@pytest.fixture(scope="module")
def ledger(
    service: Pillarbox, hop: NextHop, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    """A ledger of all rounds; at the end every acknowledged message was delivered."""
    service.admin("route", "add", "--smarthost", f"127.0.0.1:{hop.port}", "--tls", "none")
    ledger = Ledger(tmp_path_factory.mktemp("ledger") / "acknowledged")
    yield ledger
    ledger.close()
    assert [m for m in ledger.markers if not hop.copies(m.encode())] == []
    assert _queue(service) == []


def _submit(service: Pillarbox, marker: str, recipients: list[str]) -> None:
    """Send a message until its 250."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP("localhost", service.starttls_port, timeout=60) as client:
        client.starttls(context=context)
        client.login(service.username, service.password)
        text = f"From: {service.username}\r\nSubject: {marker}\r\n\r\n{'x' * 70}\r\n"
        assert client.sendmail(service.username, recipients, text) == {}


def _queue(service: Pillarbox) -> object:
    """What waits, as an administrator sees it."""
    return service.admin_json("queue", "list")


@pytest.mark.parametrize("time", range(4))
@pytest.mark.parametrize("moment", COPIES)
def test_killed_between_250_and_delivery_nothing_is_lost(
    service: Pillarbox, hop: NextHop, ledger: Ledger, moment: str, time: int
) -> None:
    """After the restart the message is delivered to all its recipients."""
    marker = f"kill-{time}-{uuid4().hex}"
    recipients = [f"{name}-{marker}@next.example" for name in ("one", "two")]
    if moment in {GREETING, "RCPT", END}:
        hop.hold(moment)
    if moment != NOBODY_LISTENS:
        hop.open()

    _submit(service, marker, recipients)
    ledger.note(marker)
    if hop.held_at:
        assert hop.reached.wait(DELIVERY_SECONDS)
    service.kill()
    hop.let_go()
    if moment == NOBODY_LISTENS:
        hop.open()
    service.start()
    if moment == NOBODY_LISTENS and _queue(service):
        # It may have found nobody there before it was killed: its next attempt is in a minute.
        service.admin("queue", "retry", "--all")

    taken = hop.wait_for(marker.encode(), DELIVERY_SECONDS)
    wait_until(lambda: not _queue(service), DELIVERY_SECONDS, "an empty queue")
    assert sorted(taken.recipients) == [f"<{recipient}>" for recipient in recipients]
    assert hop.copies(marker.encode()) in COPIES[moment]
