"""How quickly the sendmail program begins (pillarbox.sendmail)."""

import subprocess
import sys

HEAVY = {
    *("argparse", "asyncio", "dataclasses", "email", "inspect", "json", "logging", "pathlib"),
    *("socket", "ssl", "subprocess", "threading", "pillarbox.client", "pillarbox.mail"),
}


def test_what_needs_no_network_loads_little() -> None:
    """Taking a message into the spool, or showing it, loads nothing that takes milliseconds."""
    code = "import sys; import pillarbox.sendmail.program, tomllib; print(*sys.modules)"

    loaded = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {code}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()

    assert "pillarbox.sendmail.spool" in loaded
    assert set(loaded) & HEAVY == set()
