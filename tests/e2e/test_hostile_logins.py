"""Guessing passwords at the real process: what comes through, who still gets in, what it costs."""

import asyncio
import smtplib
import ssl
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest
from tests.e2e.service import Pillarbox, running
from tests.e2e.waiting import wait_until
from tests.support.reception import Client, plain

TRIES_PER_ACCOUNT = 10
TRIES_PER_ADDRESS = 20
WINDOW_SECONDS = 600.0
"""The defaults of the configuration."""

FRESH_SECONDS = 10.0
"""An address without failures gets a turn of its own so often (policy.login_limits)."""

GUESSES = 500
ALARM = "login.too_many_failures"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pillarbox]:
    """A service with the limits of logins that everybody has; the one of handshakes, which a
    guesser would meet first, is out of the way."""
    limits = "\n[limits]\nhandshakes_per_address = 100000\n"
    with running(tmp_path_factory.mktemp("pillarbox"), limits) as pillarbox:
        pillarbox.admin("route", "add", "--capture")
        yield pillarbox


def _account(service: Pillarbox, name: str) -> tuple[str, str]:
    """A new account that nobody has logged in to: its address and password."""
    address = f"{name}@sender.example"
    service.admin("account", "add", address)
    made = service.admin_json("credential", "add", address, "--label", "e2e")
    return address, made["password"]


def _connect(service: Pillarbox, source: str) -> smtplib.SMTP_SSL:
    context = ssl.create_default_context(cafile=service.ca_file)
    port = service.tls_port
    end = (source, 0)
    return smtplib.SMTP_SSL("localhost", port, context=context, timeout=60, source_address=end)


def _log_in(service: Pillarbox, source: str, user: str, password: str) -> int:
    """One login in a connection of its own: the code of the reply."""
    with _connect(service, source) as client:
        client.ehlo()
        code, _ = client.docmd("AUTH", f"PLAIN {plain(user, password)}")
        return code


def _guess(service: Pillarbox, source: str, tries: list[tuple[str, str]]) -> set[int]:
    """Wrong logins from one address, in as few connections as the service allows; their codes."""
    codes = set()
    client: smtplib.SMTP_SSL | None = None
    for user, password in tries:
        if client is None:
            client = _connect(service, source)
            client.ehlo()
        code, _ = client.docmd("AUTH", f"PLAIN {plain(user, password)}")
        codes.add(code)
        if code == 421:
            client.close()
            client = None
    if client is not None:
        client.close()
    return codes


def _metric(service: Pillarbox, name: str) -> float:
    line = next(
        line for line in service.get("/metrics")[1].splitlines() if line.startswith(f"{name} ")
    )
    return float(line.split()[1])


def _hashes(service: Pillarbox) -> float:
    return _metric(service, "pillarbox_reception_password_hashes_total")


def _alarms(service: Pillarbox, source: str) -> int:
    return sum(line["source"] == source for line in service.events(ALARM))


