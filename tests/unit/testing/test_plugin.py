"""The plugin of pytest (pillarbox.testing.plugin) in runs of its own."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
MARK = "```python\n"

HEAVY = ("asyncio", "cryptography", "email.message", "pydantic", "pillarbox.emulate", "ssl")

BARE = """
import importlib.abc, sys

class Bare(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == "pydantic":
            raise ModuleNotFoundError("No module named " + repr(name), name=name)

sys.meta_path.insert(0, Bare())
import pytest
sys.exit(pytest.main(["-q", "test_it.py"]))
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A program in a folder that knows nothing of ours."""
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_plugin_alone_imports_nothing_heavy(tmp_path: Path) -> None:
    """Who has Pillarbox installed and does not use the fixtures pays with a millisecond."""
    code = (
        "import sys, pytest; before = set(sys.modules); import pillarbox.testing.plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )

    loaded = run(tmp_path, "-c", code).stdout.split()

    assert loaded == ["pillarbox", "pillarbox.testing", "pillarbox.testing.plugin"]


def test_examples_on_the_page_work(tmp_path: Path) -> None:
    """All of docs/testing.md, with the plugin found by its entry point and every warning an
    error."""
    examples = [text.partition("```")[0] for text in PAGE.split(MARK)[1:]]
    for number, text in enumerate(examples):
        (tmp_path / f"test_example_{number}.py").write_text(text)
    options = ("-q", "-W", "error", "--strict-markers", "-p", "no:asyncio")

    result = run(tmp_path, "-m", "pytest", *options)

    assert result.returncode == 0, result.stdout + result.stderr
    assert len(examples) >= 5


def test_missing_extra_is_named(tmp_path: Path) -> None:
    """The test that needs it fails with the command that mends it."""
    (tmp_path / "test_it.py").write_text("def test_it(smtp_server): pass\n")

    result = run(tmp_path, "-c", BARE)

    assert result.returncode == 1
    assert 'pydantic is missing, which this fixture needs: pip install "pillarbox[testing]"' in (
        result.stdout
    )
