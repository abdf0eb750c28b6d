"""docs/standards.md against the code: every RFC that is cited has its line there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
STANDARDS = (ROOT / "docs" / "standards.md").read_text(encoding="utf-8")
FILES = [file for folder in ("src", "tests") for file in sorted((ROOT / folder).rglob("*.py"))]

_CITED = re.compile(r"\bRFC ?(\d{3,5})")
_LISTED = re.compile(r"^\| (\d+) \|", re.MULTILINE)


def test_every_cited_rfc_has_its_line() -> None:
    """Who reads a number in the code finds there how far it is followed."""
    listed = set(_LISTED.findall(STANDARDS))

    missing = {
        str(file.relative_to(ROOT)): sorted(cited - listed)
        for file in FILES
        if not (cited := set(_CITED.findall(file.read_text(encoding="utf-8")))) <= listed
    }

    assert not missing


def test_every_rfc_has_one_line() -> None:
    """No two lines can contradict each other."""
    listed = _LISTED.findall(STANDARDS)

    assert len(listed) == len(set(listed))
