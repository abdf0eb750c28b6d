"""What a session asks of its connection. The session decides and does no I/O: it is a generator of
steps, which a wire carries out, blocking (client.blocking) or in an event loop (client.looping).
"""

from collections.abc import Generator, Iterator, Sequence
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from pillarbox.smtp.client_script import Turn, is_wished
from pillarbox.values import quick

if TYPE_CHECKING:
    from pillarbox.client.layer import TlsLayer

READ_OCTETS = 65_536


class Ended(Enum):
    """Why no octets come."""

    CLOSED = auto()
    TIMED_OUT = auto()


@quick(frozen=True, slots=True)
class Progress:
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


class Script:
    """Write each turn (smtp.client_script) and wait for its answer, as long as that is the one to
    be wished for. What came of the last turn that was made is given; `heard` are all answers.

    `seconds` are for writing, `answer_seconds` for an answer and `content_seconds` for the one to
    the content. By TLS, where there is one.
    """

    __slots__ = (
        "_wished",
        "answer_seconds",
        "content_seconds",
        "heard",
        "seconds",
        "tls",
        "turns",
    )

    def __init__(
        self,
        turns: Sequence[Turn],
        tls: "TlsLayer | None",
        seconds: float,
        answer_seconds: float,
        content_seconds: float,
    ) -> None:
        self.turns = turns
        self.tls = tls
        self.seconds = seconds
        self.answer_seconds = answer_seconds
        self.content_seconds = content_seconds
        self.heard: list[bytes] = []
        self._wished = 0

    @property
    def is_done(self) -> bool:
        """Whether all answers were those to be wished for."""
        return self._wished == len(self.turns)

    def hears(self, progress: Progress) -> bool:
        """Take what came of the next turn; whether the script goes on."""
        tls, heard = self.tls, self.heard
        answer = progress.came if tls is None else tls.unseal(progress.came)
        _, count, last, _ = self.turns[len(heard)]
        heard.append(answer)
        if not is_wished(answer, count, last) or (tls is not None and tls.is_over):
            return False
        if progress.unsent or progress.ended is not None:
            # An answer to what the server has not taken yet.
            return False
        self._wished += 1
        return True


Step: TypeAlias = Write | Read | Script | Pull | Probe

T = TypeVar("T")
Steps: TypeAlias = Generator[Step, Progress, T]
