"""docs/configuration.md against the options that there are (pillarbox.config.settings)."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from pillarbox.config import (
    Delivery,
    Limits,
    Listener,
    Log,
    Metrics,
    SelfCheck,
    Settings,
    Tls,
    TlsReports,
)
from pillarbox.config.settings import Publishing

PAGE = (Path(__file__).parents[3] / "docs" / "configuration.md").read_text(encoding="utf-8")

SECTIONS = {
    *(
        "listeners",
        "tls",
        "limits",
        "delivery",
        "tls_reports",
        "metrics",
        "log",
        "publishing",
        "self_check",
    ),
}


def _documented(heading: str) -> set[str]:
    """The options in the first column of the table below a heading."""
    table = PAGE.partition(f"{heading}\n")[2].partition("\n#")[0]
    cells = re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`(?:\w+\.)?(\w+)`", cell)}


@pytest.mark.parametrize(
    ("heading", "models"),
    [
        ("## Options", [Settings]),
        ("### `[[listeners]]`", [Listener]),
        ("### `[tls]`", [Tls]),
        ("### `[limits]`", [Limits]),
        ("### `[delivery]`", [Delivery]),
        ("### `[publishing]`", [Publishing]),
        ("### `[tls_reports]`", [TlsReports]),
        ("### `[self_check]`", [SelfCheck]),
        ("### `[metrics]` and `[log]`", [Metrics, Log]),
    ],
)
def test_every_option_is_documented(heading: str, models: list[type[BaseModel]]) -> None:
    """The page names each option, and none that does not exist."""
    options = {name for model in models for name in model.model_fields}

    assert _documented(heading) == options - (SECTIONS if models == [Settings] else set())


@pytest.mark.parametrize("model", [Limits, Delivery])
def test_documented_defaults_hold(model: type[BaseModel]) -> None:
    """The second column is the default."""
    for name, field in model.model_fields.items():
        shown = {"": '`""`', (): "`[]`"}.get(field.default, field.default)
        assert f"| `{name}` | {shown} |" in PAGE
