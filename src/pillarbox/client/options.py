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
    """Limits in seconds.

    `connect` is for name and connection, `reply` for each answer (and the handshake), `block` for
    each piece of content that the server has to take, `confirmation` for the answer to the content,
    with one more second for each `octets_per_second` of it: what was written may still be on its
    way. RFC 5321 section 4.5.3.2.6 says ten minutes.
    """

    connect: float = 30.0
    reply: float = 60.0
    block: float = 60.0
    confirmation: float = 300.0
    octets_per_second: float = 4096.0

    @classmethod
    def of(cls, seconds: float) -> "Timeouts":
        """Those of a client whose servers get so many seconds for each answer."""
        return cls(
            connect=min(seconds, 30.0), reply=seconds, block=seconds, confirmation=5 * seconds
        )

    def reply_of(self, on_its_way: int) -> float:
        """The limit for an answer while so many octets behind the command may be on their way."""
        return self.reply + on_its_way / self.octets_per_second

    def confirmation_of(self, size_octets: int) -> float:
        """The limit for the answer to so much content."""
        return self.confirmation + size_octets / self.octets_per_second


@dataclass(frozen=True, slots=True)
class Dsn:
    """Which delivery reports are wanted (RFC 3461). `ret` says what a report gives back;
    `envelope_id` comes back in it."""

    notify: Sequence[Literal["success", "failure", "delay", "never"]] = ()
    ret: Literal["full", "headers"] | None = None
    envelope_id: str = ""
