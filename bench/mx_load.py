"""Many messages for many domains with hosts of all kinds: throughput, memory and fairness.

    python -m bench.mx_load [--messages N] [--domains N]

What is told is read from the log of the service: when each message was accepted, and when its
domain's hosts took or refused it. `through` is the time from the one to the other.
"""

import argparse
import json
import random
import socket
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from bench.machine import Use, describe, use_of
from bench.mx_hosts import BIG, KINDS, Kind, domains_of, mx_hosts
from tests.e2e.programs import free_port
from tests.e2e.service import Pillarbox

BIG_SHARE = 0.05
"""Of all messages, for one domain, and sent first."""

SESSIONS, SESSION_MESSAGES = 8, 1000
SIZE_OCTETS = 4096
PATIENCE_SECONDS = 3600.0
LOOK_SECONDS = 2.0

_MIB = 1024 * 1024

_CONFIG = """
[[listeners]]
name = "plain"
address = "127.0.0.1"
port = {port}
tls = "none"
network_login = true

[limits]
sessions_per_address = 1000
unknown_recipients_percent = 100

[delivery]
mx_private_networks = ["127.0.0.0/8"]
"""


class LoadedService(Pillarbox):
    """A worker for each processor, the usual log, and a port that wants no password."""

    def __init__(self, folder: Path, dns_port: int, mx_port: int) -> None:
        self.plain_port = free_port()
        first = f'workers = "auto"\ndns_servers = ["127.0.0.1:{dns_port}"]\n'
        super().__init__(folder, _CONFIG.format(port=self.plain_port), first_lines=first)
        loopback = ("--label", "loopback", "--network", "127.0.0.0/8")
        self.admin("credential", "add", self.username, *loopback)
        self.admin("route", "add", "--mx", "--mx-port", str(mx_port))
        self.admin("route", "add", "--to", "sender.example", "--capture")

    def _prepare(self) -> str:
        text = self.config.read_text().replace('level = "debug"', 'level = "info"')
        self.config.write_text(text)
        return super()._prepare()

    def use(self) -> Use:
        """What supervisor and workers use."""
        assert self._process is not None
        return use_of(self._process.pid)


@dataclass(slots=True)
class Seen:
    """What the log told so far: times in seconds."""

    accepted: dict[str, float] = field(default_factory=dict)
    ended: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The domain and the time by the message's id."""
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def read(self, lines: Iterator[str]) -> None:
        """Go on to the end of the log."""
        for line in lines:
            if '"message.accepted"' in line:
                event = json.loads(line)
                self.accepted[event["queue_id"]] = _seconds(event)
            elif '"delivery.attempt"' in line:
                self._attempt(json.loads(line))

    def _attempt(self, event: dict[str, Any]) -> None:
        hop, state = event["next_hop"], event["states"].partition(":")[0]
        if hop.startswith("mx:"):
            domain = hop.split(":")[1]
            self.counts[f"{_kind_of(domain)} {state}"] += 1
            if state != "deferred":
                self.ended[event["queue_id"]] = domain, _seconds(event)

    def throughs(self) -> dict[str, list[float]]:
        """How long each message took, by domain."""
        found: dict[str, list[float]] = defaultdict(list)
        for queue_id, (domain, at) in self.ended.items():
            found[domain].append(at - self.accepted[queue_id])
        return found


