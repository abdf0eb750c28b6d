"""The doctor's report, for people and for programs. Pure."""

from collections.abc import Iterable

from pillarbox.diagnosis.about_servers import offered_under_tls
from pillarbox.diagnosis.about_tls import read_chain
from pillarbox.diagnosis.facts import Attempt, Facts, Stage, Step, TlsFacts
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.diagnosis.findings import findings, working_doors
from pillarbox.diagnosis.report_message import Json, message_record, way_of_message
from pillarbox.diagnosis.report_suites import suites_record, suites_text
from pillarbox.publish.card import door_text
from pillarbox.publish.client_settings import Encryption

FORMAT_VERSION = 1
"""Of the JSON. A name that is there keeps its meaning as long as this stays."""


def verdict(facts: Facts) -> str:
    """One line: what it comes to, and the one next step."""
    found = findings(facts)
    worst = found[0] if found else None
    name = facts.target.text
    if worst is not None and worst.severity is Severity.FAIL:
        return f"FAIL {name}: {worst.cause} ({worst.where}, {worst.id}) -> {worst.fix}"
    doors = working_doors(facts)
    if facts.known and worst is None:
        return f"OK   {name}: nothing is new"
    if not facts.attempts:
        return _verdict_alone(facts, worst)
    ways = " and ".join(f"{door.port} ({door.encryption.value})" for door in doors)
    if worst is not None and worst.severity is Severity.WARN:
        return f"WARN {name}: works on {ways}, but {worst.cause} ({worst.where}, {worst.id})"
    return f"OK   {name}: works on {ways}"


def _verdict_alone(facts: Facts, worst: Finding | None) -> str:
    """Where no server was asked: of the records of a domain, of a token, of a message."""
    name = facts.target.text
    if worst is not None and worst.severity is Severity.WARN:
        return f"WARN {name}: {worst.cause} ({worst.where}, {worst.id}) -> {worst.fix}"
    if facts.message is not None:
        return f"OK   {name}: nothing is held against this message, as far as it can be told"
    if facts.token is not None:
        return f"OK   {name}: nothing is wrong with the token, as far as it can be read"
    return f"OK   {name}: its records are in order"


def render(facts: Facts) -> str:
    """Verdict, the matrix of stages, all findings, and the settings that work."""
    way = way_of_message(facts.message)
    parts = [verdict(facts), _matrix(facts), way, _told(findings(facts)), _settings(facts)]
    parts += map(suites_text, facts.suites)
    return "\n\n".join(part for part in parts if part) + "\n"


def _matrix(facts: Facts) -> str:
    """A row for each address, port and way that took the connection; the others in one line."""
    opened = [a for a in facts.attempts if a.is_open]
    lines = []
    if opened:
        rows = [["port", "way", "address", *(stage.value for stage in Stage)]]
        rows += [[str(a.port), a.encryption.value, a.address, *_cells(a, opened)] for a in opened]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        ]
    closed = dict.fromkeys(
        f"{a.port} ({a.failure.kind.name.lower().replace('_', ' ')})"
        for a in facts.attempts
        if not a.is_open and a.failure is not None
    )
    if facts.times > 1:
        lines.append(f"times: the median of {facts.times}")
    if closed:
        lines.append(f"not open: {', '.join(closed)}")
    return "\n".join(lines)


def _cells(attempt: Attempt, others: Iterable[Attempt]) -> list[str]:
    """One cell a stage. Where the port works the other way it is no failure that this one ends."""
    place = (attempt.address, attempt.port)
    is_other_way = any(a.works and (a.address, a.port) == place for a in others)
    word = "no" if is_other_way else "FAIL"
    return [_cell(attempt.has(stage), word) for stage in Stage]


def _cell(step: Step | None, failed: str) -> str:
    if step is None:
        return "-"
    return f"{'ok' if step.is_ok else failed} {step.milliseconds} ms"


