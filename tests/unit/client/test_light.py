"""client: what `pip install pillarbox` alone brings is enough, and errors lead to their place."""

import ast
import subprocess
import sys
from pathlib import Path

from pillarbox.client import ClientError, errors

DOCUMENT = Path(__file__).parents[3] / "docs" / "client.md"


def test_the_base_package_is_enough() -> None:
    """Sending and finding need nothing of the extra `server`."""
    code = """
import sys
there = set(sys.modules)
import pillarbox
for name in pillarbox.__all__:
    getattr(pillarbox, name)
beyond = {name.partition(".")[0] for name in set(sys.modules) - there}
beyond -= set(sys.stdlib_module_names)
print(sorted(name for name in beyond if not name.startswith("_")))
"""
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout

    assert set(ast.literal_eval(found)) <= {"pillarbox", "dns", "h11", "idna", "publicsuffixlist"}


def test_every_error_is_told_about() -> None:
    """`docs` leads to a place that is there."""
    text = DOCUMENT.read_text(encoding="utf-8")
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, ClientError)
    ]

    assert len(kinds) > 15
    for kind in kinds:
        assert f'<a id="{kind("x").docs.partition("#")[2]}"></a>`{kind.__name__}`' in text
