"""From facts to findings: each has a stable id, a cause and a fix. Pure.

The first finding is the one to mend first. docs/doctor.md has a line for each id.
"""

from collections.abc import Iterable

from pillarbox.diagnosis.about_domain import about_domain
from pillarbox.diagnosis.about_failures import failures, of_failure
from pillarbox.diagnosis.about_logins import about_login, about_mechanisms, about_sender
from pillarbox.diagnosis.about_message import about_message
from pillarbox.diagnosis.about_servers import about_hosts, about_sessions
from pillarbox.diagnosis.about_service import about_service
from pillarbox.diagnosis.about_tls import about_tls
from pillarbox.diagnosis.about_tokens import about_token
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.facts import Attempt, Facts
from pillarbox.diagnosis.finding import Finding, Severity, tamed
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import by_host
from pillarbox.explain.failures import FailureKind
from pillarbox.publish.card import door_text
from pillarbox.publish.client_settings import Door, Encryption

TLS_PORT = 465
"""RFC 8314 7.3: the port on which TLS begins with the connection."""

_SILENCE = frozenset({FailureKind.REPLY_TIMED_OUT, FailureKind.CONNECTION_LOST})


def working_doors(facts: Facts) -> tuple[Door, ...]:
    """The ports and ways that work at every address that answers, the one asked for first."""
    works = dict.fromkeys(Door(a.port, a.encryption) for a in facts.attempts if a.works)
    failed = {Door(a.port, a.encryption) for a in facts.attempts if a.is_open and not a.works}
    doors = [door for door in works if door not in failed]
    target = facts.target
    return tuple(
        sorted(doors, key=lambda d: (d.port != target.port, d.encryption is not Encryption.TLS))
    )


def findings(facts: Facts) -> tuple[Finding, ...]:
    """All findings, the one to mend first in front."""
    lost = facts.lookup_failure
    all_of_them = [
        *([of_failure(lost, facts.target.host)] if lost else []),
        *about_service(facts),
        *about_hosts(facts),
        *_about_what_was_asked(facts),
        *_about_client(facts),
        *about_token(facts),
        *about_login(facts),
        *about_sender(facts),
        *about_sessions(facts),
        *_about_others(facts),
        *about_tls(facts),
        *about_mechanisms(facts),
        *about_domain(facts.domain),
        *about_message(facts.message, facts.now),
    ]
    order = list(Severity)
    new = (f for f in dict.fromkeys(all_of_them) if (f.id, f.where) not in facts.known)
    return tuple(map(tamed, sorted(new, key=lambda f: order.index(f.severity))))


def _about_what_was_asked(facts: Facts) -> Iterable[Finding]:
    """The port and the way that were named; where none was, whether anything works at all."""
    target = facts.target
    if not facts.attempts:
        return
    if target.port is None:
        if not working_doors(facts):
            yield from _best_failure(facts)
        return
    asked = [a for a in facts.attempts if a.port == target.port]
    same = [a for a in asked if a.encryption is target.encryption]
    if not same or any(attempt.works for attempt in same):
        return
    other = next((a for a in asked if a.works), None)
    provider = by_host(PROVIDERS, target.host)
    if other is not None:
        yield _wrong_way(other, target.port)
    elif provider and all(door.port != target.port for door in provider.doors):
        yield _not_served(provider.name, target.port, provider.doors[0])
    elif all(_is_silent(attempt) for attempt in same):
        # So does a port with TLS from the first byte: what came of TLS there tells more.
        telling = [a for a in asked if not _may_be_wrong_way(a)]
        yield from failures(telling or same, facts)
    else:
        yield from failures(same, facts)


def _about_client(facts: Facts) -> Iterable[Finding]:
    if facts.clear_client:
        doors = working_doors(facts) or (Door(587, Encryption.STARTTLS),)
        where = facts.target.text
        choice = door_text(doors[0])
        yield found("CLIENT-IN-CLEAR", where, client=facts.clear_client, choice=choice)


def _wrong_way(right: Attempt, port: int) -> Finding:
    if right.encryption is Encryption.STARTTLS:
        way = "begins in the clear and then does STARTTLS"
        choice = 'STARTTLS (also called "TLS" or "Explicit TLS")'
    else:
        way = "is under TLS from the first byte"
        choice = 'SSL/TLS (also called "Implicit TLS")'
    return found("MODE-WRONG", f"port {port}", port=port, way=way, choice=choice)


def _not_served(name: str, port: int, door: Door) -> Finding:
    way = "STARTTLS" if door.encryption is Encryption.STARTTLS else "TLS"
    where = f"port {port}"
    return found("PORT-NOT-SERVED", where, provider=name, port=port, other=door.port, way=way)


def _best_failure(facts: Facts) -> Iterable[Finding]:
    """Where nothing works: what failed on the ports that are open, else why none is."""
    opened = [a for a in facts.attempts if a.is_open]
    # On an open port one of the two ways is the wrong one; its failure says nothing.
    telling = [a for a in opened if not _may_be_wrong_way(a)]
    usual = [a for a in opened if (a.encryption is Encryption.TLS) == (a.port == TLS_PORT)]
    yield from failures(telling or usual or opened or facts.attempts, facts)


def _may_be_wrong_way(attempt: Attempt) -> bool:
    """Whether a server that is well would have ended the attempt in the same manner."""
    kind = attempt.failure.kind if attempt.failure else None
    if attempt.encryption is Encryption.TLS:
        return kind in {*_SILENCE, FailureKind.NOT_TLS, FailureKind.HANDSHAKE_FAILED}
    return _is_silent(attempt)


def _is_silent(attempt: Attempt) -> bool:
    return attempt.failure is not None and attempt.failure.kind in _SILENCE


def _about_others(facts: Facts) -> Iterable[Finding]:
    """Addresses that fail where another one works: clients meet them by chance. An address that
    this machine has no way to, such as one of IPv6, says nothing of the server."""
    good = {(a.port, a.encryption) for a in facts.attempts if a.works}
    for attempt in facts.attempts:
        if attempt.failure and (attempt.port, attempt.encryption) in good:
            is_ours = attempt.failure.kind is FailureKind.UNREACHABLE
            severity = Severity.INFO if is_ours else Severity.WARN
            yield from failures([attempt], facts, severity, with_address=True)
