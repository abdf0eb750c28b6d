"""The addresses of this machine that mail to MX hosts comes from: which one a message takes, and
how much a new one may send on each day. Pure."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

_DAY_MS = 86_400_000
_LARGEST = 2.0**64

_FIRST, _LAST, _DAYS = 50, 50_000, 45
WARM_UP = tuple(round(_FIRST * (_LAST / _FIRST) ** (day / (_DAYS - 1))) for day in range(_DAYS))
"""Messages a day of an address that nobody knows: 50 at first, 50,000 after 45 days, each day by as
large a part more. Those two are Amazon's: SES warms its addresses up to 50,000 a day within 45 days
(aws.amazon.com/about-aws/whats-new/2017/03/amazon-ses-can-now-automatically-warm-up-your-dedicated-
ip-addresses); where it begins is not said there."""


@dataclass(frozen=True, slots=True)
class Source:
    """An address in the pool of a route, and how much of the mail is to come from it."""

    address: str
    weight: int = 1

    @property
    def is_ipv6(self) -> bool:
        """Whether it reaches hosts by IPv6, else by IPv4."""
        return is_ipv6(self.address)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What is known of an address. `name` is said in EHLO, "" for that of the configuration;
    `warm_up` are messages a day since `warm_since`; empty: it is warm."""

    name: str = ""
    warm_up: tuple[int, ...] = ()
    warm_since: int | None = None

    def allowed(self, now: int) -> int | None:
        """How many messages it may send on this day of UTC; None: any number."""
        if not self.warm_up or self.warm_since is None:
            return None
        day = max(now // _DAY_MS - self.warm_since // _DAY_MS, 0)
        return self.warm_up[day] if day < len(self.warm_up) else None


def is_ipv6(address: str) -> bool:
    """Whether an address is one of IPv6, else of IPv4."""
    return ":" in address


def read_address(text: str) -> str:
    """An IP address as it is kept. Raises ValueError."""
    return str(ip_address(text))


def ordered(queue_id: int, sources: Sequence[Source]) -> list[Source]:
    """The addresses in the order in which a message takes them: the same in every process and for
    each attempt, in proportion to their weights over all messages (weighted rendezvous hashing)."""
    return sorted(sources, key=lambda source: _rank(queue_id, source))


def _rank(queue_id: int, source: Source) -> float:
    digest = hashlib.blake2b(f"{queue_id} {source.address}".encode(), digest_size=8).digest()
    share = (int.from_bytes(digest) + 1) / (_LARGEST + 1)
    return -math.log(share) / source.weight


def pool_name(sources: Sequence[Source]) -> str:
    """The addresses, as part of the name of a next hop."""
    return ",".join(sorted(source.address for source in sources))


def pool_text(sources: Sequence[Source]) -> str:
    """`192.0.2.1=3 2001:db8::1=1`."""
    return " ".join(f"{source.address}={source.weight}" for source in sources)


def pool_of(text: str) -> tuple[Source, ...]:
    """The addresses of such a text."""
    pairs = (word.partition("=") for word in text.split())
    return tuple(Source(address, int(weight or 1)) for address, _, weight in pairs)
