"""The log writes one structured line for each event, without ever holding up the caller."""

import io
import json
import logging as stdlib_logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pillarbox.observe import log as logging
from pillarbox.observe.log import MASK, SECRET_FIELDS, LineWriter, log


@pytest.fixture(autouse=True)
def _close_log() -> Iterator[None]:
    """The log is one for the process: leave it as it was found."""
    yield
    logging.close()
    root = stdlib_logging.getLogger()
    root.handlers.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An empty file for the log to write into."""
    path = tmp_path / "log"
    path.touch()
    return path


def _lines(path: Path) -> list[dict[str, object]]:
    logging.flush()
    return [json.loads(line) for line in path.read_text().splitlines()]


def _configure(path: Path, level: str = "info", style: str = "json") -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    logging.configure(level, style, descriptor)


def test_an_event_is_one_line_of_json(file: Path) -> None:
    """Time, level and event come first, then the fields as they were given."""
    _configure(file)

    log.info("session.closed", session_id="0ABC", messages=3)

    [line] = _lines(file)
    assert list(line) == ["time", "level", "event", "session_id", "messages"]
    assert (line["level"], line["event"], line["messages"]) == ("info", "session.closed", 3)
    assert str(line["time"]).endswith("Z")
    assert len(str(line["time"])) == len("2026-01-01T00:00:00.000Z")


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("name", sorted(SECRET_FIELDS))
def test_secrets_are_masked(file: Path, style: str, name: str) -> None:
    """A field with the name of a secret never shows its value, in no style."""
    _configure(file, style=style)

    log.info("login", **{name: "hunter2"})

    logging.flush()
    assert "hunter2" not in file.read_text()
    assert MASK in file.read_text()


def test_lines_below_the_level_are_not_written(file: Path) -> None:
    """`level` is the least that is written."""
    _configure(file, "warning")

    log.info("no")
    log.warning("yes")

    assert [line["event"] for line in _lines(file)] == ["yes"]


def test_the_level_changes_at_a_reload(file: Path) -> None:
    """A second `configure` holds for the shared logger at once."""
    _configure(file, "error")
    log.info("no")

    logging.configure("debug", "json")
    log.debug("yes")

    assert [line["event"] for line in _lines(file)] == ["yes"]


def test_an_exception_brings_its_traceback(file: Path) -> None:
    """`log.exception` tells where an error arose."""
    _configure(file)

    try:
        dict[str, str]()["nothing here"]
    except LookupError:
        log.exception("worker.crashed")

    [line] = _lines(file)
    assert line["level"] == "error"
    assert "KeyError: 'nothing here'" in str(line["traceback"])


def test_row_59_the_console_does_not_obey_control_characters(file: Path) -> None:
    """What a peer sends can neither steer the terminal nor fake a line."""
    _configure(file, style="console")

    log.info("helo", name="a\x1b[2J\r\nb")

    logging.flush()
    text = file.read_text()
    assert "\x1b" not in text
    assert text.count("\n") == 1


def test_libraries_log_through_ours(file: Path) -> None:
    """A warning of a library is a line of ours."""
    _configure(file)

    stdlib_logging.getLogger("some.library").warning("careful: %s", "hot")

    [line] = _lines(file)
    assert (line["event"], line["library"]) == ("library.log", "some.library")
    assert line["text"] == "careful: hot"


def test_close_writes_the_rest(file: Path) -> None:
    """What waits in the buffer is written at exit."""
    _configure(file)
    log.info("last")

    logging.close()

    assert "last" in file.read_text()


def test_lines_are_written_without_a_flush() -> None:
    """The thread writes by itself soon after a line came."""
    reader, writer = os.pipe()
    lines = LineWriter(writer)

    lines.write(b"one\n")

    assert os.read(reader, 100) == b"one\n"
    lines.close()
    os.close(reader)
    os.close(writer)


def test_a_log_that_nobody_reads_drops_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The buffer is bounded; what is lost is counted."""
    monkeypatch.setattr(logging, "BUFFERED_LINES", 10)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    os.write(writer, bytes(65536))
    lines = LineWriter(writer)

    for _ in range(25):
        lines.write(b"x\n")

    assert lines.dropped == 15
    lines.close()
    os.close(reader)
    os.close(writer)


def test_a_broken_pipe_does_not_hurt() -> None:
    """A log collector that died takes nothing down with it."""
    reader, writer = os.pipe()
    lines = LineWriter(writer)
    os.close(reader)

    lines.write(b"x\n")
    lines.close()

    assert lines.dropped == 1
    os.close(writer)


def test_before_configure_lines_go_to_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that never configures the log still shows what happens."""
    target = io.StringIO()
    monkeypatch.setattr("sys.stderr", target)

    log.warning("direct", password="hunter2")

    assert "direct" in target.getvalue()
    assert "hunter2" not in target.getvalue()
