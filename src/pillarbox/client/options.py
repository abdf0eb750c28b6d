"""What can be set for a client and for one message."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

Tls: TypeAlias = Literal["required", "opportunistic"]
"""`required`: without TLS nothing is sent. `opportunistic`: a server without TLS is used in the
clear, but for a login, which goes in the clear to this machine alone."""

Transcript: TypeAlias = Callable[[str], object] | list[str]
"""Gets each line of a session, "C: …" or "S: …", secrets masked; content is only counted."""


@dataclass(frozen=True, slots=True)
class Pool:
    """How connections are kept.

    At most `connections` at a time, each for `messages` and `age` seconds; one that was not used
    for `idle` seconds is not used again. With `rate` (messages, seconds) no more messages begin in
    any so many seconds. Who waits longer than `wait` seconds for a connection gets PoolTimeout;
    None waits as long as it takes.
    """

    connections: int = 5
    messages: int = 100
    age: float = 300.0
    idle: float = 30.0
    rate: tuple[int, float] | None = None
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Limits in seconds, None where there is to be none.

    `connect` is for name and connection, `reply` for each answer (and the handshake), `block` for
    each piece of content that the server has to take, `confirmation` for the answer to the content,
    with one more second for each `octets_per_second` of it: what was written may still be on its
    way. RFC 5321 section 4.5.3.2.6 says ten minutes.
    """

    connect: float | None = 30.0
    reply: float | None = 60.0
    block: float | None = 60.0
    confirmation: float | None = 300.0
    octets_per_second: float = 4096.0


@dataclass(frozen=True, slots=True)
class Dsn:
    """Which delivery reports are wanted (RFC 3461). `ret` says what a report gives back;
    `envelope_id` comes back in it."""

    notify: Sequence[Literal["success", "failure", "delay", "never"]] = ()
    ret: Literal["full", "headers"] | None = None
    envelope_id: str = ""