def _seconds(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def _kind_of(domain: str) -> str:
    return "big" if domain == BIG else domain.split(".")[-2]


def recipients_of(messages: int, domains: int) -> list[str]:
    """Whom to send to: those of the big domain first, then all domains in random order."""
    big = round(messages * BIG_SHARE)
    names = [name for kind in KINDS for name in domains_of(kind, domains) if name != BIG]
    others = [names[number % len(names)] for number in range(messages - big)]
    random.Random(1).shuffle(others)  # noqa: S311 - no secret, and the same each time
    # Nobody twice: who is unknown at one host is not sent to again.
    return [f"x{number}@{domain}" for number, domain in enumerate([BIG] * big + others)]


def send_all(port: int, sender: str, recipients: Sequence[str]) -> None:
    """Hand all of them to the service, one message each, by some sessions."""
    threads = [
        threading.Thread(target=_send, args=(port, sender, recipients[number::SESSIONS]))
        for number in range(SESSIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send(port: int, sender: str, recipients: Sequence[str]) -> None:
    for start in range(0, len(recipients), SESSION_MESSAGES):
        _send_some(port, sender, recipients[start : start + SESSION_MESSAGES])


def _send_some(port: int, sender: str, recipients: Sequence[str]) -> None:
    content = f"From: {sender}\r\nSubject: Load\r\n\r\n" + ("x" * 74 + "\r\n") * (SIZE_OCTETS // 76)
    octets = content.encode() + b".\r\n"
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.makefile("rb")
        _expect(replies.readline(), b"220")
        connection.sendall(b"EHLO load.example\r\n")
        while (line := replies.readline())[3:4] == b"-":
            pass
        _expect(line, b"250")
        for recipient in recipients:
            words = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n"
            connection.sendall(words.encode())
            for code in (b"250", b"250", b"354"):
                _expect(replies.readline(), code)
            connection.sendall(octets)
            _expect(replies.readline(), b"250")


def _expect(line: bytes, code: bytes) -> None:
    if not line.startswith(code):
        raise AssertionError(f"wanted {code!r}, got {line!r}")


def run(messages: int, domains: int, folder: Path) -> None:
    """Load, wait until all that ends has ended, and tell."""
    with mx_hosts(domains) as (dns, mx_port):
        service = LoadedService(folder, dns.port, mx_port)
        try:
            service.start()
            _measure(service, recipients_of(messages, domains), domains)
        finally:
            service.stop()


def _measure(service: LoadedService, recipients: Sequence[str], domains: int) -> None:
    ending = {name for kind in KINDS if kind.ends for name in domains_of(kind, domains)}
    wanted = sum(recipient.partition("@")[2] in ending for recipient in recipients)
    seen, most = Seen(), Use(0, 0, 0, 0)
    sender = threading.Thread(
        target=send_all, args=(service.plain_port, service.username, recipients)
    )
    begun = time.monotonic()
    sender.start()
    with service.log_file.open() as log:
        while len(seen.ended) < wanted:
            seen.read(iter(log.readline, ""))
            now = service.use()
            most = max(most, now, key=lambda use: use.pss_octets)
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise AssertionError(f"{len(seen.ended)} of {wanted} ended")
            print(
                f"{time.monotonic() - begun:6.0f} s: {len(seen.accepted)} accepted,"
                f" {len(seen.ended)} of {wanted} ended, {now.pss_octets / _MIB:.0f} MiB",
                flush=True,
            )
            time.sleep(LOOK_SECONDS)
    sender.join()
    _tell(seen, service.use(), most, domains)


def _tell(seen: Seen, use: Use, most: Use, domains: int) -> None:
    first = min(seen.accepted.values())
    accepting = max(seen.accepted.values()) - first
    print(describe())
    print(
        f"{len(seen.accepted)} messages accepted in {accepting:.0f} s,"
        f" {len(seen.accepted) / accepting:,.0f} a second"
    )
    print(
        f"CPU {use.cpu_seconds * 1000 / len(seen.accepted):.2f} ms a message,"
        f" at most {most.pss_octets / _MIB:.0f} MiB"
    )
    throughs = seen.throughs()
    for kind in KINDS:
        if kind.ends:
            _tell_kind(kind, {name: throughs[name] for name in domains_of(kind, domains)})
    ends = [at for domain, at in seen.ended.values() if _kind_of(domain) in {"good", "provider"}]
    print(f"good hosts: {len(ends)} messages, {len(ends) / (max(ends) - first):,.0f} a second")
    print(", ".join(f"{name}: {count}" for name, count in sorted(seen.counts.items())))


def _tell_kind(kind: Kind, throughs: dict[str, list[float]]) -> None:
    """Of a kind: the time of a message, and how the times of its domains differ."""
    if (big := throughs.pop(BIG, None)) is not None:
        print(f"{BIG}: {len(big)} messages, median {median(big):.1f} s, last {max(big):.1f} s")
    every = sorted(value for values in throughs.values() for value in values)
    means = [sum(values) / len(values) for values in throughs.values() if values]
    hundredths = quantiles(every, n=100)
    fairness = sum(means) ** 2 / (len(means) * sum(mean**2 for mean in means))
    print(
        f"{kind.name}: {len(every)} messages, median {hundredths[49]:.1f} s,"
        f" 99 in 100 {hundredths[98]:.1f} s, last {every[-1]:.1f} s; mean of a domain"
        f" {min(means):.1f} to {max(means):.1f} s, Jain's index {fairness:.3f}"
    )


def main(words: Sequence[str] | None = None) -> None:
    """Read the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=2_000)
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        run(options.messages, options.domains, Path(folder))


if __name__ == "__main__":
    main()
