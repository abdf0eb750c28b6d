"""Floods at full size, and clients that are slow in real time, with the default limits."""

import os
import resource
import signal
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial

import pytest
from tests.e2e.flooding import (
    BLOCK,
    MIB,
    Talker,
    connect_from_many,
    first_words,
    flood_both_ports,
    may_open,
    memory_octets,
    send_mail,
    worker,
)
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]

STEP_SECONDS = 10.0
"""A hostile client sends one octet in this time."""

COMMAND_SECONDS, DATA_SECONDS, HANDSHAKE_SECONDS = 300, 180, 30
SPARE_SECONDS = 15

SAMPLES = 100


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with the default limits that has taken a message."""
    with running(tmp_path_factory.mktemp("pillarbox")) as pillarbox:
        send_mail(pillarbox, "127.0.0.1")
        yield pillarbox


def _trickle(talker: Talker, octets: bytes = b"x") -> float:
    """Send these octets again and again until the connection is closed; the seconds until then."""
    begun, pace = time.monotonic(), threading.Event()
    while talker.send(octets) and not talker.has_ended():
        pace.wait(STEP_SECONDS)
    return time.monotonic() - begun


def _in_command(service: Pillarbox) -> float:
    with Talker(service) as talker:
        return _trickle(talker)


def _in_command_after_login(service: Pillarbox) -> float:
    with Talker(service, tls=True) as talker:
        return _trickle(talker.log_in(service))


def _in_auth(service: Pillarbox) -> float:
    with Talker(service, tls=True) as talker:
        talker.command("EHLO x")
        assert talker.command("AUTH PLAIN").startswith("334 ")
        return _trickle(talker)


def _in_data(service: Pillarbox) -> float:
    with Talker(service, tls=True) as talker:
        return _trickle(talker.log_in(service).open(service))


def _in_chunk(service: Pillarbox) -> float:
    with Talker(service, tls=True) as talker:
        talker.log_in(service).open(service, data=False).send(b"BDAT 100000\r\n")
        return _trickle(talker)


def _in_chunks(service: Pillarbox) -> float:
    with Talker(service, tls=True) as talker:
        return _trickle(talker.log_in(service).open(service, data=False), b"BDAT 1\r\nx")


def _in_handshake(service: Pillarbox) -> float:
    [half] = connect_from_many(service.tls_port, 1, addresses=1)
    begun = time.monotonic()
    with half:
        half.settimeout(STEP_SECONDS)
        for octet in b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100):
            try:
                half.sendall(bytes([octet]))
                if not half.recv(BLOCK):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
    return time.monotonic() - begun


SLOW: dict[str, tuple[Callable[[Pillarbox], float], float]] = {
    "command": (_in_command, COMMAND_SECONDS),
    "command after a login": (_in_command_after_login, COMMAND_SECONDS),
    "AUTH": (_in_auth, COMMAND_SECONDS),
    "DATA": (_in_data, DATA_SECONDS),
    "a chunk of BDAT": (_in_chunk, COMMAND_SECONDS),
    "chunks of one octet": (_in_chunks, DATA_SECONDS),
    "handshake": (_in_handshake, HANDSHAKE_SECONDS),
}


def _honest(service: Pillarbox, seconds: float) -> str:
    """A printer on a slow line: 500 octets a second for so long; the reply to its message."""
    with Talker(service, tls=True) as talker:
        talker.log_in(service).open(service)
        talker.send(b"From: app@sender.example\r\n\r\n")
        end = time.monotonic() + seconds
        pace = threading.Event()
        while time.monotonic() < end:
            talker.send(b"x" * 498 + b"\r\n")
            pace.wait(1.0)
        talker.send(b".\r\n")
        return talker.reply()


def test_row_55_one_octet_in_ten_seconds(service: Pillarbox) -> None:
    """In a command, AUTH, DATA, BDAT and the handshake: closed by the deadline. All at the same
    time, beside an honest client at 500 octets a second, which is served."""
    took: dict[str, float] = {}
    replies: list[str] = []

    def measure(name: str, attack: Callable[[Pillarbox], float]) -> None:
        took[name] = attack(service)

    threads = [
        threading.Thread(target=partial(measure, name, attack))
        for name, (attack, _) in SLOW.items()
    ]
    threads.append(threading.Thread(target=lambda: replies.append(_honest(service, 400))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert replies[0].startswith("250 2.0.0 ")
    for name, (_, seconds) in SLOW.items():
        assert took[name] <= seconds + SPARE_SECONDS, (name, took)


def _p95(service: Pillarbox) -> float:
    samples = [send_mail(service, "127.0.0.99") for _ in range(SAMPLES)]
    return statistics.quantiles(samples, n=20)[-1]


def test_row_55_two_thousand_idle_sessions(service: Pillarbox) -> None:
    """The time that a message of others takes (p95) stays what it was."""
    may_open(2500)
    before = _p95(service)
    idle = connect_from_many(service.starttls_port, 200, addresses=10)
    assert all(words.startswith(b"220 ") for words in first_words(idle, 60))

    during = _p95(service)

    for connection in idle:
        connection.close()
    assert during < 1.5 * before + 0.02


def test_row_23_half_open_handshakes(service: Pillarbox) -> None:
    """500 connections that send one octet are closed within the 30 seconds of a handshake."""
    may_open(1000)
    halves = connect_from_many(service.tls_port, 100, addresses=5)
    for half in halves:
        half.sendall(b"\x16")
    begun = time.monotonic()
    during = [send_mail(service, "127.0.0.99") for _ in range(20)]

    assert set(first_words(halves, HANDSHAKE_SECONDS + SPARE_SECONDS)) == {b""}
    assert time.monotonic() - begun < HANDSHAKE_SECONDS + SPARE_SECONDS
    assert max(during) < 5
    for half in halves:
        half.close()


def test_row_24_two_hundred_handshakes_a_second(service: Pillarbox) -> None:
    """As fast as it goes from one address, without a login: 300 and some more, then 421 4.7.0."""
    context = ssl.create_default_context(cafile=service.ca_file)
    begun, done, answer = time.monotonic(), 0, ""
    while done < 5000 and not answer.startswith("421"):
        with Talker(service, local="127.0.0.24") as talker:
            talker.command("EHLO x")
            answer = talker.command("STARTTLS")
            if answer.startswith("220"):
                context.wrap_socket(talker.socket, server_hostname="localhost").close()
                done += 1
    seconds = time.monotonic() - begun

    assert answer.startswith("421 4.7.0 ")
    assert 300 <= done <= 302 + 5 * seconds
    assert send_mail(service, "127.0.0.25") < 5


def _send_one_long_line(service: Pillarbox) -> int:
    """A hundred megabytes; by how much the memory of the service grew at most, in octets."""
    with Talker(service, tls=True) as talker:
        talker.log_in(service).open(service)
        before, most = memory_octets(service), 0
        for _ in range(100):
            assert talker.send_many(b"x" * 50_000, 20)
            most = max(most, memory_octets(service))
        talker.send(b"\r\n.\r\n")

        assert talker.reply().startswith("552 5.3.4 ")
    return most - before


def test_row_48_a_hundred_megabytes_in_one_line(service: Pillarbox) -> None:
    """552, and memory stays as it is while they come, but for SQLite's cache of pages, which the
    first large content fills once."""
    cache_octets = 32 * MIB

    assert _send_one_long_line(service) < cache_octets + 16 * MIB
    assert _send_one_long_line(service) < 16 * MIB


def _send_25_mib(service: Pillarbox, number: int, all_begin: threading.Barrier) -> str:
    """The reply to a message of that size, one of many that begin together."""
    with Talker(service, tls=True, local=f"127.0.1.{number + 1}") as talker:
        talker.log_in(service).open(service)
        all_begin.wait()
        assert talker.send_many(b"x" * 510 + b"\r\n", 25 * MIB // 512)
        talker.send(b".\r\n")
        return talker.reply()


def test_a_hundred_messages_of_25_mib_at_once(service: Pillarbox) -> None:
    """All are taken, and the memory of the worker stays below 300 MiB."""
    sessions = 100
    all_begin = threading.Barrier(sessions)
    most = 0
    with ThreadPoolExecutor(sessions) as threads:
        send = partial(_send_25_mib, service, all_begin=all_begin)
        replies = [threads.submit(send, number) for number in range(sessions)]
        while wait(replies, timeout=0.1).not_done:
            most = max(most, memory_octets(service))

    assert [reply.result()[:10] for reply in replies] == ["250 2.0.0 "] * sessions
    assert most < 300 * MIB, f"{most / MIB:.0f} MiB"


def test_row_50_a_header_of_five_megabytes(service: Pillarbox) -> None:
    """552 5.3.4 for one field of that size."""
    with Talker(service, tls=True) as talker:
        talker.log_in(service).open(service)
        talker.send(b"Subject: ")
        talker.send_many(b"x" * 50_000, 100)
        talker.send(b"\r\n\r\nbody\r\n.\r\n")

        assert talker.reply().startswith("552 5.3.4 The header ")


def test_row_56_a_service_with_few_open_files(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Started with `ulimit -n 128` it allows itself fewer sessions, and never runs out of files."""
    with running(tmp_path_factory.mktemp("pillarbox")) as service:
        first = worker(service)
        [ready] = wait_until(lambda: service.events("service.ready"), 30, "its own word")
        supervisor = int(ready["pid"])
        resource.prlimit(supervisor, resource.RLIMIT_NOFILE, (128, 128))
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: worker(service) != first, 30, "the next worker")
        wait_until(lambda: len(service.events("worker.serves")) > 1, 30, "the next worker serves")

        assert service.events("worker.few_open_files")[-1]["sessions"] < 128
        flood_both_ports(service)
        assert not service.events("reception.accept_failed")
        send_mail(service, "127.0.0.99")
