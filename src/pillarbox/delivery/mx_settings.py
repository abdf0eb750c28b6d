"""What is set for delivery to MX hosts."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

from pillarbox.delivery.mx_sources import SourceStore
from pillarbox.delivery.receivers import KNOWN, Receivers
from pillarbox.delivery.tls_counts import TlsCounts
from pillarbox.mail.envelope import Timestamp
from pillarbox.store.mta_sts import StsPolicies

Connect: TypeAlias = Callable[
    [str, int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
]

Network: TypeAlias = IPv4Network | IPv6Network


def wall_clock() -> Timestamp:
    """The time of day."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class MxSettings:
    """`own_names` are the names of this host, `dns_servers` whom to ask instead of the machine's
    (address and port), `networks` the private ones whose hosts may be connected to.
    `idle_sessions` may be open without use at the same time. `policies` are those of MTA-STS; None:
    nobody asks for them. `web_connect` is how they are fetched. `receivers` say what hosts take,
    `sources` what is known of the addresses that mail comes from. `counts` are those of sessions by
    how TLS went; None: nobody makes reports of that."""

    own_names: frozenset[str] = frozenset()
    dns_servers: tuple[tuple[str, int], ...] = ()
    networks: tuple[Network, ...] = ()
    idle_seconds: float = 5.0
    idle_sessions: int = 200
    policies: StsPolicies | None = None
    receivers: Receivers = KNOWN
    sources: SourceStore | None = None
    web_connect: Connect = asyncio.open_connection
    wall: Callable[[], Timestamp] = wall_clock
    counts: TlsCounts | None = None
