"""A profile that names the SMTP server for tests, and the sendmail program in this process."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.profiles import Profiles

from pillarbox.profiles import FILE_VARIABLE
from pillarbox.sendmail.program import run
from pillarbox.testing import SmtpServer


@pytest.fixture
def profiles(tmp_path: Path, smtp_server: SmtpServer, monkeypatch: pytest.MonkeyPatch) -> Profiles:
    """The profile `main`, with a login over STARTTLS and without a spool."""
    made = Profiles(tmp_path, smtp_server)
    made.write()
    monkeypatch.setenv(FILE_VARIABLE, str(made.file))
    return made


@pytest.fixture
def sendmail(monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The program: its exit code for arguments and standard input."""

    def call(*arguments: str, stdin: str | bytes = "") -> int:
        octets = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets)))
        return run(list(arguments))

    return call
