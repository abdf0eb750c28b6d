"""What ended an attempt, as a finding. What the server said counts more than where it said it.
Pure."""

import re
from collections.abc import Iterable
from dataclasses import replace

from pillarbox.diagnosis.about_tls import certificate_finding
from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.facts import Attempt, Facts
from pillarbox.diagnosis.finding import Finding, Severity, shown
from pillarbox.explain.failures import Failure, FailureKind
from pillarbox.explain.replies import explain_text
from pillarbox.publish.client_settings import Encryption

_CHECKS = {
    FailureKind.NAME_NOT_FOUND: "DNS-NO-HOST",
    FailureKind.NAME_LOOKUP_FAILED: "DNS-NO-ANSWER",
    FailureKind.CONNECTION_REFUSED: "TCP-REFUSED",
    FailureKind.CONNECTION_TIMED_OUT: "TCP-FILTERED",
    FailureKind.UNREACHABLE: "TCP-UNREACHABLE",
    FailureKind.CERTIFICATE_EXPIRED: "TLS-CERT-EXPIRED",
    FailureKind.CERTIFICATE_NOT_YET_VALID: "TLS-CERT-NOT-YET-VALID",
    FailureKind.CERTIFICATE_NAME_MISMATCH: "TLS-CERT-NAME",
    FailureKind.CERTIFICATE_NOT_TRUSTED: "TLS-CERT-UNTRUSTED",
    FailureKind.NOT_TLS: "TLS-NOT-SPOKEN",
    FailureKind.TLS_TOO_OLD: "TLS-TOO-OLD",
    FailureKind.HANDSHAKE_FAILED: "TLS-HANDSHAKE",
    FailureKind.TLS_MISSING: "STARTTLS-MISSING",
    FailureKind.TLS_REFUSED: "STARTTLS-REFUSED",
    FailureKind.TLS_INJECTED: "STARTTLS-INJECTED",
    FailureKind.GREETING_REFUSED: "BANNER-REFUSED",
    FailureKind.HELLO_REFUSED: "EHLO-REFUSED",
    FailureKind.PROTOCOL_BROKEN: "SMTP-NOT-SPOKEN",
    FailureKind.REPLY_TIMED_OUT: "BANNER-NONE",
    FailureKind.CONNECTION_LOST: "SMTP-CUT",
    FailureKind.SHUT_DOWN: "SMTP-SHUT-DOWN",
}

_OTHERS = (
    (re.compile(rb"HTTP/\d|\s*<(?:!doctype|html)", re.IGNORECASE), "HTTP-ANSWERS", 0),
    (re.compile(rb"\* (?:OK|BYE|PREAUTH)\b"), "IMAP-ANSWERS", 587),
    (re.compile(rb"\+OK\b"), "POP3-ANSWERS", 587),
    (re.compile(rb"SSH-\d"), "SSH-ANSWERS", 0),
    (re.compile(rb"220[ -][^\r\n]*\bFTP\b", re.IGNORECASE), "FTP-ANSWERS", 0),
    (re.compile(rb"220[ -][^\r\n]*\bLMTP\b"), "LMTP-ANSWERS", 0),
)
"""What other services say first. An SMTP server that has FTP in its name still says ESMTP."""

_MASKED = re.compile(rb"^250[ -]X{6,}", re.MULTILINE)
"""How firewalls that inspect SMTP overwrite what they do not want clients to use."""


def failures(
    attempts: Iterable[Attempt],
    facts: Facts,
    severity: Severity = Severity.FAIL,
    *,
    with_address: bool = False,
) -> Iterable[Finding]:
    """A finding for what ended each attempt."""
    heard = _first_words(facts)
    for attempt in attempts:
        if attempt.failure is not None:
            at = f" at {attempt.address}" if with_address else ""
            where = f"port {attempt.port}{at}"
            own = b"".join(step.heard for step in attempt.steps)
            first = own or heard.get((attempt.address, attempt.port), b"")
            yield (
                _other_protocol(attempt, first, where)
                or _of_certificate(attempt, where, facts, severity)
                or of_failure(attempt.failure, where, severity, heard=attempt.last_heard)
            )


def _first_words(facts: Facts) -> dict[tuple[str, int], bytes]:
    """What each port said to who began in the clear; who began with TLS heard the same and made
    nothing of it."""
    return {
        (a.address, a.port): b"".join(step.heard for step in a.steps)
        for a in facts.attempts
        if a.encryption is Encryption.STARTTLS
    }


def _other_protocol(attempt: Attempt, first: bytes, where: str) -> Finding | None:
    for pattern, name, port in _OTHERS:
        if pattern.match(first) and b"SMTP" not in first.split(b"\n")[0]:
            return found(name, where, shown(first[:200]), port=port)
    kind = attempt.failure.kind if attempt.failure else None
    if kind is FailureKind.TLS_MISSING and _MASKED.search(attempt.last_heard):
        return found("PROXY-CHANGES", where, shown(attempt.last_heard))
    if kind is FailureKind.TLS_MISSING and b"\n250" not in b"\n" + attempt.last_heard:
        # EHLO was no command there.
        return found("EHLO-UNKNOWN", where, shown(attempt.last_heard))
    return None


def _of_certificate(
    attempt: Attempt, where: str, facts: Facts, severity: Severity
) -> Finding | None:
    name = _CHECKS.get(attempt.failure.kind, "") if attempt.failure else ""
    made = certificate_finding(name, where, facts, attempt.port)
    return replace(made, severity=severity) if made else None


def of_failure(
    failure: Failure, where: str, severity: Severity = Severity.FAIL, *, heard: bytes = b""
) -> Finding:
    """What is known of a reply that the server gave is better than what its place suggests."""
    said = failure.said
    evidence = shown(heard) if heard else failure.detail
    name = _CHECKS.get(failure.kind, "SMTP-FAILED")
    made = found(
        name,
        where,
        evidence,
        severity=severity,
        cause=failure.kind.value.cause,
        ago="",
        host="the one asked for",
        other="a name in it",
    )
    known = None if said is None else explain_text(str(said))
    if known is None or not known.provider:
        return made
    return Finding(
        id=made.id,
        severity=severity,
        where=where,
        cause=known.cause.rstrip("."),
        fix=known.fix.rstrip("."),
        evidence=evidence,
    )
