"""SRV records: their order, and what those of mail submission offer. Pure.

RFC 2782 (order), RFC 6186 section 3.1 (_submission), RFC 8314 section 5.1 (_submissions).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pillarbox.discovery.findings import Offer
from pillarbox.discovery.hosts import host_name
from pillarbox.publish.client_settings import Door, Encryption

MAX_TARGETS = 4
"""More servers of one service are not looked at."""


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """One record. `target` "." says that the service is not there (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


def in_order(records: Sequence[SrvRecord], draw: Callable[[int], int]) -> list[SrvRecord]:
    """The records as they are to be tried; `draw(n)` gives a number from 0 to n, both included.

    RFC 2782: by priority; inside of one, "select one of them at random, with probability
    proportional to its weight", those without weight first in line.
    """
    ordered: list[SrvRecord] = []
    for priority in sorted({record.priority for record in records}):
        group = sorted((r for r in records if r.priority == priority), key=lambda r: r.weight != 0)
        while group:
            ordered.append(group.pop(_chosen(group, draw)))
    return ordered


def _chosen(group: Sequence[SrvRecord], draw: Callable[[int], int]) -> int:
    wanted = draw(sum(record.weight for record in group))
    running = 0
    for index, record in enumerate(group):
        running += record.weight
        if running >= wanted:
            return index
    return len(group) - 1


def is_refused(records: Sequence[SrvRecord]) -> bool:
    """Whether the domain says that it does not offer the service."""
    return bool(records) and all(record.target in (".", "") for record in records)


def offers(
    submissions: Sequence[SrvRecord],
    submission: Sequence[SrvRecord],
    draw: Callable[[int], int],
) -> tuple[Offer, ...]:
    """What the records of `_submissions._tcp` and `_submission._tcp` offer.

    RFC 8314 section 5.1: of both at the same priority, implicit TLS is preferred. Records whose
    target is no host name are left out.
    """
    found = [
        (record.priority, rank, offer)
        for rank, (encryption, records) in enumerate(
            ((Encryption.TLS, submissions), (Encryption.STARTTLS, submission))
        )
        for record in in_order(records, draw)[:MAX_TARGETS]
        if (offer := _offer(record, encryption)) is not None
    ]
    # Stable: what was drawn inside of one priority stays.
    return tuple(offer for _, _, offer in sorted(found, key=lambda entry: entry[:2]))


def _offer(record: SrvRecord, encryption: Encryption) -> Offer | None:
    host = host_name(record.target)
    if host is None or not 0 < record.port < 65536:
        return None
    return Offer(host, Door(record.port, encryption))
