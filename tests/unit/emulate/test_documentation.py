"""docs/emulator.md against what there is."""

from pathlib import Path

import pytest

from pillarbox.emulate.config import EmulatorConfig, Limits, load_config
from pillarbox.emulate.faults import Action, Fault, Stage
from pillarbox.emulate.switches import SWITCHES

PAGE = (Path(__file__).parents[3] / "docs" / "emulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", SWITCHES)
def test_every_switch_is_documented(name: str) -> None:
    """With its positions, the default first, and what it does."""
    switch = SWITCHES[name]

    assert f"| `{name}` | `{'`, `'.join(switch.positions)}` | {switch.text} |" in PAGE


def test_every_limit_and_every_part_of_a_fault_is_documented() -> None:
    """By its name."""
    names = [*Limits.model_fields, *Fault.model_fields, *Stage, *Action]

    assert [name for name in names if f"`{name}`" not in PAGE] == []


def test_the_file_on_the_page_can_be_used(tmp_path: Path) -> None:
    """And it is the sample tenant, with nothing left out."""
    text = PAGE.partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "page.toml"
    file.write_text(text)
    (tmp_path / "app.pem").write_text("-----BEGIN CERTIFICATE-----")

    config = load_config(file)

    assert config.tenants[0].id == EmulatorConfig().tenants[0].id
    assert config.ports.smtp == 2587
