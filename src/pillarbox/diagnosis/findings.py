"""From facts to findings: each has a stable id, a cause and a fix. Pure.

The first finding is the one to mend first. docs/doctor.md has a line for each id.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from pillarbox.diagnosis.facts import Attempt, Facts
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import by_host
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.explain.replies import explain_text
from pillarbox.publish.client_settings import Door, Encryption


class Severity(StrEnum):
    """How bad it is."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or worth knowing. `where` is the port, or the host; `evidence` is
    what the server said, or what TLS did."""

    id: str
    severity: Severity
    where: str
    cause: str
    fix: str
    evidence: str = ""


_KINDS: dict[FailureKind, tuple[str, str, str]] = {
    FailureKind.NAME_NOT_FOUND: (
        "DNS-NO-HOST",
        "the name has no address",
        "check the name for a typing error; `pillarbox find ADDRESS` finds the right one",
    ),
    FailureKind.NAME_LOOKUP_FAILED: (
        "DNS-NO-ANSWER",
        "no DNS server answered this machine",
        "check the DNS servers of this machine (/etc/resolv.conf)",
    ),
    FailureKind.CONNECTION_REFUSED: (
        "TCP-REFUSED",
        "nothing listens there, or a firewall rejects it",
        "check the port, and that the server runs",
    ),
    FailureKind.CONNECTION_TIMED_OUT: (
        "TCP-FILTERED",
        "no answer: a firewall drops the packets, or the server is down",
        "let this machine out to that port; many networks block port 25",
    ),
    FailureKind.UNREACHABLE: (
        "TCP-UNREACHABLE",
        "there is no way to that address from here",
        "check the network of this machine",
    ),
    FailureKind.CERTIFICATE_EXPIRED: (
        "TLS-CERT-EXPIRED",
        "the certificate has expired, or the clock of this machine is wrong",
        "renew the certificate; check the clock",
    ),
    FailureKind.CERTIFICATE_NOT_YET_VALID: (
        "TLS-CERT-NOT-YET-VALID",
        "the certificate is not valid yet, or the clock of this machine is slow",
        "check the clock of this machine",
    ),
    FailureKind.CERTIFICATE_NAME_MISMATCH: (
        "TLS-CERT-NAME",
        "the certificate is for another name",
        "use a name that is in the certificate, or have it issued for this one",
    ),
    FailureKind.CERTIFICATE_NOT_TRUSTED: (
        "TLS-CERT-UNTRUSTED",
        "the certificate is of an unknown authority, or comes without its intermediate",
        "have the server send its whole chain; import the authority if it is your own",
    ),
    FailureKind.NOT_TLS: (
        "TLS-NOT-SPOKEN",
        "what answers there does not speak TLS from the first byte",
        "use STARTTLS on this port, or TLS on port 465",
    ),
    FailureKind.TLS_TOO_OLD: (
        "TLS-TOO-OLD",
        "the server knows nothing newer than TLS 1.1",
        "update the server to TLS 1.2 or newer",
    ),
    FailureKind.HANDSHAKE_FAILED: (
        "TLS-HANDSHAKE",
        "the TLS handshake failed",
        "look at the log of the server; something between may inspect TLS",
    ),
    FailureKind.TLS_MISSING: (
        "STARTTLS-MISSING",
        "STARTTLS is not offered: it is off, or something between strips it",
        "turn on STARTTLS at the server; compare from another network",
    ),
    FailureKind.TLS_REFUSED: (
        "STARTTLS-REFUSED",
        "the server offers STARTTLS and then refuses it",
        "mend the certificate in the configuration of the server",
    ),
    FailureKind.TLS_INJECTED: (
        "STARTTLS-INJECTED",
        "replies in the clear stand behind the answer to STARTTLS",
        "find out who can change the traffic on the way",
    ),
    FailureKind.GREETING_REFUSED: (
        "BANNER-REFUSED",
        "the server does not want a session with this machine",
        "ask its operator whether this address may connect",
    ),
    FailureKind.HELLO_REFUSED: (
        "EHLO-REFUSED",
        "the server refuses EHLO",
        "ask its operator what it wants to be greeted with",
    ),
    FailureKind.PROTOCOL_BROKEN: (
        "SMTP-NOT-SPOKEN",
        "what answers there is no SMTP server, or something between changes what it says",
        "check host and port; look for a proxy or a firewall that inspects SMTP",
    ),
    FailureKind.REPLY_TIMED_OUT: (
        "BANNER-NONE",
        "the server takes the connection and says nothing",
        "it may wait for TLS, as on port 465, or be overloaded",
    ),
    FailureKind.CONNECTION_LOST: (
        "SMTP-CUT",
        "the connection was cut in the middle",
        "look at the log of the server; a firewall between may do it",
    ),
    FailureKind.SHUT_DOWN: (
        "SMTP-SHUT-DOWN",
        "the server ended the session",
        "try again later; it may have too many sessions",
    ),
}


TLS_PORT = 465
"""RFC 8314 7.3: the port on which TLS begins with the connection."""

_SILENCE = frozenset({FailureKind.REPLY_TIMED_OUT, FailureKind.CONNECTION_LOST})


def working_doors(facts: Facts) -> tuple[Door, ...]:
    """The ports and ways that work at every address that answers, the one asked for first."""
    found = dict.fromkeys(Door(a.port, a.encryption) for a in facts.attempts if a.works)
    failed = {Door(a.port, a.encryption) for a in facts.attempts if a.is_open and not a.works}
    doors = [door for door in found if door not in failed]
    target = facts.target
    return tuple(
        sorted(doors, key=lambda d: (d.port != target.port, d.encryption is not Encryption.TLS))
    )


def findings(facts: Facts) -> tuple[Finding, ...]:
    """All findings, the one to mend first in front."""
    if facts.lookup_failure is not None:
        return (_of_failure(facts.lookup_failure, facts.target.host, Severity.FAIL),)
    found = [*_about_what_was_asked(facts), *_about_others(facts), *_about_logins(facts)]
    order = list(Severity)
    return tuple(sorted(dict.fromkeys(found), key=lambda f: order.index(f.severity)))


def _about_what_was_asked(facts: Facts) -> Iterable[Finding]:
    """The port and the way that were named; where none was, whether anything works at all."""
    target = facts.target
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
    else:
        yield from _failures(same, Severity.FAIL)


def _wrong_way(right: Attempt, port: int) -> Finding:
    if right.encryption is Encryption.STARTTLS:
        cause = f"port {port} begins in the clear and then does STARTTLS"
        fix = 'choose STARTTLS (also called "TLS" or "Explicit TLS") for this port'
    else:
        cause = f"port {port} is under TLS from the first byte"
        fix = 'choose SSL/TLS (also called "Implicit TLS") for this port'
    return Finding("MODE-WRONG", Severity.FAIL, f"port {port}", cause, fix)


def _not_served(name: str, port: int, door: Door) -> Finding:
    way = "STARTTLS" if door.encryption is Encryption.STARTTLS else "TLS"
    cause = f"{name} does not serve port {port}, although guides may name it"
    return Finding(
        "PORT-NOT-SERVED", Severity.FAIL, f"port {port}", cause, f"use port {door.port} with {way}"
    )


def _best_failure(facts: Facts) -> Iterable[Finding]:
    """Where nothing works: what failed on the ports that are open, else why none is."""
    opened = [a for a in facts.attempts if a.is_open]
    # On an open port one of the two ways is the wrong one; its failure says nothing.
    telling = [a for a in opened if not _may_be_wrong_way(a)]
    usual = [a for a in opened if (a.encryption is Encryption.TLS) == (a.port == TLS_PORT)]
    yield from _failures(telling or usual or opened or list(facts.attempts), Severity.FAIL)


def _may_be_wrong_way(attempt: Attempt) -> bool:
    """Whether a server that is well would have ended the attempt in the same manner."""
    kind = attempt.failure.kind if attempt.failure else None
    if attempt.encryption is Encryption.TLS:
        return kind in {*_SILENCE, FailureKind.NOT_TLS, FailureKind.HANDSHAKE_FAILED}
    return kind in _SILENCE


def _about_others(facts: Facts) -> Iterable[Finding]:
    """Addresses that fail where another one works: clients meet them by chance. An address that
    this machine has no way to, such as one of IPv6, says nothing of the server."""
    good = {(a.port, a.encryption) for a in facts.attempts if a.works}
    for attempt in facts.attempts:
        if attempt.failure and (attempt.port, attempt.encryption) in good:
            is_ours = attempt.failure.kind is FailureKind.UNREACHABLE
            severity = Severity.INFO if is_ours else Severity.WARN
            yield from _failures([attempt], severity, address=True)


def _about_logins(facts: Facts) -> Iterable[Finding]:
    for attempt in facts.attempts:
        where = f"port {attempt.port}"
        if {"PLAIN", "LOGIN"} & set(attempt.before_tls):
            yield Finding(
                "AUTH-BEFORE-TLS",
                Severity.WARN,
                where,
                "a login is offered before TLS: passwords could go in the clear",
                "have the server offer AUTH under TLS only",
            )
        if attempt.works and attempt.port != 25 and not attempt.mechanisms:
            yield Finding(
                "AUTH-NOT-OFFERED",
                Severity.WARN,
                where,
                "no login is offered, or not to this network",
                "turn on AUTH for this port",
            )
        elif attempt.works and attempt.mechanisms and "PLAIN" not in attempt.mechanisms:
            offered = " ".join(attempt.mechanisms)
            yield Finding(
                "AUTH-NO-PLAIN",
                Severity.INFO,
                where,
                f"AUTH PLAIN is not offered, only {offered}",
                "set the client to one of those if it does not choose by itself",
            )


def _failures(
    attempts: Iterable[Attempt], severity: Severity, *, address: bool = False
) -> Iterable[Finding]:
    for attempt in attempts:
        if attempt.failure is not None:
            at = f" at {attempt.address}" if address else ""
            where = f"port {attempt.port}{at}"
            yield _of_failure(attempt.failure, where, severity)


def _of_failure(failure: Failure, where: str, severity: Severity) -> Finding:
    """What is known of a reply that the server gave is better than what its place suggests."""
    kind, said = failure.kind, failure.said
    identifier, cause, fix = _KINDS.get(kind, ("SMTP-FAILED", kind.value.cause, "see the stages"))
    evidence = failure.detail if said is None else str(said)
    known = None if said is None else explain_text(evidence)
    if known is not None and known.provider:
        cause, fix = known.cause.rstrip("."), known.fix.rstrip(".")
    return Finding(identifier, severity, where, cause, fix, evidence)
