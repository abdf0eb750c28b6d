"""Domains and MX hosts of a load: good, slow, refusing and dead ones, at addresses of the loopback.

Hosts are processes of Postfix's smtp-sink. Most domains have hosts of their own; some are at
providers, whose hosts they share.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from tests.e2e.dns_server import DnsServer
from tests.e2e.programs import free_port, program
from tests.e2e.waiting import wait_until

START_SECONDS = 30.0
BIG = "big.example"
"""A domain at the first provider with many more messages than any other."""

_ADDRESSES = 8
"""Of the good hosts; and so many processes take their mail."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of domain: its part of all domains, the options of its smtp-sink, and how many domains
    share their hosts. `ends`: its mail is delivered or returned during the load."""

    name: str
    share: float
    behaviour: tuple[str, ...] = ()
    at_provider: int = 1
    listens: bool = True
    ends: bool = True


KINDS = (
    Kind("good", 0.5),
    Kind("provider", 0.25, at_provider=50),
    Kind("slow", 0.1, ("-w", "1")),
    Kind("refusing", 0.075, ("-f", "RCPT", "-B", "550 5.1.1 Nobody of this name")),
    Kind("deferring", 0.025, ("-r", "RCPT", "-b", "451 4.7.1 Come again"), ends=False),
    Kind("silent", 0.025, ("-W", "CONNECT:3600"), ends=False),
    Kind("dead", 0.025, listens=False, ends=False),
)
"""`slow` takes a second for each message, `silent` accepts connections and says nothing."""


def domains_of(kind: Kind, domains: int) -> list[str]:
    """The domains of a kind."""
    names = [f"d{number}.{kind.name}.example" for number in range(round(domains * kind.share))]
    return [BIG, *names] if kind.name == "provider" else names


@contextmanager
def mx_hosts(domains: int) -> Iterator[tuple[DnsServer, int]]:
    """Run all hosts and the DNS that names them; the DNS, and the port of the hosts."""
    dns, port = DnsServer(), free_port()
    with ExitStack() as stack:
        for number, kind in enumerate(KINDS, 1):
            count = _ADDRESSES if kind.name in {"good", "provider"} else 1
            addresses = [f"127.0.{number}.{host}" for host in range(1, count + 1)]
            _name(dns, kind, domains_of(kind, domains), addresses)
            for address in addresses if kind.listens else ():
                stack.enter_context(_sink(address, port, *kind.behaviour))
        dns.start()
        stack.callback(dns.stop)
        yield dns, port


def _name(dns: DnsServer, kind: Kind, domains: list[str], addresses: list[str]) -> None:
    for number, domain in enumerate(domains):
        site = number // kind.at_provider
        host = f"mx{site}.{kind.name}.example"
        dns.world.dns(domain, "MX", f"10 {host}.")
        if (host, "A") not in dns.world.records:
            dns.world.dns(host, "A", addresses[site % len(addresses)])


@contextmanager
def _sink(address: str, port: int, *behaviour: str) -> Iterator[None]:
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    argv = [program("smtp-sink", "postfix"), *user, "-m", "1000", *behaviour]
    process = subprocess.Popen([*argv, f"{address}:{port}", "1000"])
    try:
        wait_until(partial(_listens, address, port), START_SECONDS, f"{address} listens")
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), 5).close()
    except OSError:
        return False
    return True
