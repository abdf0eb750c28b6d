"""The service on this machine: does it run, has it room, does its mail leave. Pure."""

from collections.abc import Iterable

from pillarbox.diagnosis.about_address import about_address
from pillarbox.diagnosis.about_tokens import in_words
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.diagnosis.service_facts import ClockFacts, ServiceFacts
from pillarbox.publish.literals import shell_literal

SLOW_SYNC_MILLISECONDS = 500
OLD_SECONDS = 4 * 3600
OFF_SECONDS, FAR_OFF_SECONDS = 5, 60
"""Issuers of tokens mostly bear some minutes; logs of two machines should fit to a second."""
_MEGABYTE = 1_000_000


def about_service(facts: Facts) -> Iterable[Finding]:
    """All findings of the service."""
    seen = facts.service
    if seen is None:
        return
    where = "service"
    if seen.silence:
        yield found("SELF-NOT-RUNNING", where, why=seen.silence)
    elif seen.problems:
        yield found("SELF-NOT-READY", where, why="; ".join(seen.problems))
    if not seen.silence:
        works = {attempt.port for attempt in facts.attempts if attempt.works}
        for port in seen.listeners:
            if port not in works:
                yield found("SELF-LISTENER-DOWN", f"port {port}", port=port)
    yield from _about_disk(seen, where)
    yield from _about_clock(seen.clock, where)
    yield from _about_address(seen)
    if seen.damage:
        yield found("SELF-DATABASE-DAMAGED", where, what="; ".join(seen.damage))
    for key, count in seen.unopened:
        yield found("SELF-KEY-MISSING", where, key=key, count=count)
    if seen.oldest_seconds > OLD_SECONDS:
        hop, age = seen.oldest_hop, in_words(seen.oldest_seconds)
        yield found("SELF-QUEUE-OLD", where, hop=hop, hop_in_quotes=shell_literal(hop), age=age)
    for hop, why in seen.suspended:
        yield found("SELF-HOP-SUSPENDED", where, hop=hop, why=why)
    for address, why in seen.sources:
        yield found("SELF-SOURCE", address, address=address, why=why)


def _about_disk(seen: ServiceFacts, where: str) -> Iterable[Finding]:
    free, reserve = seen.free_octets // _MEGABYTE, seen.reserve_octets // _MEGABYTE
    if seen.free_octets < seen.reserve_octets:
        yield found("SELF-DISK-FULL", where, free=free, reserve=reserve)
    elif seen.free_octets < 2 * seen.reserve_octets:
        yield found("SELF-DISK-LOW", where, free=free, reserve=reserve)
    if seen.sync_milliseconds is None:
        yield found("SELF-SYNC-FAILED", where, why=seen.sync_trouble)
    elif seen.sync_milliseconds > SLOW_SYNC_MILLISECONDS:
        yield found("SELF-SYNC-SLOW", where, milliseconds=seen.sync_milliseconds)


def _about_clock(seen: ClockFacts, where: str) -> Iterable[Finding]:
    database = ("the database", seen.database_seconds)
    for server, ahead in (*seen.servers, database):
        if ahead is None:
            yield found("SELF-CLOCK-NO-ANSWER", where, server=server)
        elif abs(ahead) > OFF_SECONDS:
            side = "before" if ahead > 0 else "behind"
            seconds = round(abs(ahead))
            severity = Severity.FAIL if abs(ahead) > FAR_OFF_SECONDS else None
            yield found(
                "SELF-CLOCK-WRONG",
                where,
                severity=severity,
                seconds=seconds,
                side=side,
                server=server,
            )
    is_measured = any(ahead is not None for _, ahead in seen.servers)
    if seen.is_kept is False and not is_measured:
        yield found("SELF-CLOCK-NOT-KEPT", where)


def _about_address(seen: ServiceFacts) -> Iterable[Finding]:
    yield from about_address(seen.address)
    if seen.address and seen.earlier_address not in ("", seen.address.address):
        address, earlier = seen.address.address, seen.earlier_address
        yield found("SELF-ADDRESS-CHANGED", address, address=address, earlier=earlier)
