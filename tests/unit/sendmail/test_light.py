"""How quickly the sendmail program begins (pillarbox.sendmail)."""

import subprocess
import sys

HEAVY = {
    *("argparse", "asyncio", "dataclasses", "email", "inspect", "json", "logging", "pathlib"),
    *("socket", "ssl", "subprocess", "threading", "pillarbox.client", "pillarbox.mail"),
}


NOT_FOR_SENDING = {"argparse", "asyncio", "email", "logging", "pathlib", "subprocess", "tempfile"}


def loaded_by(modules: str) -> set[str]:
    """What a process has loaded that imports these."""
    code = f"import sys; sys.path[:0] = {sys.path!r}; import {modules}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())


def test_what_needs_no_network_loads_little() -> None:
    """Taking a message into the spool, or showing it, loads nothing that takes milliseconds."""
    loaded = loaded_by("pillarbox.sendmail.program, tomllib")

    assert "pillarbox.sendmail.spool" in loaded
    assert loaded & HEAVY == set()


def test_what_sends_at_once_loads_no_more_than_it_needs() -> None:
    """The client and TLS, and nothing that only other ways of the client take."""
    loaded = loaded_by("pillarbox.sendmail.deliver, pillarbox.client.blocking_client")

    assert "ssl" in loaded
    assert loaded & NOT_FOR_SENDING == set()
