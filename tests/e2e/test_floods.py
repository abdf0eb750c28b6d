"""Floods and bad input against the real process: what it says, and what it needs for it.

The rows are those of docs/security.md. What takes long at full size is small here and has the full
size in test_floods_long.py.
"""

import resource
import ssl
from collections.abc import Callable, Iterator

import pytest
from tests.e2e.flooding import (
    BLOCK,
    MIB,
    Talker,
    connect_from_many,
    connect_many,
    fill_hash_threads,
    first_words,
    flood_both_ports,
    may_open,
    memory_needed,
    memory_octets,
    refused,
    send_mail,
    worker,
)
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

from pillarbox.mail.spooled import INLINE_OCTETS

LIMIT = 4 * MIB
HANDSHAKES = 60
HANDSHAKE_SECONDS = 5
SESSIONS = 200

_LIMITS = f"""
[limits]
message_octets = {LIMIT}
handshakes_per_address = {HANDSHAKES}
handshake_timeout_seconds = {HANDSHAKE_SECONDS}
"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with small limits that has done each kind of work once: passwords hashed, a message
    written, one of the full size thrown away, whose chunks fill SQLite's page cache and the buffers
    of TLS. What grows afterwards is no cache."""
    with running(tmp_path_factory.mktemp("pillarbox"), _LIMITS) as pillarbox:
        fill_hash_threads(pillarbox)
        send_mail(pillarbox, "127.0.0.1")
        with Talker(pillarbox, tls=True) as talker:
            talker.log_in(pillarbox).open(pillarbox).send_many(b"x" * BLOCK, LIMIT // BLOCK + 1)
            talker.send(b"\r\n.\r\n")
            assert talker.reply().startswith("552 5.3.4 ")
        yield pillarbox


def _stays_flat(service: Pillarbox, octets: int, attack: Callable[[], None]) -> None:
    """The worker never needs more memory than so much for an attack."""
    assert memory_needed(service, attack) < octets


@pytest.mark.parametrize("beginning", [b"", b"AUTH PLAIN "])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_row_47_endless_command_line(service: Pillarbox, beginning: bytes, *, tls: bool) -> None:
    """100 MB without a line end: 500 5.5.2 and the end, and less than 1 MB of memory."""

    def attack() -> None:
        with Talker(service, tls=tls) as talker:
            talker.send(beginning)
            talker.send_many(b"x" * BLOCK, 100_000_000 // BLOCK)

            assert talker.to_end().startswith("500 5.5.2 ")

    _stays_flat(service, MIB, attack)


def test_row_48_endless_line_of_data(service: Pillarbox) -> None:
    """Ten times the size limit in one line: 552, and nothing is left of it."""

    def attack() -> None:
        with Talker(service, tls=True) as talker:
            talker.log_in(service).open(service)
            assert talker.send_many(b"x" * BLOCK, 10 * LIMIT // BLOCK)
            talker.send(b"\r\n.\r\n")

            assert talker.reply().startswith("552 5.3.4 ")
            assert talker.command("NOOP").startswith("250 ")

    _stays_flat(service, LIMIT, attack)


@pytest.mark.parametrize(
    "bomb",
    [b"X-Field: 1\r\n" * 100_000, b"Subject: " + b"x" * 3 * MIB + b"\r\n"],
    ids=["many fields", "one field"],
)
def test_row_50_header_bombs(service: Pillarbox, bomb: bytes) -> None:
    """A hundred thousand fields, and one of 3 MB: 552 5.3.4. Content that small stays in memory,
    for a moment in pieces and in one."""

    def attack() -> None:
        with Talker(service, tls=True) as talker:
            talker.log_in(service).open(service)
            talker.send(b"From: app@sender.example\r\n" + bomb + b"\r\nbody\r\n.\r\n")

            assert talker.reply().startswith("552 5.3.4 The header ")

    _stays_flat(service, 2 * min(len(bomb), INLINE_OCTETS), attack)


@pytest.mark.parametrize(
    ("flood", "refusal"),
    [
        (b"BDAT 0\r\n", "421 4.7.0 Too many errors or idle "),
        (b"BDAT 1\r\nx", "421 4.7.0 The message comes in too many small chunks"),
    ],
    ids=["empty", "one octet"],
)
def test_row_53_a_million_chunks(service: Pillarbox, flood: bytes, refusal: str) -> None:
    """421 after some of them; the rest is not even read."""

    def attack() -> None:
        with Talker(service, tls=True) as talker:
            talker.log_in(service).open(service, " BODY=BINARYMIME", data=False)
            talker.send_many(flood * 10_000, 100)

            assert talker.to_end().rpartition("\r\n421")[2].startswith(refusal[3:])

    _stays_flat(service, MIB, attack)


def test_row_53_chunks_that_can_not_be(service: Pillarbox) -> None:
    """A terabyte is refused before it comes, and a negative size is none."""
    with Talker(service, tls=True) as talker:
        talker.log_in(service).open(service, data=False)
        assert talker.command("BDAT -1").startswith("501 5.5.4 ")
        talker.open(service, data=False)
        assert talker.command("BDAT 1000000000000 LAST").startswith("552 5.3.4 ")
        assert talker.to_end() == ""


def test_row_54_declared_small_and_sent_large(service: Pillarbox) -> None:
    """SIZE=10 and 40 MB: 552 at the limit, thrown away as it comes."""

    def attack() -> None:
        with Talker(service, tls=True) as talker:
            talker.log_in(service).open(service, " SIZE=10")
            talker.send(b"From: app@sender.example\r\n\r\n")
            assert talker.send_many((b"x" * 1022 + b"\r\n") * 100, 400)
            talker.send(b".\r\n")

            assert talker.reply().startswith("552 5.3.4 ")

    _stays_flat(service, LIMIT, attack)


@pytest.mark.parametrize("command", ["NOOP", "RSET"])
def test_row_57_ten_thousand_commands_that_lead_nowhere(service: Pillarbox, command: str) -> None:
    """421 4.7.0 after a hundred, with a login and without."""
    with Talker(service, tls=True) as known, Talker(service) as stranger:
        for talker in (known.log_in(service), stranger):
            count = next(n for n in range(10_000) if talker.command(command).startswith("421 4.7"))

            assert 98 <= count <= 100
            assert talker.to_end() == ""


def test_row_57_ten_thousand_commands_in_one_piece(service: Pillarbox) -> None:
    """Who does not wait for replies gets no more of them."""

    def attack() -> None:
        with Talker(service) as talker:
            talker.send(b"NOOP\r\n" * 10_000)
            said = talker.to_end()

        assert said.count("250 ") == 100
        assert said.splitlines()[-1].startswith("421 4.7.0 ")

    _stays_flat(service, MIB, attack)


@pytest.mark.parametrize("command", ["XYZZY", "RCPT TO:<a@b.example>"])
def test_row_57_twenty_errors(service: Pillarbox, command: str) -> None:
    """421 4.7.0 is the twentieth answer."""
    with Talker(service) as talker:
        talker.command("EHLO x")
        answers = [talker.command(command)[:3] for _ in range(20)]

        assert answers[0][0] == "5"
        assert answers[-1] == "421"
        assert talker.to_end() == ""


def test_row_24_handshakes_without_a_login(service: Pillarbox) -> None:
    """Beyond the limit of an address STARTTLS gets 421 4.7.0, and port 465 is closed; another
    address does not notice."""
    context = ssl.create_default_context(cafile=service.ca_file)
    flood = "127.0.0.24"
    done = 0
    for _ in range(2 * HANDSHAKES):
        with Talker(service, local=flood) as talker:
            talker.command("EHLO x")
            answer = talker.command("STARTTLS")
            if answer.startswith("421"):
                break
            with context.wrap_socket(talker.socket, server_hostname="localhost"):
                done += 1

    assert done >= HANDSHAKES
    assert answer.startswith("421 4.7.0 Too many encrypted connections ")
    with pytest.raises(OSError, match=r"(?i)eof|reset|violation"):
        Talker(service, tls=True, local=flood)
    assert refused(service, "TOO_MANY_HANDSHAKES") >= 2
    send_mail(service, "127.0.0.25")


def test_row_56_a_thousand_connections_from_one_address(service: Pillarbox) -> None:
    """As many as are allowed are served, some more are told 421 4.7.0, the rest is closed; mail
    from another address goes on, and afterwards mail from this one."""
    may_open(1200)
    before = memory_octets(service)
    connections = connect_many(service.starttls_port, 1000, "127.0.0.56")
    words = first_words(connections, 20)

    assert sum(said.startswith(b"220 ") for said in words) == SESSIONS
    told = sum(said.startswith(b"421 4.7.0 Too many connections ") for said in words)
    assert told >= 50
    assert words.count(b"") == 1000 - SESSIONS - told
    send_mail(service, "127.0.0.57")
    assert memory_octets(service) - before < 32 * MIB

    for connection in connections:
        connection.close()
    wait_until(lambda: _is_greeted(service, "127.0.0.56"), 10, "room for this address again")


def _is_greeted(service: Pillarbox, local: str) -> bool:
    with Talker(service, local=local) as talker:
        return talker.greeting.startswith("220 ")


def test_row_56_no_more_files_to_open(service: Pillarbox) -> None:
    """`ulimit -n 128` for the running worker: both ports are flooded, and serve again."""
    before = resource.prlimit(worker(service), resource.RLIMIT_NOFILE)
    resource.prlimit(worker(service), resource.RLIMIT_NOFILE, (128, before[1]))
    try:
        flood_both_ports(service)
        assert service.events("reception.accept_failed")
    finally:
        resource.prlimit(worker(service), resource.RLIMIT_NOFILE, before)


def test_row_23_half_open_handshakes(service: Pillarbox) -> None:
    """100 connections that send one octet are closed in time; others do not notice."""
    halves = connect_from_many(service.tls_port, 20, addresses=5)
    for half in halves:
        half.sendall(b"\x16")
    send_mail(service, "127.0.0.70")

    assert set(first_words(halves, HANDSHAKE_SECONDS + 15)) == {b""}
    for half in halves:
        half.close()
