"""What is set for delivery to MX hosts."""

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class MxSettings:
    """`own_names` are the names of this host, `dns_servers` whom to ask instead of the machine's
    (address and port), `networks` the private ones whose hosts may be connected to.
    `idle_sessions` may be open without use at the same time."""

    own_names: frozenset[str] = frozenset()
    dns_servers: tuple[tuple[str, int], ...] = ()
    networks: tuple[Network, ...] = ()
    idle_seconds: float = 5.0
    idle_sessions: int = 200
