"""The service that soaks, its clients, and its next hops: one that takes mail, some that do not."""

import random
import smtplib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.sinks import sink
from tests.crash.clients import Clients, Load
from tests.crash.letters import Kind, Letter, compose
from tests.crash.victim import Victim
from tests.e2e.programs import free_port
from tests.support.constants import environment_with

SHORT_DAYS = {
    "pillarbox.store.upkeep:DAY_MS": 10_000,
    "pillarbox.outcome.settle:_DAY_MS": 10_000,
    "pillarbox.app.upkeep:PRUNE_SECONDS": 15,
}
"""A day is ten seconds for what is kept for days, so that is removed many times in half an hour.
The clock, leases and retries are as ever."""

NEXT, CAPTURE = "next.example", "capture.example"
TROUBLED = {
    "defers.example": ("-r", "RCPT", "-b", "451 4.3.0 Not now"),
    "refuses.example": ("-f", "RCPT", "-B", "550 5.7.1 Not from you"),
    "hangs.example": ("-W", "EHLO:3600"),
    "cuts.example": ("-q", "DATA"),
}
"""Domains of next hops that do not take mail, with the options of smtp-sink."""

DOMAINS = {NEXT: 0.7, CAPTURE: 0.1} | dict.fromkeys(TROUBLED, 0.05)

KIB, MIB = 1024, 1024 * 1024
SIZES = {(1 * KIB, 16 * KIB): 0.8, (16 * KIB, 256 * KIB): 0.15, (256 * KIB, 5 * MIB): 0.05}
MANY_RECIPIENTS, MANY_SHARE = 100, 0.03
LOAD = Load(
    clients=6, pause_seconds=0.6, kinds={Kind.TAKEN: 0.9, Kind.LATE: 0.08, Kind.REFUSED: 0.02}
)

PLAIN_SHARE = 0.3
"""Of the sessions, without TLS or login."""

_CONFIG = """
[[listeners]]
name = "plain"
address = "127.0.0.1"
port = {port}
tls = "none"
network_login = true

[limits]
unknown_recipients_percent = 100

[delivery]
greeting_timeout_seconds = 5
command_timeout_seconds = 5
"""
"""A hop that hangs costs five seconds an attempt."""

RETRY = ("--retry-first", "1", "--retry-longest", "20", "--give-up", "60")
"""What can not be delivered is given up after a minute, so the queue does not grow for ever."""


class SoakedService(Victim):
    """Two workers, a port without TLS, and days of ten seconds of which it keeps a dozen."""

    def __init__(self, folder: Path) -> None:
        self.plain_port = free_port()
        super().__init__(folder, environment=environment_with(SHORT_DAYS))

    def _prepare(self) -> str:
        text = self.config.read_text() + _CONFIG.format(port=self.plain_port)
        self.config.write_text(f"workers = 2\ntrace_days = 12\n{text}")
        return super()._prepare()

    def set_up(self, port: int) -> None:
        """The usual next hop, retries, and a login for loopback addresses."""
        super().set_up(port)
        self.admin("tenant", "change", *RETRY)
        self.admin("route", "add", "--to", CAPTURE, "--capture")
        loopback = ("--label", "loopback", "--network", "127.0.0.0/8")
        self.admin("credential", "add", self.username, *loopback)

    @property
    def processes(self) -> dict[str, int]:
        """Process ids by what they are."""
        assert self._process is not None
        workers = {f"worker {number}": pid for number, pid in enumerate(self._workers(), 1)}
        return {"supervisor": self._process.pid, **workers}


@contextmanager
def troubled_hops(service: SoakedService, folder: Path) -> Iterator[None]:
    """The next hops that do not take mail, and the routes to them."""
    with ExitStack() as stack:
        for domain, behaviour in TROUBLED.items():
            port = stack.enter_context(sink(folder, *behaviour)).port
            target = ("--smarthost", f"127.0.0.1:{port}", "--tls", "none")
            service.admin("route", "add", "--to", domain, *target)
        yield


class MixedClients(Clients):
    """Clients of all kinds of sessions and letters."""

    _service: SoakedService

    def _connect(self, rng: random.Random) -> smtplib.SMTP:
        if rng.random() < PLAIN_SHARE:
            client = smtplib.SMTP("127.0.0.1", self._service.plain_port, timeout=60)
            client.ehlo()
            return client
        return super()._connect(rng)

    def _compose(self, rng: random.Random) -> Letter:
        (domain,) = rng.choices(list(DOMAINS), list(DOMAINS.values()))
        ((least, most),) = rng.choices(list(SIZES), list(SIZES.values()))
        many = rng.random() < MANY_SHARE
        return compose(
            rng,
            kinds=self._load.kinds,
            most_recipients=MANY_RECIPIENTS if many else self._load.most_recipients,
            domain=domain,
            size_octets=rng.randint(least, most),
        )
