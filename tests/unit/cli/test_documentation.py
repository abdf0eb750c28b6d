"""docs/cli.md against the commands that there are (pillarbox.cli.root)."""

import re
from pathlib import Path

import click

from pillarbox.cli.failures import ExitCode
from pillarbox.cli.root import NOUNS, root
from pillarbox.diagnosis.catalog import CHECKS

PAGE = (Path(__file__).parents[3] / "docs" / "cli.md").read_text(encoding="utf-8")


def _documented() -> set[str]:
    """Every command that the page names, with its noun."""
    found = set()
    for noun, words in re.findall(
        r"pillarbox ([a-z0-9-]+)((?: [a-z0-9-]+(?:\\?\|[a-z0-9-]+)*)?)", PAGE
    ):
        verbs = words.strip().replace("\\", "").split("|")
        found |= {f"{noun} {verb}".strip() for verb in verbs}
    return found


def test_every_command_is_documented() -> None:
    """The page names each noun and each verb."""
    context = click.Context(root)
    there = set()
    for noun in NOUNS:
        command = root.get_command(context, noun)
        verbs = command.commands if isinstance(command, click.Group) else [""]
        there |= {f"{noun} {verb}".strip() for verb in verbs}

    assert there - {"session show"} <= _documented()


def test_every_exit_code_is_documented() -> None:
    """Scripts rely on them."""
    cells = re.findall(r"^\| (\d\d(?:, \d\d)*) \|", PAGE, re.MULTILINE)
    codes = {int(code) for cell in cells for code in cell.split(", ")}

    assert codes == {code.value for code in ExitCode}


def test_every_command_that_a_finding_names_is_there() -> None:
    """Who reads it types it."""
    context = click.Context(root)
    texts = " ".join(f"{check.cause}\n{check.fix}\n" for check in CHECKS.values())
    missing = set()
    for noun, verb in re.findall(r"\bpillarbox ([a-z0-9-]+)(?: ([a-z-]+))?", texts):
        command = root.get_command(context, noun)
        verbs = command.commands if isinstance(command, click.Group) and verb else {verb: None}
        if command is None or verb not in verbs:
            missing.add(f"{noun} {verb}")

    assert not missing
