"""Domains with MTA-STS records and policies of all kinds (RFC 8461), for two readers of them."""

from dataclasses import dataclass

from tests.world.web import Page, policy
from tests.world.world import World

NONE = "NONE"
"""There is no record that counts."""

UNUSABLE = "FETCH_ERROR"
"""There is one, but no valid policy."""

ENFORCE, TESTING, OFF = "enforce", "testing", "none"

HOST = "good.open.example"

_GOOD = policy("enforce", HOST)
_GOOD_PAGE = Page(_GOOD)
_RECORD = "v=STSv1; id=20261126"


@dataclass(frozen=True, slots=True)
class StsCase:
    """A domain by what it is called, and what is found. `judge` is what postfix-mta-sts-resolver
    finds where that is something else, and `why` says who is right."""

    name: str
    found: str
    page: Page = _GOOD_PAGE
    records: tuple[str, ...] = (_RECORD,)
    judge: str = ""
    why: str = ""

    @property
    def domain(self) -> str:
        """The whole name."""
        return f"policy-{self.name}.open.example"


def _lines(*lines: str, end: str = "\r\n") -> Page:
    return Page("".join(line + end for line in lines))


_VERSION, _MODE, _MX, _AGE = "version: STSv1", "mode: enforce", f"mx: {HOST}", "max_age: 86400"

_STRICTER = "RFC 8461 section 3.1 allows no such record; a stranger's text must not switch it on"

STS_CASES = (
    StsCase("good", ENFORCE),
    StsCase("testing", TESTING, Page(policy("testing", HOST))),
    StsCase("off", OFF, _lines(_VERSION, "mode: none", _AGE)),
    StsCase("line-feeds", ENFORCE, _lines(_VERSION, _MODE, _MX, _AGE, end="\n")),
    StsCase("no-blanks", ENFORCE, _lines("version:STSv1", "mode:enforce", f"mx:{HOST}", _AGE)),
    StsCase("unknown-field", ENFORCE, _lines(_VERSION, "colour: blue", _MODE, _MX, _AGE)),
    StsCase("several-hosts", ENFORCE, Page(policy("enforce", HOST, "*.other.example"))),
    StsCase("with-charset", ENFORCE, Page(_GOOD, kind="text/plain; charset=utf-8")),
    StsCase("record-without-blank", ENFORCE, records=("v=STSv1;id=1",)),
    StsCase("record-ends-so", ENFORCE, records=("v=STSv1; id=1;",)),
    StsCase("record-beside-others", ENFORCE, records=("v=spf1 -all", _RECORD)),
    StsCase("record-extended", ENFORCE, records=("v=STSv1; id=1; more=x;",)),
    # No record that counts.
    StsCase("other-record", NONE, records=("v=spf1 -all",)),
    StsCase("two-records", NONE, records=(_RECORD, "v=STSv1; id=2")),
    StsCase("no-id", NONE, records=("v=STSv1;",)),
    StsCase("other-version", NONE, records=("v=STSv2; id=1",)),
    StsCase("version-last", NONE, records=("id=1; v=STSv1",)),
    StsCase("odd-id", NONE, records=("v=STSv1; id=a-b",), judge=ENFORCE, why=_STRICTER),
    StsCase("long-id", NONE, records=(f"v=STSv1; id={'1' * 33}",), judge=ENFORCE, why=_STRICTER),
    # No policy.
    StsCase("not-there", UNUSABLE, Page("", 404)),
    StsCase("broken", UNUSABLE, Page(_GOOD, 500)),
    StsCase("moved", UNUSABLE, Page("", 301, location=f"https://mta-sts.policy-good.{HOST}/")),
    StsCase("other-type", UNUSABLE, Page(_GOOD, kind="text/html")),
    StsCase("too-long", UNUSABLE, Page(_GOOD + "x: y\r\n" * 20_000)),
    StsCase("misnamed", UNUSABLE),
    StsCase("empty", UNUSABLE, Page("")),
    StsCase("no-version", UNUSABLE, _lines(_MODE, _MX, _AGE)),
    StsCase("version-2", UNUSABLE, _lines("version: STSv2", _MODE, _MX, _AGE)),
    StsCase("no-mode", UNUSABLE, _lines(_VERSION, _MX, _AGE)),
    StsCase("odd-mode", UNUSABLE, _lines(_VERSION, "mode: strict", _MX, _AGE)),
    StsCase("no-hosts", UNUSABLE, _lines(_VERSION, _MODE, _AGE)),
    StsCase("no-age", UNUSABLE, _lines(_VERSION, _MODE, _MX)),
    StsCase("odd-age", UNUSABLE, _lines(_VERSION, _MODE, _MX, "max_age: long")),
    StsCase("minus-age", UNUSABLE, _lines(_VERSION, _MODE, _MX, "max_age: -1")),
    StsCase(
        "longest-age",
        ENFORCE,
        _lines(_VERSION, _MODE, _MX, "max_age: 99999999"),
        judge=UNUSABLE,
        why="section 3.2 names a longest time; a policy that wants more gets that, and protects",
    ),
    StsCase(
        "no-field",
        UNUSABLE,
        _lines(_VERSION, _MODE, "nothing", _MX, _AGE),
        judge=ENFORCE,
        why="the grammar of section 3.2 has fields alone: a policy with an error is none",
    ),
    StsCase(
        "odd-host",
        UNUSABLE,
        _lines(_VERSION, _MODE, "mx: *.*.example", _AGE),
        judge=ENFORCE,
        why="it matches no host: mail would wait for ever",
    ),
)


def describe_sts_cases(world: World) -> None:
    """All of these domains, with a host whose certificate is valid."""
    for case in STS_CASES:
        world.mx(case.domain, HOST)
        world.policy(case.domain, case.page, *case.records)
    world.web.misnamed.add("policy-misnamed.open.example")
