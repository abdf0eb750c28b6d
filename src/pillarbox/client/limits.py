"""The limits of a client, checked before anything is connected."""

import math
from dataclasses import dataclass, replace

from pillarbox.client.errors import ArgumentError
from pillarbox.client.options import Pool, Timeouts

MOST_SECONDS = 864_000.0
"""Ten days: so long a client waits where no limit is set. poll() takes no more than 24 of them."""

QUIT_SECONDS = 5.0
"""No good-bye is worth more."""

_CONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Timeouts as a session keeps them: each wait has an end."""

    connect: float
    reply: float
    block: float
    confirmation: float
    octets_per_second: float

    @classmethod
    def of(cls, timeout: float | Timeouts | None) -> "Limits":
        """Those of `timeout=`: a number, or none, is for each answer. Raises ArgumentError."""
        if not isinstance(timeout, Timeouts):
            reply = _seconds("timeout", timeout)
            connect = min(reply, _CONNECT_SECONDS)
            timeout = Timeouts(connect, reply, block=reply, confirmation=5 * reply)
        least = timeout.octets_per_second
        if not _is_number(least) or not least > 0:
            raise ArgumentError(f"octets_per_second={least!r}", fix="write a number above 0")
        return cls(
            _seconds("connect", timeout.connect),
            _seconds("reply", timeout.reply),
            _seconds("block", timeout.block),
            _seconds("confirmation", timeout.confirmation),
            least,
        )

    @property
    def farewell(self) -> float:
        """The limit for the answer to QUIT; when it is over, close() asks no other server."""
        return min(self.reply, QUIT_SECONDS)

    def reply_of(self, on_its_way: int) -> float:
        """The limit for an answer while so many octets behind the command may be on their way."""
        return min(self.reply + on_its_way / self.octets_per_second, MOST_SECONDS)

    def confirmation_of(self, size_octets: int) -> float:
        """The limit for the answer to so much content."""
        return min(self.confirmation + size_octets / self.octets_per_second, MOST_SECONDS)


def checked(pool: Pool) -> Pool:
    """The pool as it is used. Raises ArgumentError."""
    if not isinstance(pool, Pool):
        raise ArgumentError("pool= is no pool", fix="write Pool(…), or leave it out")
    for name in ("connections", "messages"):
        count = getattr(pool, name)
        if not isinstance(count, int) or count < 1:
            raise ArgumentError(f"{name}={count!r}", fix="write how many, 1 or more")
    for name in ("age", "idle", "wait"):
        seconds = getattr(pool, name)
        is_free = seconds is None and name == "wait"
        if not is_free and not (_is_number(seconds) and seconds >= 0):
            fix = 'write seconds, float("inf") for no limit'
            raise ArgumentError(f"{name}={seconds!r}", fix=fix)
    if pool.rate is not None and not _is_rate(pool.rate):
        raise ArgumentError(f"rate={pool.rate!r}", fix="write (messages, seconds)")
    return replace(pool, wait=None) if pool.wait and pool.wait > MOST_SECONDS else pool


def _seconds(name: str, given: object) -> float:
    if given is None:
        return MOST_SECONDS
    if not isinstance(given, int | float) or not _is_number(given) or not given > 0:
        raise ArgumentError(f"{name}={given!r}", fix="write seconds, or None for no limit")
    return min(given, MOST_SECONDS)


def _is_number(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and not math.isnan(given)


def _is_rate(given: object) -> bool:
    match given:
        case (int(messages), int(seconds) | float(seconds)):
            return messages >= 1 and 0 < seconds < math.inf
        case _:
            return False
