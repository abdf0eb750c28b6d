"""The report in all of its forms (pillarbox.diagnosis.formats, report)."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.gallery.exhibits import LOGIN, Exhibit
from tests.gallery.rooms import M365, M365_SERVER
from tests.gallery.server import PASSWORD, Server
from tests.gallery.visit import visit

from pillarbox.diagnosis.domain_facts import DomainFacts, StsFacts
from pillarbox.diagnosis.facts import Facts
from pillarbox.diagnosis.formats import as_junit, as_markdown, as_sarif
from pillarbox.diagnosis.report import as_json, render
from pillarbox.diagnosis.target import Target

SCHEMA = json.loads(
    (Path(__file__).parents[3] / "docs" / "doctor.schema.json").read_text(encoding="utf-8")
)
EVIL = "550 5.7.1 <b>& `x` ]]> \x1b[31m"
_TYPES = {"string": str, "boolean": bool, "integer": int, "array": list, "object": dict}


def faults(value: Any, schema: dict[str, Any], at: str = "$") -> list[str]:
    """Where a value is not what the schema says, as far as our schema goes."""
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if value is None:
        return [] if "null" in kinds else [f"{at}: null"]
    found = []
    if kinds and not any(type(value) is _TYPES.get(kind) for kind in kinds):
        found.append(f"{at}: {type(value).__name__}")
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        found.append(f"{at}: {value}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [
            f"{at}.{name}: missing" for name in schema.get("required", []) if name not in value
        ]
        for name, inner in value.items():
            within = known.get(name) or schema.get("additionalProperties")
            found += faults(inner, within, f"{at}.{name}") if within else [f"{at}.{name}: unknown"]
    if isinstance(value, list):
        for one in value:
            found += faults(one, schema["items"], f"{at}[]")
    return found


async def refused() -> Facts:
    """A login that was refused with a text that wants to break out, and an old certificate."""
    server = Server(says={"AUTH": f"{EVIL} {PASSWORD}"})
    return await visit(Exhibit("", "", {587: server}, ask=LOGIN))


@pytest.mark.parametrize(
    "exhibit",
    [
        Exhibit("", "", {587: M365_SERVER}, f"{M365}:587"),
        Exhibit("", "", {587: Server(banner="554 no")}),
        Exhibit("", "", {465: Server(implicit=True, says={"AUTH": "535 no"})}, ask=LOGIN),
        Exhibit("", "", has_address=False),
        Exhibit("", "", {587: Server()}, vouching="system", ciphers=True),
    ],
    ids=["works", "refused", "login", "no host", "suites"],
)
async def test_json_is_what_the_schema_says(exhibit: Exhibit) -> None:
    """Every name is in docs/doctor.schema.json, with its type."""
    assert faults(as_json(await visit(exhibit)), SCHEMA) == []


async def test_junit_can_be_read_and_counts_failures() -> None:
    """Whatever the server said; warnings fail if they are to."""
    facts = await refused()

    suite = ET.fromstring(as_junit(facts, strict=False))  # noqa: S314 - we wrote it

    assert suite.get("failures") == "1"
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert "<b>& `x` ]]> \\x1b[31m" in (failure.text or "")
    assert suite.get("tests") == str(len(suite.findall("testcase")))


async def test_warnings_fail_if_they_are_to() -> None:
    """With --strict."""
    facts = await visit(Exhibit("", "", {587: Server(offers="STARTTLS|AUTH PLAIN")}))

    assert 'failures="0"' in as_junit(facts, strict=False)
    assert 'failures="1"' in as_junit(facts, strict=True)


async def test_markdown_shows_what_was_said_as_it_is() -> None:
    """In a block: nothing of it is read as Markdown; cells have no marks of their own."""
    told = as_markdown(await refused())

    assert "| fail | `LOGIN-REFUSED` | port 587 |" in told
    assert "\n    550 5.7.1 <b>& `x`" in told
    assert "Settings that work: mail.corp.com" in told


def test_what_a_web_server_publishes_stays_in_its_line() -> None:
    """A policy of MTA-STS has line ends and any character: it can neither add a line to a report,
    nor anything to Markdown, nor break XML or JSON."""
    policy = (
        "a\n![x](https://evil.example)\nOK   corp.example: works\r\x1b[2J\x9b\u2028\u202e\uffff b"
    )
    sts = StsFacts(("v=STSv1; id=1",), policy)
    facts = Facts(Target("corp.example", ""), domain=DomainFacts("corp.example", sts=sts))
    json_text = json.dumps(as_json(facts), ensure_ascii=False)
    sarif = json.dumps(as_sarif(facts, "1"), ensure_ascii=False)

    forms = [render(facts), as_markdown(facts), as_junit(facts, strict=False), json_text, sarif]

    for form in forms:
        assert "MTA-STS-SYNTAX" in form
        assert not [line for line in form.splitlines() if line.startswith(("![x]", "OK "))]
        assert all(char == "\n" or char.isprintable() for char in form)
    assert ET.fromstring(forms[2]).get("tests") == "1"  # noqa: S314 - we wrote it


async def test_sarif_has_its_rules() -> None:
    """Each result names its rule; the levels are those of SARIF."""
    told: Any = as_sarif(await refused(), "1.0")

    [run] = told["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert told["version"] == "2.1.0"
    assert run["results"][0]["level"] == "error"
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]


async def test_no_form_has_a_secret() -> None:
    """A server that repeats the password does not get it into a report."""
    facts = await refused()

    forms = [render(facts), as_markdown(facts), as_junit(facts, strict=True)]
    forms += [json.dumps(as_json(facts)), json.dumps(as_sarif(facts, "1"))]

    assert all("LOGIN-REFUSED" in form for form in forms)
    assert not any(PASSWORD in form for form in forms)
    assert PASSWORD not in repr(facts)
