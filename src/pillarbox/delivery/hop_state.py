"""What is known of a next hop in one worker, for people to read: `pillarbox queue hops`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pillarbox.mail.envelope import Timestamp

WallOf: TypeAlias = Callable[[float], Timestamp | None]
"""The time of day of a monotonic moment; None: it is over, or nobody knows when it comes."""

REPLY_LENGTH = 300
"""Characters of a reply that are told."""

PAGE = 100
"""Names in one answer of a worker at most, so that it fits its line: Linux gives that 416 KiB,
unless net.core.wmem_max says otherwise."""


@dataclass(frozen=True, slots=True)
class ConnectionsState:
    """`lowered_by` is the reply by which there may be fewer than `cap`, or a pause; after
    `grows_after` messages that are taken there may be one more. `slow_until`: the receiver asked
    for less in words that count for so long."""

    open: int = 0
    allowed: int = 0
    cap: int = 0
    lowered_by: str = ""
    grows_after: int = 0
    paused_until: Timestamp | None = None
    slow_until: Timestamp | None = None


@dataclass(frozen=True, slots=True)
class LaneState:
    """A lane that this worker owns. `in_flight` attempts are under way. `closed_until`: it can not
    be reached, or is suspended, and nothing is tried before. `site`: the MX hosts of the domain."""

    hop: str
    in_flight: int
    connections: ConnectionsState
    closed_until: Timestamp | None
    last_reply: str
    last_host: str
    last_tls: str
    site: str = ""


@dataclass(frozen=True, slots=True)
class SiteState:
    """MX hosts that so many `hops` share. `failure`: why the last session could not be opened;
    `security`: how the last one was protected; `tried_last`: hosts that take no mail in theirs, and
    what they say."""

    hosts: str
    hops: int
    connections: ConnectionsState
    closed_until: Timestamp | None
    failure: str
    security: str
    tried_last: str = ""
