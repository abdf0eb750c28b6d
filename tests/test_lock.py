"""The lock file pins everything that pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
NAME = re.compile(r"[A-Za-z0-9._-]+")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_dependency_is_pinned() -> None:
    """What `make run` and `make test` install is the same everywhere."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in project["optional-dependencies"].values():
        wanted += extra
    pinned = {
        _canonical(line.partition("==")[0])
        for line in (ROOT / "requirements.lock").read_text().splitlines()
    }

    names = {_canonical(match.group()) for text in wanted if (match := NAME.match(text))}

    assert names - pinned == set()


def test_the_lock_holds_versions_only() -> None:
    """No address of a registry and no path of somebody's machine stands in it."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()

    assert [
        line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line)
    ] == []
