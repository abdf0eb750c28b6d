"""What a session asks of its connection. The session decides and does no I/O: it is a generator of
steps, which a wire carries out, blocking (client.blocking) or in an event loop (client.looping).
"""

from collections.abc import Generator, Iterator
from enum import Enum, auto
from typing import NamedTuple, TypeAlias, TypeVar

READ_OCTETS = 65_536


class Ended(Enum):
    """Why no octets come."""

    CLOSED = auto()
    TIMED_OUT = auto()


class Progress(NamedTuple):
    """What came of a step. `unsent` is what the server did not take before it spoke."""

    came: bytes = b""
    unsent: bytes = b""
    ended: Ended | None = None


class Write(NamedTuple):
    """Write octets within `seconds`; where the server speaks before it took them, stop."""

    octets: bytes
    seconds: float
    is_fresh: bool = True
    """The time counts from now; else it goes on from the step before."""
    answer_seconds: float = 0.0
    """Where all of it was taken: wait for octets, for so many seconds."""


class Read(NamedTuple):
    """Wait for octets, for so many seconds."""

    seconds: float
    is_fresh: bool = True


class Pull(NamedTuple):
    """The next block of content, out of a file: b"" at the end."""

    source: Iterator[bytes]


class Probe(NamedTuple):
    """Say these octets over another connection to the same server: what comes first there."""

    octets: bytes
    seconds: float


Step: TypeAlias = Write | Read | Pull | Probe

T = TypeVar("T")
Steps: TypeAlias = Generator[Step, Progress, T]
