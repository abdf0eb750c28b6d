"""The examples of docs/client-frameworks.md."""

import logging
from pathlib import Path
from typing import Any

import pytest

from pillarbox.django import EmailBackend, Way
from pillarbox.logs import MailHandler

PAGE = (Path(__file__).parents[2] / "docs" / "client-frameworks.md").read_text(encoding="utf-8")
BLOCKS = [text.partition("```")[0] for text in PAGE.split("```python\n")[1:]]


def run(block: str) -> dict[str, Any]:
    """The names that an example sets."""
    names: dict[str, Any] = {}
    exec(compile(block, "docs/client-frameworks.md", "exec"), names)  # noqa: S102 -- our own page
    return names


def test_mailers_on_the_page_can_be_used() -> None:
    """Its options are those of the backend, and the table has them all."""
    mailer = run(BLOCKS[0])["MAILERS"]["default"]

    assert mailer["BACKEND"] == f"{EmailBackend.__module__}.{EmailBackend.__name__}"
    assert EmailBackend(alias="default", **mailer["OPTIONS"]) is not None
    table = PAGE.partition("| option |")[2].partition("\n\n")[0]
    assert [name for name in Way._fields if f"`{name}`" not in table] == []


def test_settings_on_the_page_are_those_of_django() -> None:
    """By their names."""
    from django.conf import global_settings

    names = [name for name in run(BLOCKS[1]) if name.startswith("EMAIL_")]

    assert len(names) == 6
    assert [name for name in names if not hasattr(global_settings, name)] == []


def test_logging_on_the_page_can_be_configured(tmp_path: Path, monkeypatch: Any) -> None:
    """A handler of the root logger, at the level that was said."""
    monkeypatch.setenv("PILLARBOX_CLIENT_CONFIG", str(tmp_path / "client.toml"))
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        run(BLOCKS[2])
        [handler] = [one for one in root.handlers if isinstance(one, MailHandler)]
        assert handler.level == logging.ERROR
    finally:
        for one in set(root.handlers) - set(before):
            one.close()
        root.handlers = before


@pytest.mark.parametrize("name", ["fastapi", "flask"])
def test_examples_are_where_the_page_says(name: str) -> None:
    """The links lead somewhere."""
    assert f"](../examples/{name}/app.py)" in PAGE
    assert (Path(__file__).parents[2] / "examples" / name / "app.py").exists()
