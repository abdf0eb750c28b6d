"""Writes the table of all findings into docs/doctor.md, from the catalog in the source.

Run it with `.venv/bin/python scripts/doctor_findings.py`; a test compares.
"""

import re
from pathlib import Path

from pillarbox.diagnosis.catalog import CHECKS

PAGE = Path(__file__).parents[1] / "docs" / "doctor.md"
BEGIN, END = "<!-- findings -->\n", "<!-- end of findings -->\n"


def table() -> str:
    """A line for each check. Facts that are filled in stand in italics."""
    rows = [
        f"| `{check.id}` | {check.severity.value} | {_cell(check.cause)} | {_cell(check.fix)} |\n"
        for check in CHECKS.values()
    ]
    return "".join(["| id | severity | cause | fix |\n|---|---|---|---|\n", *rows])


def _cell(text: str) -> str:
    return re.sub(r"\{(\w+)\}", r"*\1*", text).replace("|", "\\|").replace("_", "\\_")


def page(text: str) -> str:
    """The page with the table as it has to be."""
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    return f"{head}{BEGIN}{table()}{END}{tail}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
