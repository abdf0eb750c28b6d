"""What a server showed in sessions that went well: its name, times, clock, and what it lets pass.
Pure."""

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

from pillarbox.diagnosis.catalog import found
from pillarbox.diagnosis.facts import Attempt, Facts, Stage
from pillarbox.diagnosis.finding import Finding, Severity, shown
from pillarbox.discovery.provider_rows import PROVIDERS
from pillarbox.discovery.providers import by_domain, by_host, by_mx
from pillarbox.publish.client_settings import Encryption

SLOW_MILLISECONDS = 3000
"""People wait that long; programs with short time-outs (5 s) are near their end."""

SKEW_SECONDS = 300
"""What Kerberos and most issuers of tokens forgive."""

_RELAY_PORT = 25
_SMALL_MEGABYTES = 10
_MEGABYTE = 1_000_000

_DATE = re.compile(
    rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d"
    rb" (?:[+-]\d{4}|GMT|UT)"
)
"""The date that many servers put into their greeting (RFC 5322 section 3.3)."""

_STARTTLS = re.compile(rb"^250[ -]STARTTLS\b", re.MULTILINE | re.IGNORECASE)
_SIZE = re.compile(rb"^250[ -]SIZE (\d{1,18})\b", re.MULTILINE | re.IGNORECASE)
_READING = re.compile(r"(?:imap|imaps|pop|pop3|webmail|owa|www)\d*\.|outlook\.office365\.com$")


def about_hosts(facts: Facts) -> Iterable[Finding]:
    """Names that are right, for something else."""
    host, works = facts.target.host, any(a.works for a in facts.attempts)
    if by_host(PROVIDERS, host) is None and (provider := by_mx(PROVIDERS, host)) is not None:
        severity = Severity.WARN if works else Severity.FAIL
        yield found("HOST-TAKES-MAIL", host, severity=severity, host=host, better=provider.host)
    elif _READING.match(host) and facts.attempts and not works:
        yield found("HOST-IS-MAILBOX", host, host=host, better=_better_name(host))
    domain = facts.username.rpartition("@")[2].lower()
    private = by_host(PROVIDERS, host)
    if private and private.key == "outlook.com" and domain:
        owner = by_domain(PROVIDERS, domain)
        if owner is None or owner.key != "outlook.com":
            yield found("HOST-OTHER-ACCOUNTS", host, host=host)


def _better_name(host: str) -> str:
    if host == "outlook.office365.com":
        return "smtp.office365.com"
    return f"smtp.{host.partition('.')[2]}"


def about_sessions(facts: Facts) -> Iterable[Finding]:
    """What sessions that went well still had, one finding of a kind for each port."""
    for injection in facts.injections:
        yield found("STARTTLS-INJECTABLE", f"port {injection.port}", injection.evidence)
    for relay in facts.relays:
        if relay.answer.reply.code < 300:
            name = "RELAY-NEAR" if relay.is_near else "RELAY-OPEN"
            yield found(name, f"port {relay.port}", relay.answer.evidence)
    seen: set[tuple[str, str]] = set()
    for attempt in facts.attempts:
        if attempt.works:
            for finding in _of_session(attempt):
                if (finding.id, finding.where) not in seen:
                    seen.add((finding.id, finding.where))
                    yield finding


def _of_session(attempt: Attempt) -> Iterable[Finding]:
    where = f"port {attempt.port}"
    yield from _of_times(attempt, where)
    banner = attempt.heard(Stage.BANNER)
    if banner.count(b"\n") > 1:
        yield found("BANNER-MULTILINE", where, shown(banner))
    if skew := _skew(banner, attempt.began_at):
        yield found("CLOCK-SKEW", where, shown(banner), minutes=skew)
    offered = offered_under_tls(attempt)
    if _STARTTLS.search(offered):
        yield found("STARTTLS-TWICE", where, shown(offered))
    size = _SIZE.search(offered)
    if size and 0 < int(size[1]) < _SMALL_MEGABYTES * _MEGABYTE:
        megabytes = f"{int(size[1]) / _MEGABYTE:.1f}"
        yield found("SIZE-SMALL", where, shown(size[0]), megabytes=megabytes)


def offered_under_tls(attempt: Attempt) -> bytes:
    """The answer to EHLO that counts."""
    is_implicit = attempt.encryption is Encryption.TLS
    return attempt.heard(Stage.EHLO if is_implicit else Stage.AUTH)


def _of_times(attempt: Attempt, where: str) -> Iterable[Finding]:
    for step in attempt.steps:
        if step.milliseconds < SLOW_MILLISECONDS:
            continue
        if step.stage is Stage.BANNER:
            yield found("BANNER-SLOW", where, shown(step.heard), milliseconds=step.milliseconds)
        else:
            yield found("STAGE-SLOW", where, stage=step.stage, milliseconds=step.milliseconds)


def _skew(banner: bytes, began_at: float) -> int:
    """By how many minutes the date in a greeting differs; 0 where it does not or is not there."""
    date = _DATE.search(banner)
    if date is None or not began_at:
        return 0
    try:
        said = parsedate_to_datetime(date[0].decode("ascii")).timestamp()
    except (ValueError, OverflowError):
        return 0
    apart = abs(said - began_at)
    return round(apart / 60) if apart > SKEW_SECONDS else 0
