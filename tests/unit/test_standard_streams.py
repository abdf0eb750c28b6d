"""Programs that were started with standard input, output and error closed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_CLOSED = 'exec "$0" "$@" <&- >&- 2>&-'


def _run_closed(*words: str) -> int:
    """The exit code of a Python that has none of the three."""
    argv = ["sh", "-c", _CLOSED, sys.executable, *words]
    return subprocess.run(argv, check=False, timeout=60).returncode


def test_no_other_file_takes_the_number_of_a_closed_stream() -> None:
    """What is meant for the terminal would be written into it."""
    code = (
        "import os, sys; from pillarbox.standard_streams import open_closed_streams;"
        "open_closed_streams(); print(sys.stdin.read(), file=sys.stderr, flush=True);"
        "sys.exit(os.open('/dev/null', os.O_RDONLY))"
    )

    assert _run_closed("-c", code) > 2


def test_commands_have_a_standard_output_though_nobody_listens() -> None:
    """Those that make tables ask whether it is a terminal."""
    code = (
        "import sys; from pillarbox.cli import main; sys.argv = ['pillarbox', 'version']\n"
        "try: main()\n"
        "except SystemExit: sys.exit(sys.stdout.isatty())"
    )

    assert _run_closed("-c", code) == os.EX_OK


def test_the_sendmail_program_ends_with_its_code_though_nobody_listens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some daemons call it."""
    monkeypatch.setenv("PILLARBOX_CLIENT_CONFIG", str(tmp_path / "none"))
    code = "from pillarbox.sendmail.program import main; main()"

    assert _run_closed("-c", code) == os.EX_CONFIG
