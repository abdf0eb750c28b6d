"""The doctor's report for tickets, test runners and code scanners. Pure.

Findings are all they have; stages and settings stand in text and JSON (diagnosis.report).
"""

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from pillarbox.diagnosis.catalog import CHECKS
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.finding import Finding, Severity
from pillarbox.diagnosis.findings import findings, working_doors
from pillarbox.diagnosis.report import verdict
from pillarbox.diagnosis.report_message import Json
from pillarbox.publish.card import door_text

_SARIF = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {Severity.FAIL: "error", Severity.WARN: "warning", Severity.INFO: "note"}


def as_markdown(facts: Facts) -> str:
    """For tickets: the verdict, a table of findings, what the server said, the settings."""
    found = findings(facts)
    lines = [f"**{_cell(verdict(facts))}**", ""]
    if found:
        lines += ["| severity | id | where | cause | fix |", "|---|---|---|---|---|"]
        lines += [
            f"| {f.severity.value} | `{f.id}` | {_cell(f.where)} | {_cell(f.cause)} |"
            f" {_cell(f.fix)} |"
            for f in found
        ]
        lines.append("")
    for finding in found:
        if finding.evidence:
            # A line of its own, indented: nothing in it is read as Markdown.
            lines += [f"`{finding.id}` ({_cell(finding.where)}):", ""]
            lines += [f"    {finding.evidence}", ""]
    doors = working_doors(facts)
    if doors:
        lines.append(f"Settings that work: {facts.target.host}, ")
        lines[-1] += " or ".join(f"port {door_text(door)}" for door in doors)
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, f"\\{mark}")
    return text


def as_junit(facts: Facts, *, strict: bool) -> str:
    """For test runners: a case for each way that works and each finding. Failures fail, and so do
    warnings if `strict`; the rest passes, with its text."""
    found = findings(facts)
    cases = list(_passing(facts)) + [_case(finding, strict=strict) for finding in found]
    failed = sum(_fails(finding, strict=strict) for finding in found)
    name = quoteattr(f"pillarbox doctor {facts.target.text}")
    head = f'<testsuite name={name} tests="{len(cases)}" failures="{failed}" errors="0">'
    return (
        "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *cases, "</testsuite>"]) + "\n"
    )


def _fails(finding: Finding, *, strict: bool) -> bool:
    return finding.severity is Severity.FAIL or (strict and finding.severity is Severity.WARN)


def _passing(facts: Facts) -> Iterable[str]:
    for door in working_doors(facts):
        name = quoteattr(f"port {door.port}")
        yield f"  <testcase classname={quoteattr(door.encryption.value)} name={name}/>"


def _case(finding: Finding, *, strict: bool) -> str:
    name = quoteattr(f"{finding.id} ({finding.where})")
    text = escape(f"fix: {finding.fix}\nseen: {finding.evidence}".removesuffix("\nseen: "))
    if _fails(finding, strict=strict):
        body = f"<failure message={quoteattr(finding.cause)}>{text}</failure>"
    else:
        body = f"<system-out>{escape(finding.cause)}\n{text}</system-out>"
    return f"  <testcase classname={quoteattr(finding.id)} name={name}>{body}</testcase>"


def as_sarif(facts: Facts, version: str) -> Json:
    """For code scanners: SARIF 2.1.0, with each check that found something as a rule."""
    found = findings(facts)
    rules = list(dict.fromkeys(finding.id for finding in found))
    return {
        "$schema": _SARIF,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pillarbox doctor",
                        "version": version,
                        "rules": [_rule(name) for name in rules],
                    }
                },
                "results": [
                    _result(finding, rules.index(finding.id), facts.target.host)
                    for finding in found
                ],
            }
        ],
    }


def _rule(name: str) -> Json:
    check = CHECKS[name]
    return {
        "id": name,
        "shortDescription": {"text": check.cause},
        "help": {"text": check.fix},
        "defaultConfiguration": {"level": _LEVELS[check.severity]},
    }


def _result(finding: Finding, rule: int, host: str) -> Json:
    return {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.cause}. Fix: {finding.fix}"},
        "locations": [
            {
                # Scanners want a file; a server is none, so its name stands there.
                "physicalLocation": {"artifactLocation": {"uri": host}},
                "logicalLocations": [{"fullyQualifiedName": f"{host} {finding.where}"}],
            }
        ],
        "properties": {"evidence": finding.evidence},
    }