def _told(found: Iterable[Finding]) -> str:
    lines = []
    for finding in found:
        name = f"{finding.id} ({finding.where})"
        lines.append(f"{finding.severity.value.upper():<5}{name}: {finding.cause}")
        if finding.evidence:
            lines.append(f"     seen: {finding.evidence}")
        lines.append(f"     fix: {finding.fix}")
    return "\n".join(lines)


def _settings(facts: Facts) -> str:
    doors = working_doors(facts)
    if not doors:
        return ""
    lines = ["Settings that work", "------------------", f"Server      {facts.target.host}"]
    return "\n".join([*lines, *(f"Port        {door_text(door)}" for door in doors)])


def as_json(facts: Facts) -> Json:
    """All that was seen and found."""
    found = findings(facts)
    return {
        "version": FORMAT_VERSION,
        "target": facts.target.text,
        "host": facts.target.host,
        "verdict": verdict(facts),
        "ok": not any(finding.severity is Severity.FAIL for finding in found),
        "addresses": list(facts.addresses),
        "findings": [
            {
                "id": finding.id,
                "severity": finding.severity.value,
                "where": finding.where,
                "cause": finding.cause,
                "fix": finding.fix,
                "evidence": finding.evidence or None,
            }
            for finding in found
        ],
        "attempts": [_attempt(attempt) for attempt in facts.attempts],
        "login": _login(facts),
        "run": (facts.sender.mark or None) if facts.sender else None,
        "message": message_record(facts.message),
        "tls": [_tls(seen) for seen in facts.tls],
        "suites": [suites_record(one) for one in facts.suites],
        "times": facts.times,
        "working": [
            {"port": door.port, "encryption": door.encryption.value}
            for door in working_doors(facts)
        ],
    }


def _attempt(attempt: Attempt) -> Json:
    return {
        "address": attempt.address,
        "port": attempt.port,
        "encryption": attempt.encryption.value,
        "works": attempt.works,
        "failure": attempt.failure.kind.name.lower() if attempt.failure else None,
        "detail": attempt.failure.detail if attempt.failure else None,
        "said": str(attempt.failure.said) if attempt.failure and attempt.failure.said else None,
        "mechanisms": list(attempt.mechanisms),
        "offered_in_clear": _offered(attempt, is_clear=True),
        "offered_under_tls": _offered(attempt, is_clear=False),
        "steps": [
            {
                "stage": step.stage.value,
                "ok": step.is_ok,
                "milliseconds": step.milliseconds,
                "detail": step.detail or None,
            }
            for step in attempt.steps
        ],
    }


def _offered(attempt: Attempt, *, is_clear: bool) -> Json:
    """The keywords of EHLO, as they were said."""
    if is_clear and attempt.encryption is Encryption.TLS:
        return []
    heard = attempt.heard(Stage.EHLO) if is_clear else offered_under_tls(attempt)
    lines = heard.decode("latin-1").splitlines()
    return [printable(line[4:]) for line in lines if line[:3] == "250"][1:]


def printable(text: str) -> str:
    """The text without control characters."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _login(facts: Facts) -> Json:
    tried = facts.login
    if tried is None:
        return None
    return {
        "port": tried.port,
        "mechanism": tried.mechanism or None,
        "offered": list(tried.offered),
        "ok": tried.answer is not None and tried.answer.reply.code < 300,
        "answer": tried.answer.evidence if tried.answer else None,
    }


def _tls(seen: TlsFacts) -> Json:
    chain = read_chain(seen)
    return {
        "port": seen.port,
        "encryption": seen.encryption.value,
        "versions": {
            name: None if name not in seen.hellos else bool(seen.hellos[name].version)
            for name in ("ssl3", "1.0", "1.1", "1.2", "1.3")
        },
        "system_trusts": seen.system_trusts,
        "mozilla_trusts": seen.mozilla_trusts,
        "certificates": [
            {
                "subject": one.subject,
                "issuer": one.issuer,
                "names": list(one.names),
                "not_before": round(one.begins_at),
                "not_after": round(one.ends_at),
            }
            for one in chain
        ],
    }