@pytest.mark.parametrize("sources", [1, 50])
def test_row_25_few_guesses_reach_the_hash_and_the_owner_gets_in(
    service: Pillarbox, sources: int
) -> None:
    """500 guesses at one account, from one address and from fifty. The owner gets in from
    elsewhere: at a place that was never seen before where one address guesses, and with the
    password that was right before where fifty do."""
    user, password = _account(service, f"owner{sources}")
    if sources > 1:
        assert _log_in(service, "127.0.2.1", user, password) == 235
    before, began = _hashes(service), time.monotonic()

    codes = set()
    for n in range(sources):
        tries = [(user, f"guess {n} {m}") for m in range(GUESSES // sources)]
        codes |= _guess(service, f"127.0.1.{n + 1}", tries)

    turns = (time.monotonic() - began) / FRESH_SECONDS if sources > 1 else 0
    assert codes == {535, 421}
    assert 0 < _hashes(service) - before <= TRIES_PER_ACCOUNT + turns
    assert _log_in(service, "127.0.2.2", user, password) == 235


def test_row_26_sprayed_password_blocks_its_source_and_raises_an_alarm(
    service: Pillarbox,
) -> None:
    """One password for 500 accounts, of which some are there: twenty tries, then the address is
    stopped, which the log and the metrics tell once; others do not notice."""
    source = "127.0.3.1"
    user, password = _account(service, "sprayed")
    names = [user if n == 250 else f"u{n}@sender.example" for n in range(GUESSES)]
    hashes = _hashes(service)
    alarms = _metric(service, "pillarbox_reception_guessers_total")
    began = time.monotonic()

    codes = _guess(service, source, [(name, "Summer2026!") for name in names])

    refilled = (time.monotonic() - began) / WINDOW_SECONDS * TRIES_PER_ADDRESS
    assert codes == {535, 421}
    assert _hashes(service) - hashes <= TRIES_PER_ADDRESS + refilled
    assert _log_in(service, source, user, password) == 421
    assert _log_in(service, "127.0.3.2", user, password) == 235
    wait_until(lambda: _alarms(service, source), 10, "the alarm in the log")
    assert _alarms(service, source) == 1
    assert {line["level"] for line in service.events(ALARM)} == {"warning"}
    assert _metric(service, "pillarbox_reception_guessers_total") - alarms == 1
    assert "Summer2026!" not in service.log


PARALLEL = 200
SOURCES = 20
FLOOD_PATIENCE_SECONDS = 240.0
"""200 hashes are 10 seconds of computing, which may be long on a machine that others use too."""
FLOOD_MEMORY_KIB = 100 * 1024
"""Two hashes at a time take 38 MiB, 200 TLS sessions some more; 200 hashes would take 3.8 GiB."""


async def _login_at(
    service: Pillarbox, number: int, context: ssl.SSLContext, all_here: asyncio.Barrier
) -> str:
    """One of the parallel logins: connected first, AUTH when all are; the code of the reply."""
    local = f"127.0.4.{number % SOURCES + 1}"
    client = await Client.connect(service.tls_port, context, local)
    client.patience_seconds = FLOOD_PATIENCE_SECONDS
    await client.reply()
    await client.command("EHLO flood.example")
    await all_here.wait()
    reply = await client.login(f"{uuid4().hex}@sender.example", "a guess")
    await client.close()
    return reply[:3]


class _Other:
    """Another session, logged in before; it sends one message after the other."""

    def __init__(self, client: Client, sender: str) -> None:
        self._client = client
        self._sender = sender

    @classmethod
    @asynccontextmanager
    async def open(cls, service: Pillarbox, context: ssl.SSLContext) -> AsyncIterator["_Other"]:
        """Connect and log in; hang up at the end."""
        client = await Client.connect(service.tls_port, context, "127.0.5.1")
        await client.reply()
        await client.command("EHLO other.example")
        assert (await client.login(service.username, service.password))[:3] == "235"
        yield cls(client, service.username)
        await client.close()

    async def send(self, until: "asyncio.Future[list[str]] | None", count: int) -> list[float]:
        """The seconds that each message took: `count`, and more as long as `until` is not done."""
        content = f"From: {self._sender}\r\n\r\nHello\r\n".encode()
        taken: list[float] = []
        while len(taken) < count or (until is not None and not until.done()):
            began = time.monotonic()
            reply = await self._client.message(content, sender=self._sender)
            taken.append(time.monotonic() - began)
            assert reply.startswith("250"), reply
        return taken


async def _flood(service: Pillarbox, context: ssl.SSLContext) -> tuple[list[str], list[float]]:
    """The codes of 200 logins at once, and the seconds of the messages of another session."""
    all_here = asyncio.Barrier(PARALLEL + 1)
    async with _Other.open(service, context) as other, asyncio.TaskGroup() as tasks:
        logins = [
            tasks.create_task(_login_at(service, n, context, all_here)) for n in range(PARALLEL)
        ]
        await all_here.wait()
        under_load = await other.send(asyncio.gather(*logins), 20)
    return [login.result() for login in logins], under_load


def _p95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20)[-1]


async def test_row_35_parallel_logins_cost_bounded_memory_and_hold_nobody_up(
    service: Pillarbox,
) -> None:
    """200 at once: each gets its answer, two hash at a time, and the messages of another session
    do not stand behind them."""
    context = ssl.create_default_context(cafile=service.ca_file)
    before, began = service.memory_kib("VmRSS"), time.monotonic()

    codes, under_load = await _flood(service, context)

    assert set(codes) == {"535"}
    assert _p95(under_load) < (time.monotonic() - began) / 5
    assert service.memory_kib("VmHWM") - before < FLOOD_MEMORY_KIB
