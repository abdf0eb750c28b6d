"""T13: kill -9 while bounces come back. What was answered with 250 is in the trace, its recipient
is suppressed, and its sender was told: by one report, of which only a kill excuses a copy.
"""

import random
import smtplib
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite
from tests.crash.campaign import number_of_kills, report, seed_of_run
from tests.e2e.next_hop import NextHop
from tests.e2e.programs import free_port
from tests.e2e.service import Pillarbox
from tests.e2e.waiting import wait_until
from tests.support import bounces

from pillarbox.hop_caps import USUAL_CAPS

PATH = "bounces.sender.example"
KILLS = 100
MOST_BETWEEN = 20
"""Bounces that are answered between two kills."""
SERVERS = 4
LATEST_SECONDS = 0.02
"""Behind a 250; half of the kills fall at once."""
AGAIN_SECONDS = 0.05
SECONDS = 180.0

_LISTENER = """
[[listeners]]
name = "returns"
address = "127.0.0.1"
port = {port}
purpose = "returns"
"""


class _Servers:
    """Mail servers that bring a bounce until it is answered with 250. `strike_after` says when the
    service is struck: by the server that has just read its answer."""

    def __init__(self, port: int, addresses: list[tuple[str, str]]) -> None:
        self._port = port
        self._left = addresses
        self._lock = threading.Lock()
        self._until_strike = 0
        self._strike: Callable[[], None] = lambda: None
        self._struck = threading.Event()
        self._is_over = threading.Event()
        self.answered: list[str] = []
        self.refused: list[bytes] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Bring all that is left; at the end wait until nothing is."""
        threads = [threading.Thread(target=self._run) for _ in range(SERVERS)]
        for thread in threads:
            thread.start()
        try:
            yield
            for thread in threads:
                thread.join(SECONDS)
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def strike_after(self, answers: int, strike: Callable[[], None]) -> None:
        """Strike behind so many more answers; returns when that has happened."""
        self._struck.clear()
        with self._lock:
            self._strike, self._until_strike = strike, answers
        assert self._struck.wait(SECONDS), f"{len(self.answered)} were answered"

    def _run(self) -> None:
        while not self._is_over.is_set():
            with suppress(OSError, smtplib.SMTPException):
                with smtplib.SMTP("127.0.0.1", self._port, timeout=SECONDS) as client:
                    client.ehlo("mx.far.example")
                    while self._bring_next(client):
                        pass
                return
            self._is_over.wait(AGAIN_SECONDS)

    def _bring_next(self, client: smtplib.SMTP) -> bool:
        with self._lock:
            if not self._left:
                return False
            recipient, address = self._left.pop()
        is_taken = False
        try:
            is_taken = self._bring(client, recipient, address)
        finally:
            if not is_taken:
                with self._lock:
                    self._left.append((recipient, address))
        return True

    def _bring(self, client: smtplib.SMTP, recipient: str, address: str) -> bool:
        status = f"Final-Recipient: rfc822; {recipient}\nAction: failed\nStatus: 5.1.1\n"
        client.mail("")
        code, said = client.rcpt(address)
        if code == 250:
            code, said = client.data(bounces.report(status))
        if code != 250:
            if code >= 500:
                self.refused.append(said)
            raise smtplib.SMTPResponseException(code, said)
        self._note(recipient)
        return True

    def _note(self, recipient: str) -> None:
        with self._lock:
            self.answered.append(recipient)
            self._until_strike -= 1
            strikes = self._until_strike == 0
        if strikes:
            self._strike()
            self._struck.set()


def _send(service: Pillarbox, hop: NextHop, count: int) -> list[tuple[str, str]]:
    """So many messages; each recipient with the return address under which the hop got it."""
    context = ssl.create_default_context(cafile=service.ca_file)
    with smtplib.SMTP_SSL("localhost", service.tls_port, context=context, timeout=60) as client:
        client.login(service.username, service.password)
        text = f"From: {service.username}\r\nSubject: Bill\r\n\r\nHello\r\n"
        for number in range(count):
            client.sendmail(service.username, f"r{number}@far.example", text)
    wait_until(lambda: len(hop.taken) >= count, SECONDS, f"{count} messages at the next hop")
    return [
        (one.recipients[0].strip("<>"), one.sender.split(">")[0].strip("<")) for one in hop.taken
    ]


def _told(hop: NextHop) -> Counter[str]:
    """How many reports there were of each recipient."""
    reports = [one.octets for one in hop.taken if one.sender.startswith("<>")]
    mark = b"Final-Recipient: rfc822;"
    return Counter(text.partition(mark)[2].split(b"\r")[0].decode() for text in reports)


def _rows(service: Pillarbox, query: str) -> list[str]:
    """A column of the database, once the service has ended."""
    uri = f"file:{service.folder}/pillarbox.sqlite3?mode=rw"
    with closing(sqlite.connect(uri, uri=True)) as connection:
        return [str(row[0]) for row in connection.execute(query)]


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_a_bounce_that_was_answered_is_not_lost(tmp_path: Path) -> None:
    """T13: supervisor and workers at once, right behind a 250 or a moment later."""
    seed, kills = seed_of_run(), min(number_of_kills(KILLS), KILLS)
    rng, hop, port = random.Random(seed), NextHop(), free_port()
    hop.open()
    service = Pillarbox(tmp_path, _LISTENER.format(port=port))
    try:
        service.admin("domain", "add", PATH)
        service.admin("domain", "change", "sender.example", "--return-path", PATH)
        smart_host = ("--smarthost", f"127.0.0.1:{hop.port}", "--tls", "none", "--return-path")
        service.admin("route", "add", *smart_host)
        service.start()
        servers = _Servers(port, _send(service, hop, kills * MOST_BETWEEN))
        with servers.running():
            for _ in range(kills):
                pause = rng.choice((0.0, rng.uniform(0, LATEST_SECONDS)))
                answers = rng.randint(1, MOST_BETWEEN - 1)
                servers.strike_after(answers, partial(_strike, service, pause))
                service.start()
        answered = set(servers.answered)
        wait_until(lambda: answered <= _told(hop).keys(), SECONDS, "a report on each bounce")
        assert service.stop() == 0, service.log[-4000:]
    finally:
        service.stop()
        hop.shut()

    told = _told(hop)
    copies = told.total() - len(told)
    report(f"T13, seed {seed}: {len(answered)} bounces, {kills} kills, {copies} copies of reports")
    assert servers.refused == []
    assert len(answered) == kills * MOST_BETWEEN
    assert told.keys() == answered
    assert copies <= kills * USUAL_CAPS.connections
    _check_database(service, answered)


def _strike(service: Pillarbox, pause: float) -> None:
    time.sleep(pause)
    service.kill()


def _check_database(service: Pillarbox, answered: set[str]) -> None:
    """What is known of each bounce, once, and a report of it."""
    of_recipients = (
        "SELECT recipient.address FROM returned JOIN recipient ON"
        " recipient.message_id = returned.message_id AND recipient.number = recipient_number"
        " JOIN message ON message.id = report_id"
    )
    assert _rows(service, "PRAGMA integrity_check") == ["ok"]
    assert sorted(_rows(service, of_recipients)) == sorted(answered)
    assert sorted(_rows(service, "SELECT address_key FROM suppression")) == sorted(answered)
