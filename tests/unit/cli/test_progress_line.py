"""What the terminal shows while a command works (pillarbox.cli.progress_line)."""

import os
import pty
import re
import subprocess
import sys
import termios
from pathlib import Path

from tests.unit.cli.test_doctor import free_port

SCRIPT = Path(sys.executable).with_name("pillarbox")


def on_terminal(*words: str, piped: bool) -> tuple[str, str]:
    """Run it with standard error on a terminal of 32 columns, standard output there too or in a
    pipe; what the terminal was sent, and what went into the pipe."""
    leader, follower = pty.openpty()
    termios.tcsetwinsize(follower, (24, 32))
    process = subprocess.Popen(
        [SCRIPT, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if piped else follower,
        stderr=follower,
        env={**os.environ, "TERM": "xterm"},
    )
    os.close(follower)
    sent = b""
    try:
        while block := os.read(leader, 65_536):
            sent += block
    except OSError:
        pass  # Linux says so when the last writer is gone.
    piped_out = process.stdout.read() if process.stdout else b""
    if process.stdout:
        process.stdout.close()
    process.wait()
    os.close(leader)
    return sent.decode(), piped_out.decode()


def screen(sent: str) -> list[str]:
    """The lines that stand on the terminal in the end."""
    lines = []
    for line in sent.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


def test_progress_is_on_the_terminal_alone() -> None:
    """It counts, no line is broken by the width, and the pipe has the report without it."""
    sent, piped = on_terminal("doctor", f"127.0.0.1:{free_port()}", piped=True)

    shown = [part for part in sent.split("\r") if part.strip()]
    assert shown[0].startswith("looking at 127.0.0.1: 0 of 1")
    assert max(map(len, shown)) < 32
    assert re.search(r": (\d\d) of \1\b", shown[-1])
    assert screen(sent) == [""]
    assert piped.startswith("FAIL 127.0.0.1:")
    assert "\r" not in piped


def test_nothing_of_it_is_left_when_the_report_comes() -> None:
    """Both on one terminal: the first line is the verdict."""
    sent, _ = on_terminal("doctor", f"127.0.0.1:{free_port()}", piped=False)

    assert "looking at" in sent
    assert screen(sent)[0].startswith("FAIL 127.0.0.1:")
    assert not [line for line in screen(sent) if "looking at" in line]


def test_pipes_never_see_it() -> None:
    """Standard error of scripts stays empty."""
    line = [str(SCRIPT), "doctor", f"127.0.0.1:{free_port()}"]

    done = subprocess.run(line, capture_output=True, check=False, stdin=subprocess.DEVNULL)

    assert done.stderr == b""
