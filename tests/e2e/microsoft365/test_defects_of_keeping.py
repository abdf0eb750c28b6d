"""Defects of other bridges in what they keep and whom they let in, one test for each, by their
numbers in the list of docs/microsoft365.md."""

import base64
import re
import secrets
import select
import shutil
import smtplib
import socket
import ssl
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pysqlite3 import dbapi2 as sqlite
from tests.crash.strace_attach import attached
from tests.e2e.letters import SENDER
from tests.e2e.microsoft365.bridge import GRAPH, SECONDS, SMTP, Bridge, command, letter, send_by
from tests.e2e.waiting import wait_until

from pillarbox.cli.root import root
from pillarbox.emulate.config import SAMPLE_APP, SAMPLE_SECRET
from pillarbox.emulate.messages import Message
from pillarbox.store.seal import new_master_key

BY_EACH_WAY = pytest.mark.parametrize("domain", [GRAPH, SMTP])
BURST = 30
LOGINS = 16


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What became of a burst in the middle of which everything was killed: by then each of four
    requests hung, one of them after its message had been taken. Before it Graph had refused one
    message for good."""

    bridge: Bridge
    queue_ids: list[str]
    refused_id: str
    messages: list[Message]

    def of_burst(self, *, answered: bool) -> Counter[bytes]:
        """How often each message of the burst came, with or without an answer."""
        found = [
            re.findall(rb"burst-\d+\.", each.arrival.raw)
            for each in self.messages
            if each.is_answered is answered
        ]
        return Counter(name for names in found for name in names)


@pytest.fixture(scope="module")
def aftermath(running_bridge: Bridge) -> Aftermath:
    """Kill the service with mail on the way, and start it again."""
    bridge, service = running_bridge, running_bridge.service
    bridge.begin_anew()
    bridge.order(service="graph", stage="request", status=400)
    reports = len(bridge.reports)
    refused_id = bridge.send(letter("Refused"), f"bob@{GRAPH}")
    wait_until(lambda: len(bridge.reports) > reports, SECONDS, "the report")
    bridge.order(service="graph", stage="request", action="hang", times=3)
    bridge.order(service="graph", stage="taken", action="hang")
    with bridge.client() as client:
        names = [f"burst-{number}." for number in range(BURST)]
        queue_ids = [send_by(client, letter(name), f"bob@{GRAPH}") for name in names]
    wait_until(lambda: bridge.hits == 5, SECONDS, "four requests to hang")
    service.kill()
    service.start()
    wait_until(lambda: len(_delivered(bridge, queue_ids)) == BURST, SECONDS, "all messages")
    messages = bridge.emulator.world.messages.all()
    return Aftermath(bridge, queue_ids, refused_id, messages)


def _delivered(bridge: Bridge, queue_ids: list[str]) -> list[str]:
    """The ids in the log of attempts that delivered."""
    attempts = bridge.attempts(*queue_ids)
    return [each["queue_id"] for each in attempts if each["states"] == "delivered:1"]


@pytest.fixture(scope="module")
def database(running_bridge: Bridge) -> Path:
    """The file with everything."""
    [file] = running_bridge.service.folder.glob("*.sqlite3")
    return file


def test_defect_5_kill_loses_nothing_and_copies_what_had_no_answer_alone(
    aftermath: Aftermath,
) -> None:
    """Each message arrives once; the one whose answer was lost, once more."""
    answered, unanswered = (aftermath.of_burst(answered=yes) for yes in (True, False))
    assert len(answered) == BURST
    assert {*answered.values()} == {1}
    assert [*unanswered.values()] == [1]


def test_defect_5_what_was_refused_for_good_is_not_sent_again(aftermath: Aftermath) -> None:
    """After the start it is over, as it was before: its sender knows."""
    assert not [one for one in aftermath.messages if b"Refused" in one.arrival.raw]
    assert len(aftermath.bridge.attempts(aftermath.refused_id)) == 1


def test_defect_5_every_message_has_its_trace(aftermath: Aftermath) -> None:
    """Log and trace tell of each message what became of it, by the id that the client was told."""
    bridge = aftermath.bridge
    logged = {attempt["queue_id"] for attempt in bridge.attempts(*aftermath.queue_ids)}
    traced = command(bridge.service, "trace", f"@{GRAPH}", "--limit", "200")

    ends = {each["queue_id"]: [r["state"] for r in each["recipients"]] for each in traced}
    assert logged == set(aftermath.queue_ids)
    assert [ends[queue_id] for queue_id in aftermath.queue_ids] == [["delivered"]] * BURST
    assert ends[aftermath.refused_id] == ["failed"]


def test_defect_5_retry_after_is_waited_for(bridge: Bridge) -> None:
    """The next request does not come sooner than the last answer has asked for."""
    headers = {"Retry-After": "2"}
    bridge.order(service="graph", stage="request", status=429, headers=headers)

    bridge.send(letter("Throttled"), f"bob@{GRAPH}")
    bridge.wait_for(b"Throttled")

    statistics = bridge.emulator.world.statistics[SENDER]
    assert (statistics.throttled, statistics.too_early) == (1, 0)


def test_defect_7_what_was_on_the_way_at_the_crash_is_taken_back(aftermath: Aftermath) -> None:
    """Nobody has to set it free: the three that hung before Graph took them came to their end."""
    first = aftermath.queue_ids[:4]
    assert sorted(_delivered(aftermath.bridge, first)) == sorted(first)


def test_defect_7_messages_wait_for_no_tick(aftermath: Aftermath) -> None:
    """One in five seconds would need more than two minutes."""
    moments = [one.accepted_at for one in aftermath.messages if one.is_answered]
    assert max(moments) - min(moments) < BURST


def test_defect_7_the_250_comes_after_the_sync(bridge: Bridge, tmp_path: Path) -> None:
    """A power cut takes nothing that was answered: the log of the database is synced before."""
    worker = bridge.service.events("worker.started")[-1]["pid"]
    with (
        attached(tmp_path / "calls", worker, trace="fsync,fdatasync") as tracer,
        bridge.client() as client,
    ):
        for number in range(5):
            before = tracer.count("sync(", "-wal>", " = 0")
            send_by(client, letter(f"Synced {number}."), f"bob@{SMTP}")
            assert tracer.count("sync(", "-wal>", " = 0") > before


def _connect(bridge: Bridge, source: str) -> smtplib.SMTP_SSL:
    """A client at another address of this machine, behind EHLO."""
    context = ssl.create_default_context(cafile=bridge.service.ca_file)
    port, end = bridge.service.tls_port, (source, 0)
    client = smtplib.SMTP_SSL(
        "localhost", port, context=context, timeout=SECONDS, source_address=end
    )
    client.ehlo()
    return client


def _plain(user: str, password: str) -> str:
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def test_defect_7_a_password_check_stops_no_other_session(bridge: Bridge) -> None:
    """While hashes are made, another session gets its answers: were they made in between, there
    would be no more of them than logins."""
    guessers = [_connect(bridge, f"127.0.7.{number + 1}") for number in range(LOGINS)]
    sockets = [guesser.sock for guesser in guessers if guesser.sock is not None]
    with bridge.client() as other:
        for number, guesser in enumerate(guessers):
            guesser.putcmd("AUTH", f"PLAIN {_plain(f'nobody{number}@sender.example', 'a guess')}")
        for _ in range(4 * LOGINS):
            assert other.noop()[0] == 250
        answered, _, _ = select.select(sockets, [], [], 0)

    assert len(answered) < LOGINS
    assert {guesser.getreply()[0] for guesser in guessers} == {535}
    for guesser in guessers:
        guesser.close()


@pytest.mark.parametrize("name", ["PLAIN", "plain", "pLaIn"])
def test_defect_8_names_of_mechanisms_have_no_case(bridge: Bridge, name: str) -> None:
    """RFC 4422 has them in upper case, and devices in any."""
    with _connect(bridge, "127.0.0.1") as client:
        response = _plain(SENDER, bridge.service.password)
        assert client.docmd(f"auTH {name} {response}")[0] == 235


@pytest.mark.parametrize(
    "response",
    [
        _plain(SENDER, "wrong"),
        _plain(SENDER, ""),
        _plain("nobody@sender.example", "wrong"),
        base64.b64encode(b"\0\0").decode(),
        base64.b64encode(SENDER.encode()).decode(),
        "=",
        "True",
    ],
)
def test_defect_8_only_a_right_password_lets_in(bridge: Bridge, response: str) -> None:
    """Whatever else is said is refused, and nothing can be sent after it."""
    with _connect(bridge, "127.0.8.1") as client:
        code, _ = client.docmd("AUTH", f"PLAIN {response}")
        mail, _ = client.docmd("MAIL", f"FROM:<{SENDER}>")

    assert code in (501, 535)
    assert mail == 530


def test_defect_9_no_message_takes_the_place_of_another(bridge: Bridge) -> None:
    """One goes, one waits, one comes: the one that waits is still itself."""
    first = bridge.send(letter("Place 1."), f"bob@{SMTP}")
    bridge.wait_for(b"Place 1.")
    bridge.order(stage="mail", reply="451 4.7.0 Temporary server error. Please try again later")
    second = bridge.send(letter("Place 2."), f"bob@{SMTP}")
    wait_until(lambda: bridge.attempts(second), SECONDS, "an attempt")
    third = bridge.send(letter("Place 3."), f"bob@{SMTP}")

    for number in (2, 3):
        [one] = bridge.wait_for(f"Place {number}.".encode())
        assert one.arrival.raw.endswith(letter(f"Place {number}."))
    assert len({first, second, third}) == 3


@BY_EACH_WAY
def test_defect_9_content_is_octets(bridge: Bridge, domain: str) -> None:
    """All that a line may hold arrives as it was sent, though it is text in no encoding."""
    octets = bytes(set(range(1, 256)) - {*b"\r\n"})
    content = letter("Octets", f"bob@{domain}").replace(b"Hello", octets)

    bridge.send(content, f"bob@{domain}")

    [message] = bridge.wait_for(octets)
    assert message.seen.endswith(content)


def test_defect_9_sealed_secrets_need_the_master_key(
    bridge: Bridge, database: Path, tmp_path: Path
) -> None:
    """The database knows the client id and is of no use without the key, which stands elsewhere."""
    for file in database.parent.glob(f"{database.name}*"):
        shutil.copy(file, tmp_path)
    (tmp_path / "master.key").write_text(base64.b64encode(new_master_key()).decode())
    config = tmp_path / "pillarbox.toml"
    shutil.copy(bridge.service.config, config)

    done = CliRunner().invoke(root, ["--config", str(config), "m365", "check"])

    octets = b"".join(file.read_bytes() for file in tmp_path.glob(f"{database.name}*"))
    assert SAMPLE_APP.encode() in octets
    assert SAMPLE_SECRET.encode() not in octets
    assert done.exit_code != 0
    assert "master key" in done.stderr


def _credentials(database: Path) -> list[Any]:
    """All that is stored of logins, routes and their grants, but when they were used."""
    with closing(sqlite.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite.Row
        tables = ("credential", "route", "oauth_grant")
        rows = [row for name in tables for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608
    return [{key: row[key] for key in row.keys() if "used" not in key} for row in rows]  # noqa: SIM118


def test_defect_11_a_failed_login_changes_nothing_that_is_stored(
    bridge: Bridge, database: Path
) -> None:
    """Many wrong passwords, and the right one and the way to Microsoft work as before."""
    before = _credentials(database)
    with _connect(bridge, "127.0.11.1") as client:
        for _ in range(3):
            assert client.docmd("AUTH", f"PLAIN {_plain(SENDER, secrets.token_hex(9))}")[0] == 535

    bridge.send(letter("After guesses"), f"bob@{GRAPH}")

    bridge.wait_for(b"After guesses")
    assert _credentials(database) == before


def test_defect_11_a_handshake_in_pieces_is_waited_for(bridge: Bridge) -> None:
    """However late its octets come: nobody counts how often there were none, and mail of others
    goes on."""
    tls, incoming, outgoing = _handshake(bridge)
    with socket.create_connection(("127.0.0.1", bridge.service.tls_port), SECONDS) as connection:
        hello = outgoing.read()
        for piece in (hello[:1], hello[1:100], hello[100:]):
            bridge.send(letter("Between"), f"bob@{SMTP}")
            connection.sendall(piece)
        greeting = b""
        while not greeting:
            incoming.write(connection.recv(65536))
            try:
                tls.do_handshake()
                connection.sendall(outgoing.read())
                greeting = tls.read()
            except ssl.SSLWantReadError:
                connection.sendall(outgoing.read())

    assert greeting.startswith(b"220 ")
    bridge.wait_for(b"Between", 3)


def _handshake(bridge: Bridge) -> tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]:
    """The client's side, with its first octets ready to be sent."""
    context = ssl.create_default_context(cafile=bridge.service.ca_file)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return tls, incoming, outgoing
